// Softmax over rows, and the largest of each.
#pragma once

#include "kernels/train_rows.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

void softmax(const float* x, float* y, int64_t rows, int64_t classes) {
  for_rows(x, rows, classes, [&](int64_t r, const float* from, float largest, const float* next) {
    float* to = y + r * classes;
    vf total = {};
    const float next_largest = for_exp(from, largest, next, classes,
                                       [&](int64_t c, vf e, int n) __attribute__((always_inline)) {
                                         store_some(to + c, e, n);
                                         total += first_lanes(e, vf{}, n);
                                       });
    const float scale = 1.0f / sum(total);
    for_classes(classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      store_some(to + c, load_some(to + c, n) * scale, n);
    });
    return next_largest;
  });
}

void log_softmax(const float* x, float* y, int64_t rows, int64_t classes) {
  for_rows(x, rows, classes, [&](int64_t r, const float* from, float largest, const float* next) {
    float* to = y + r * classes;
    const ExpSum all = row_exp_sum(from, largest, next, classes);
    const float log_sum = scalar_log(all.sum);
    for_classes(classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      store_some(to + c, (load_some(from + c, n) - largest) - log_sum, n);
    });
    return all.next_largest;
  });
}

void softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t classes) {
  for (int64_t r = 0; r < rows; ++r, y += classes, dy += classes, dx += classes) {
    vf product = {};
    for_classes(classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      product += load_some(y + c, n) * load_some(dy + c, n);
    });
    const float dot = sum(product);
    for_classes(classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      store_some(dx + c, load_some(y + c, n) * (load_some(dy + c, n) - dot), n);
    });
  }
}

void first_largest(const float* x, int64_t rows, int64_t classes, int32_t* index) {
  for (int64_t r = 0; r < rows; ++r, x += classes) {
    vf best = broadcast(kMinusInfinity);
    vi place = {};
    for_classes(classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      const vf v = first_lanes(load_some(x + c, n), broadcast(kMinusInfinity), n);
      const vi wins = v > best;
      best = wins ? v : best;
      place = wins ? lane_numbers() + static_cast<int32_t>(c) : place;
    });
    float largest = kMinusInfinity;
    int32_t winner = 0;
    for (int l = 0; l < kLanes; ++l)
      if (best[l] > largest || (best[l] == largest && place[l] < winner)) {
        largest = best[l];
        winner = place[l];
      }
    index[r] = x[0] != x[0] ? 0 : winner;  // nothing is larger than a NaN
  }
}

// Counts what is not at most the label's value: a NaN among the others stands above it, and a NaN
// at the label is below all, itself too.
void in_top_k(const float* x, const int64_t* labels, int64_t rows, int64_t classes, int64_t k,
              float* hits) {
  for (int64_t r = 0; r < rows; ++r, x += classes) {
    hits[r] = 0.0f;
    if (labels[r] < 0 || labels[r] >= classes) continue;
    const float value = x[labels[r]];
    vi above = {};
    for_classes(classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      const vf v = first_lanes(load_some(x + c, n), broadcast(kMinusInfinity), n);
      above += ~(v <= value) & (lane_numbers() < n);
    });
    int64_t count = 0;
    for (int l = 0; l < kLanes; ++l) count -= above[l];
    hits[r] = count < k ? 1.0f : 0.0f;
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
