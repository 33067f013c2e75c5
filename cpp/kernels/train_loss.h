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

// Losses of one row of probabilities.
float loss_of_targets(const CrossEntropy& e, const float* x, const float* targets) {
  vf loss = {};
  const float total = row_sum(x, e.classes);
  for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
    const vf t = smoothed(e, load_some(targets + c, n));
    const vf term = -t * log(clip(load_some(x + c, n) / total));
    loss += first_lanes(select(t == 0.0f, vf{}, term), vf{}, n);
  });
  return sum(loss);
}
float loss_of_label(const CrossEntropy& e, const float* x, int64_t label) {
  if (label < 0 || label >= e.classes) return __builtin_nanf("");
  return -log(clip(broadcast(x[label] / row_sum(x, e.classes))))[0];
}

void cross_entropy_of_logits(const CrossEntropy& e) {
  for_rows(e.y_pred, e.rows, e.classes,
           [&](int64_t r, const float* x, float largest, const float* next) {
             const float* ahead = r + 2 < e.rows ? next + e.classes : next;
             const ExpSum all = row_exp_sum<true>(x, largest, next, e.classes, ahead);
             const float log_sum = scalar_log(all.sum);
             if (e.y_true == nullptr) {
               const int64_t label = label_of(e, r);
               const bool known = label >= 0 && label < e.classes;
               e.out[r] = known ? log_sum - (x[label] - largest) : __builtin_nanf("");
               return all.next_largest;
             }
             const float* targets = e.y_true + r * e.classes;
             vf loss = {};
             for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
               const vf t = smoothed(e, load_some(targets + c, n));
               const vf term = t * (log_sum - (load_some(x + c, n) - largest));
               loss += first_lanes(select(t == 0.0f, vf{}, term), vf{}, n);
             });
             e.out[r] = sum(loss);
             return all.next_largest;
           });
}

void cross_entropy(const CrossEntropy& e) {
  if (e.from_logits) return cross_entropy_of_logits(e);
  for (int64_t r = 0; r < e.rows; ++r) {
    const float* x = e.y_pred + r * e.classes;
    e.out[r] = e.y_true != nullptr ? loss_of_targets(e, x, e.y_true + r * e.classes)
                                   : loss_of_label(e, x, label_of(e, r));
  }
}

void fill_nan(float* dx, int64_t classes) {
  for (int64_t c = 0; c < classes; ++c) dx[c] = __builtin_nanf("");
}

// dx = d (softmax(x) sum(t) - t)
void logits_backward(const CrossEntropy& e) {
  for_rows(e.y_pred, e.rows, e.classes,
           [&](int64_t r, const float* x, float largest, const float* next) {
             const float* targets = e.y_true != nullptr ? e.y_true + r * e.classes : nullptr;
             float* dx = e.out + r * e.classes;
             const float d = e.dlosses[r];
             vf all = {}, wanted = {};
             const float next_largest =
                 for_exp(x, largest, next, e.classes,
                         [&](int64_t c, vf p, int n) __attribute__((always_inline)) {
                           store_some(dx + c, p, n);
                           all += first_lanes(p, vf{}, n);
                           if (targets != nullptr)
                             wanted += first_lanes(smoothed(e, load_some(targets + c, n)), vf{}, n);
                         });
             const float scale = d / sum(all) * (targets != nullptr ? sum(wanted) : 1.0f);
             for_classes(e.classes, [&](int64_t c, int n) __attribute__((always_inline)) {
               vf g = load_some(dx + c, n) * scale;
               if (targets != nullptr) g -= smoothed(e, load_some(targets + c, n)) * d;
               store_some(dx + c, g, n);
             });
             if (targets == nullptr) {
               const int64_t label = label_of(e, r);
               if (label >= 0 && label < e.classes)
                 dx[label] -= d;
               else
                 fill_nan(dx, e.classes);
             }
             return next_largest;
           });
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
  if (e.from_logits) return logits_backward(e);
  for (int64_t r = 0; r < e.rows; ++r) {
    const float* x = e.y_pred + r * e.classes;
    float* dx = e.out + r * e.classes;
    if (e.y_true != nullptr) {
      probabilities_backward(e, x, e.y_true + r * e.classes, e.dlosses[r], dx);
      continue;
    }
    const int64_t label = label_of(e, r);
    if (label >= 0 && label < e.classes)
      probability_backward(e, x, label, e.dlosses[r], dx);
    else
      fill_nan(dx, e.classes);
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
