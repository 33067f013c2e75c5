// Optimizer updates: one pass over parameter, gradient and state. Formulas: reference/optimizer.h.
#pragma once

#include "kernels/train_rows.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

template <bool kVelocity, bool kNesterov>
void sgd_as(const SgdStep& u) {
  const float keep = 1.0f - u.lr * u.weight_decay;
  for_classes(u.size, [&](int64_t i, int n) __attribute__((always_inline)) {
    const vf step = load_some(u.g + i, n) * u.lr;
    vf w = load_some(u.w + i, n) * keep;
    if constexpr (kVelocity) {
      const vf m = load_some(u.velocity + i, n) * u.momentum - step;
      store_some(u.velocity + i, m, n);
      w += kNesterov ? m * u.momentum - step : m;
    } else {
      w -= step;
    }
    store_some(u.w + i, w, n);
  });
}

void sgd(const SgdStep& u) {
  if (u.velocity == nullptr)
    sgd_as<false, false>(u);
  else if (u.nesterov)
    sgd_as<true, true>(u);
  else
    sgd_as<true, false>(u);
}

template <bool kLargest>
void adam_as(const AdamStep& u) {
  const float keep = 1.0f - u.decay;
  for_classes(u.size, [&](int64_t i, int n) __attribute__((always_inline)) {
    const vf g = load_some(u.g + i, n);
    vf m = load_some(u.m + i, n), v = load_some(u.v + i, n);
    m += (g - m) * u.one_minus_beta1;
    v += (g * g - v) * u.one_minus_beta2;
    store_some(u.m + i, m, n);
    store_some(u.v + i, v, n);
    if constexpr (kLargest) {
      // A NaN in v comes through.
      v = max(v, load_some(u.v_largest + i, n));
      store_some(u.v_largest + i, v, n);
    }
    const vf w = load_some(u.w + i, n) * keep;
    store_some(u.w + i, w - divide_by_positive(m * u.step_size, sqrt(v) + u.epsilon), n);
  });
}

void adam(const AdamStep& u) {
  if (u.v_largest != nullptr)
    adam_as<true>(u);
  else
    adam_as<false>(u);
}

template <bool kCentred, bool kMomentum>
void rmsprop_as(const RmspropStep& u) {
  const float keep = 1.0f - u.decay;
  for_classes(u.size, [&](int64_t i, int n) __attribute__((always_inline)) {
    const vf g = load_some(u.g + i, n);
    const vf v = load_some(u.velocity + i, n) * u.rho + g * g * u.one_minus_rho;
    store_some(u.velocity + i, v, n);
    vf square = v + u.epsilon;
    if constexpr (kCentred) {
      const vf a = load_some(u.average + i, n) * u.rho + g * u.one_minus_rho;
      store_some(u.average + i, a, n);
      square -= a * a;
    }
    vf step = divide_by_positive(g * u.lr, sqrt(square));
    if constexpr (kMomentum) {
      step += load_some(u.momentum_buffer + i, n) * u.momentum;
      store_some(u.momentum_buffer + i, step, n);
    }
    store_some(u.w + i, load_some(u.w + i, n) * keep - step, n);
  });
}

void rmsprop(const RmspropStep& u) {
  const bool centred = u.average != nullptr, momentum = u.momentum_buffer != nullptr;
  if (centred)
    momentum ? rmsprop_as<true, true>(u) : rmsprop_as<true, false>(u);
  else
    momentum ? rmsprop_as<false, true>(u) : rmsprop_as<false, false>(u);
}

void adagrad(const AdagradStep& u) {
  const float keep = 1.0f - u.decay;
  for_classes(u.size, [&](int64_t i, int n) __attribute__((always_inline)) {
    const vf g = load_some(u.g + i, n);
    const vf a = load_some(u.accumulator + i, n) + g * g;
    store_some(u.accumulator + i, a, n);
    const vf w = load_some(u.w + i, n) * keep;
    store_some(u.w + i, w - divide_by_positive(g * u.lr, sqrt(a + u.epsilon)), n);
  });
}

void ema(const EmaStep& u) {
  for_classes(u.size, [&](int64_t i, int n) __attribute__((always_inline)) {
    const vf w = load_some(u.w + i, n) * u.one_minus_momentum;
    const vf average = load_some(u.average + i, n) * u.momentum + w;
    store_some(u.average + i, average, n);
    if (u.overwrite) store_some(u.w + i, average, n);
  });
}

void accumulate(float* total, const float* x, int64_t size) {
  for_classes(size, [&](int64_t i, int n) __attribute__((always_inline)) {
    store_some(total + i, load_some(total + i, n) + load_some(x + i, n), n);
  });
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
