// Cross-entropy of every row: losses (rows), y_pred (rows, classes), y_true (rows, classes) or
// labels (rows). Probabilities are divided by their sum and clipped to [1e-7, 1 - 1e-7] first, as
// Keras does.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "reference/softmax.h"

namespace cnnfast::reference {

inline constexpr double kSmallestProbability = 1e-7;

template <class T>
T clip_probability(T p) {
  const T low = T(kSmallestProbability), high = T(1) - low;
  return p < low ? low : p > high ? high : p;
}

template <class T>
T row_sum(const T* x, std::int64_t classes) {
  T sum = 0;
  for (std::int64_t c = 0; c < classes; ++c) sum += x[c];
  return sum;
}

template <class T>
void categorical_crossentropy(const T* y_pred, const T* y_true, T* losses, std::int64_t rows,
                              std::int64_t classes, bool from_logits, T smoothing) {
  for (std::int64_t r = 0; r < rows; ++r, y_pred += classes, y_true += classes) {
    const T normaliser = from_logits ? log_sum_exp(y_pred, classes) : row_sum(y_pred, classes);
    T loss = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      const T target = y_true[c] * (T(1) - smoothing) + smoothing / T(classes);
      const T log_p =
          from_logits ? y_pred[c] - normaliser : std::log(clip_probability(y_pred[c] / normaliser));
      // A class of probability 0 that is not asked for costs nothing.
      if (target != T(0)) loss -= target * log_p;
    }
    losses[r] = loss;
  }
}

template <class T>
void categorical_crossentropy_backward(const T* y_pred, const T* y_true, const T* dlosses, T* dx,
                                       std::int64_t rows, std::int64_t classes, bool from_logits,
                                       T smoothing) {
  for (std::int64_t r = 0; r < rows; ++r, y_pred += classes, y_true += classes, dx += classes) {
    const auto target = [&](std::int64_t c) {
      return y_true[c] * (T(1) - smoothing) + smoothing / T(classes);
    };
    if (from_logits) {
      const T shift = log_sum_exp(y_pred, classes);
      T total = 0;
      for (std::int64_t c = 0; c < classes; ++c) total += target(c);
      for (std::int64_t c = 0; c < classes; ++c)
        dx[c] = dlosses[r] * (std::exp(y_pred[c] - shift) * total - target(c));
      continue;
    }
    const T sum = row_sum(y_pred, classes);
    const auto slope = [&](std::int64_t c) {  // of the loss with respect to p = y_pred / sum
      const T p = y_pred[c] / sum;
      return clip_probability(p) == p ? -target(c) / p : T(0) * p;
    };
    T dot = 0;
    for (std::int64_t c = 0; c < classes; ++c) dot += slope(c) * (y_pred[c] / sum);
    for (std::int64_t c = 0; c < classes; ++c) dx[c] = dlosses[r] * (slope(c) - dot) / sum;
  }
}

template <class T, class Label>
void sparse_categorical_crossentropy(const T* y_pred, const Label* labels, T* losses,
                                     std::int64_t rows, std::int64_t classes, bool from_logits) {
  for (std::int64_t r = 0; r < rows; ++r, y_pred += classes) {
    const std::int64_t label = static_cast<std::int64_t>(labels[r]);
    if (label < 0 || label >= classes) {
      losses[r] = std::numeric_limits<T>::quiet_NaN();
    } else if (from_logits) {
      losses[r] = log_sum_exp(y_pred, classes) - y_pred[label];
    } else {
      losses[r] = -std::log(clip_probability(y_pred[label] / row_sum(y_pred, classes)));
    }
  }
}

template <class T, class Label>
void sparse_categorical_crossentropy_backward(const T* y_pred, const Label* labels,
                                              const T* dlosses, T* dx, std::int64_t rows,
                                              std::int64_t classes, bool from_logits) {
  for (std::int64_t r = 0; r < rows; ++r, y_pred += classes, dx += classes) {
    const std::int64_t label = static_cast<std::int64_t>(labels[r]);
    if (label < 0 || label >= classes) {
      for (std::int64_t c = 0; c < classes; ++c) dx[c] = std::numeric_limits<T>::quiet_NaN();
    } else if (from_logits) {
      const T shift = log_sum_exp(y_pred, classes);
      for (std::int64_t c = 0; c < classes; ++c)
        dx[c] = dlosses[r] * (std::exp(y_pred[c] - shift) - T(c == label ? 1 : 0));
    } else {
      const T sum = row_sum(y_pred, classes);
      const T p = y_pred[label] / sum;
      const T slope = clip_probability(p) == p ? T(-1) / p : T(0) * p;
      for (std::int64_t c = 0; c < classes; ++c)
        dx[c] = dlosses[r] * slope * (T(c == label ? 1 : 0) - p) / sum;
    }
  }
}

// One loss for every value; probabilities are clipped to [1e-7, 1 - 1e-7].
template <class T>
void binary_crossentropy(const T* y_pred, const T* y_true, T* losses, std::int64_t size,
                         bool from_logits, T smoothing) {
  for (std::int64_t i = 0; i < size; ++i) {
    const T x = y_pred[i], t = y_true[i] * (T(1) - smoothing) + smoothing / T(2);
    const T p = clip_probability(x);
    losses[i] = from_logits ? (x > 0 ? x : x * T(0)) - t * x + std::log1p(std::exp(-std::abs(x)))
                            : -t * std::log(p) - (T(1) - t) * std::log1p(-p);
  }
}

template <class T>
void binary_crossentropy_backward(const T* y_pred, const T* y_true, const T* dlosses, T* dx,
                                  std::int64_t size, bool from_logits, T smoothing) {
  for (std::int64_t i = 0; i < size; ++i) {
    const T x = y_pred[i], t = y_true[i] * (T(1) - smoothing) + smoothing / T(2);
    const T p = from_logits ? T(1) / (T(1) + std::exp(-x)) : clip_probability(x);
    if (from_logits)
      dx[i] = dlosses[i] * (p - t);
    else
      dx[i] = dlosses[i] * (p == x ? (p - t) / (p * (T(1) - p)) : T(0) * x);
  }
}

}  // namespace cnnfast::reference
