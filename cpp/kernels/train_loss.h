// Cross-entropy of rows and its gradient. The definition is reference/loss.h.
#pragma once

#include "kernels/train_rows.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr float kLowestProbability = 1e-7f;
constexpr float kHighestProbability = 1.0f - 1e-7f;

// NaN stays NaN.
CNNFAST_INLINE vf clip(vf p) {
  return min(broadcast(kHighestProbability), max(broadcast(kLowestProbability), p));
}
CNNFAST_INLINE int64_t label_of(const CrossEntropy& e, int64_t row) {
  switch (e.label_type) {
    case LabelType::uint8:
      return static_cast<const uint8_t*>(e.labels)[row];
    case LabelType::int32:
      return static_cast<const int32_t*>(e.labels)[row];
    case LabelType::int64:
      return static_cast<const int64_t*>(e.labels)[row];
  }
  return -1;
}
CNNFAST_INLINE vf smoothed(const CrossEntropy& e, vf target) {
  return target * (1.0f - e.smoothing) + e.smoothing / static_cast<float>(e.classes);
}

float loss_of_targets(const CrossEntropy& e, const float* x, const float* targets) {
  vf loss = {};
  if (e.from_logits) {
    const float largest = row_largest(x, e.classes);
    const float log_sum = scalar_log(row_exp_sum(x, largest, e.classes));
    for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      const vf t = smoothed(e, load_some(targets + c, n));
      const vf term = t * (log_sum - (load_some(x + c, n) - largest));
      loss += first_lanes(select(t == 0.0f, vf{}, term), vf{}, n);
    });
  } else {
    const float total = row_sum(x, e.classes);
    for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      const vf t = smoothed(e, load_some(targets + c, n));
      const vf term = -t * log(clip(load_some(x + c, n) / total));
      loss += first_lanes(select(t == 0.0f, vf{}, term), vf{}, n);
    });
  }
  return sum(loss);
}

float loss_of_label(const CrossEntropy& e, const float* x, int64_t label) {
  if (label < 0 || label >= e.classes) return __builtin_nanf("");
  if (e.from_logits) {
    const float largest = row_largest(x, e.classes);
    return scalar_log(row_exp_sum(x, largest, e.classes)) - (x[label] - largest);
  }
  return -log(clip(broadcast(x[label] / row_sum(x, e.classes))))[0];
}

void cross_entropy(const CrossEntropy& e) {
  for (int64_t r = 0; r < e.rows; ++r) {
    const float* x = e.y_pred + r * e.classes;
    e.out[r] = e.y_true != nullptr ? loss_of_targets(e, x, e.y_true + r * e.classes)
                                   : loss_of_label(e, x, label_of(e, r));
  }
}

// dx = d (softmax(x) sum(t) - t)
void logits_backward(const CrossEntropy& e, const float* x, const float* targets, int64_t label,
                     float d, float* dx) {
  const float largest = row_largest(x, e.classes);
  vf all = {}, wanted = {};
  for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
    const vf p = row_exp(x, largest, e.classes, c, n);
    store_some(dx + c, p, n);
    all += first_lanes(p, vf{}, n);
    if (targets != nullptr) wanted += first_lanes(smoothed(e, load_some(targets + c, n)), vf{}, n);
  });
  const float scale = d / sum(all) * (targets != nullptr ? sum(wanted) : 1.0f);
  for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
    vf g = load_some(dx + c, n) * scale;
    if (targets != nullptr) g -= smoothed(e, load_some(targets + c, n)) * d;
    store_some(dx + c, g, n);
  });
  if (targets == nullptr) dx[label] -= d;
}

// The loss falls with log(clip(p)), p = x / sum(x): its slope is -t / p inside the clip, 0 outside.
CNNFAST_INLINE vf slope(vf target, vf p) { return select(clip(p) == p, -target / p, p * 0.0f); }

void probabilities_backward(const CrossEntropy& e, const float* x, const float* targets, float d,
                            float* dx) {
  const float total = row_sum(x, e.classes);
  vf product = {};
  for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
    const vf p = load_some(x + c, n) / total;
    const vf s = slope(smoothed(e, load_some(targets + c, n)), p);
    product += first_lanes(s * p, vf{}, n);
  });
  const float dot = sum(product), scale = d / total;
  for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
    const vf s = slope(smoothed(e, load_some(targets + c, n)), load_some(x + c, n) / total);
    store_some(dx + c, (s - dot) * scale, n);
  });
}

void probability_backward(const CrossEntropy& e, const float* x, int64_t label, float d,
                          float* dx) {
  const float total = row_sum(x, e.classes), p = x[label] / total;
  const float scale = d * slope(broadcast(1.0f), broadcast(p))[0] / total;
  for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
    store_some(dx + c, broadcast(-p * scale), n);
  });
  dx[label] = (1.0f - p) * scale;
}

void cross_entropy_backward(const CrossEntropy& e) {
  for (int64_t r = 0; r < e.rows; ++r) {
    const float* x = e.y_pred + r * e.classes;
    const float* targets = e.y_true != nullptr ? e.y_true + r * e.classes : nullptr;
    float* dx = e.out + r * e.classes;
    const int64_t label = targets != nullptr ? 0 : label_of(e, r);
    if (label < 0 || label >= e.classes) {
      for (int64_t c = 0; c < e.classes; ++c) dx[c] = __builtin_nanf("");
    } else if (e.from_logits) {
      logits_backward(e, x, targets, label, e.dlosses[r], dx);
    } else if (targets != nullptr) {
      probabilities_backward(e, x, targets, e.dlosses[r], dx);
    } else {
      probability_backward(e, x, label, e.dlosses[r], dx);
    }
  }
}

CNNFAST_INLINE vf binary_loss(vf x, vf t, bool from_logits) {
  // max(z, 0) - t z + log(1 + e^-|z|): no two large numbers are subtracted where the loss is small.
  if (from_logits) {
    const vf zero = {};
    return max(zero, x) - t * x + log1p_unit(exp(-abs(x)));
  }
  const vf p = clip(x);
  return -t * log(p) - (1.0f - t) * log(1.0f - p);
}
CNNFAST_INLINE vf binary_slope(vf x, vf t, bool from_logits) {
  if (from_logits) return sigmoid(x) - t;
  const vf p = clip(x);
  return select(p == x, (p - t) / (p * (1.0f - p)), x * 0.0f);
}

void binary_cross_entropy(const BinaryCrossEntropy& e) {
  const float keep = 1.0f - e.smoothing, half = 0.5f * e.smoothing;
  for_classes(e.size, [&](int64_t i, int n) __attribute__((always_inline)) {
    const vf x = load_some(e.y_pred + i, n), t = load_some(e.y_true + i, n) * keep + half;
    const vf y = e.dlosses != nullptr
                     ? binary_slope(x, t, e.from_logits) * load_some(e.dlosses + i, n)
                     : binary_loss(x, t, e.from_logits);
    store_some(e.out + i, y, n);
  });
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
