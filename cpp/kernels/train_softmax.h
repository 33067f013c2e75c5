// Softmax over rows, and the largest of each.
#pragma once

#include "kernels/train_rows.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Exponentials of a row wait in L1 for their sum.
constexpr int64_t kStreamedClasses = 2048;

// A row of y from value(first class, lanes); past the caches, all but what shares a vector with
// other rows.
template <bool kStreams, class F>
CNNFAST_INLINE void write_row(float* y, int64_t classes, F value) {
  if constexpr (!kStreams) {
    for_classes(classes, [&](int64_t c, int n)
                             __attribute__((always_inline)) { store_some(y + c, value(c, n), n); });
  } else {
    const auto some = [&](int64_t c, int64_t n) __attribute__((always_inline)) {
      if (n > 0) store_some(y + c, value(c, static_cast<int>(n)), static_cast<int>(n));
    };
    const int64_t before = unaligned_floats(y, 0);
    int64_t c = before < classes ? before : classes;
    some(0, c);
    for (; c + kLanes <= classes; c += kLanes) stream(y + c, value(c, kLanes));
    some(c, classes - c);
  }
}

// A store to a line that no cache has reads it first, a third of what memory then moves.
template <bool kStreams>
void softmax_rows(const float* x, float* y, int64_t rows, int64_t classes) {
  float kept[kStreams ? kStreamedClasses : 1];
  for_rows(x, rows, classes, [&](int64_t r, const float* from, float largest, const float* next) {
    float* to = y + r * classes;
    float* exps = kStreams ? kept : to;
    vf total = {};
    const float next_largest = for_exp(from, largest, next, classes,
                                       [&](int64_t c, vf e, int n) __attribute__((always_inline)) {
                                         store_some(exps + c, e, n);
                                         total += first_lanes(e, vf{}, n);
                                       });
    const float scale = 1.0f / sum(total);
    write_row<kStreams>(to, classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      return load_some(exps + c, n) * scale;
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

template <bool kStreams>
void softmax_backward_rows(const float* y, const float* dy, float* dx, int64_t rows,
                           int64_t classes) {
  for (int64_t r = 0; r < rows; ++r, y += classes, dy += classes, dx += classes) {
    vf product = {};
    for_classes(classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      product += load_some(y + c, n) * load_some(dy + c, n);
    });
    const float dot = sum(product);
    write_row<kStreams>(dx, classes, [&](int64_t c, int n) __attribute__((always_inline)) {
      return load_some(y + c, n) * (load_some(dy + c, n) - dot);
    });
  }
}

void softmax(const float* x, float* y, int64_t rows, int64_t classes, bool uncached) {
  if (!uncached || classes > kStreamedClasses) return softmax_rows<false>(x, y, rows, classes);
  softmax_rows<true>(x, y, rows, classes);
  fence_streams();
}
void softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t classes,
                      bool uncached) {
  if (!uncached) return softmax_backward_rows<false>(y, dy, dx, rows, classes);
  softmax_backward_rows<true>(y, dy, dx, rows, classes);
  fence_streams();
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
