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

void adam(const AdamStep& u) {
  const float keep = 1.0f - u.decay;
  for_classes(u.size, [&](int64_t i, int n) __attribute__((always_inline)) {
    const vf g = load_some(u.g + i, n);
    vf m = load_some(u.m + i, n), v = load_some(u.v + i, n);
    m += (g - m) * u.one_minus_beta1;
    v += (g * g - v) * u.one_minus_beta2;
    store_some(u.m + i, m, n);
    store_some(u.v + i, v, n);
    const vf w = load_some(u.w + i, n) * keep;
    store_some(u.w + i, w - m * u.step_size / (sqrt(v) + u.epsilon), n);
  });
}

void accumulate(float* total, const float* x, int64_t size) {
  for_classes(size, [&](int64_t i, int n) __attribute__((always_inline)) {
    store_some(total + i, load_some(total + i, n) + load_some(x + i, n), n);
  });
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
