// Sums and maxima over rows of classes: what softmax, losses and accuracy share.
#pragma once

#include "kernels/train_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();

CNNFAST_INLINE vf load_some(const float* p, int n) {
  return n == kLanes ? load(p) : load_first(p, n);
}
CNNFAST_INLINE void store_some(float* p, vf v, int n) {
  if (n == kLanes)
    store(p, v);
  else
    store_first(p, v, n);
}
CNNFAST_INLINE vi lane_numbers() {
  vi lanes = {};
  CNNFAST_UNROLL
  for (int i = 0; i < kLanes; ++i) lanes[i] = i;
  return lanes;
}
// v in the first n lanes, `other` behind.
CNNFAST_INLINE vf first_lanes(vf v, vf other, int n) {
  return n == kLanes ? v : select(lane_numbers() < n, v, other);
}

// f(first class, how many lanes of it).
template <class F>
CNNFAST_INLINE void for_classes(int64_t classes, F f) {
  int64_t c = 0;
  for (; c + 2 * kLanes <= classes; c += 2 * kLanes) {
    f(c, kLanes);
    f(c + kLanes, kLanes);
  }
  if (c + kLanes <= classes) {
    f(c, kLanes);
    c += kLanes;
  }
  if (c < classes) f(c, static_cast<int>(classes - c));
}

CNNFAST_INLINE float largest_lane(vf v) {
  return fold_lanes(v, [](vf a, vf b) __attribute__((always_inline)) { return max(a, b); });
}

// The largest of a row; a NaN may or may not be it (whoever subtracts it meets the NaN anyway).
CNNFAST_INLINE float row_largest(const float* x, int64_t classes) {
  vf best = broadcast(kMinusInfinity);
  for_classes(classes, [&](int64_t c, int n) __attribute__((always_inline)) {
    best = max(best, first_lanes(load_some(x + c, n), broadcast(kMinusInfinity), n));
  });
  return largest_lane(best);
}
CNNFAST_INLINE float row_sum(const float* x, int64_t classes) {
  vf total = {};
  for_classes(classes, [&](int64_t c, int n)
                           __attribute__((always_inline)) { total += load_some(x + c, n); });
  return sum(total);
}
// exp(x - largest) of a row's classes, to use(first class, exp, lanes); gives the largest of the
// next row, whose reads and whose chain of maxima have nothing of their own to hide behind.
template <class F>
CNNFAST_INLINE float for_exp(const float* x, float largest, const float* next, int64_t classes,
                             F use) {
  vf best = broadcast(kMinusInfinity);
  for_classes(classes, [&](int64_t c, int n) __attribute__((always_inline)) {
    use(c, exp_near_zero(load_some(x + c, n) - largest), n);
    best = max(best, first_lanes(load_some(next + c, n), broadcast(kMinusInfinity), n));
  });
  return largest_lane(best);
}
// sum(exp(x - largest)) of a row, and the largest of the next one. Where nothing is written,
// reading is what takes time: the row at `ahead` is asked for.
struct ExpSum {
  float sum, next_largest;
};
template <bool kAsks = false>
CNNFAST_INLINE ExpSum row_exp_sum(const float* x, float largest, const float* next, int64_t classes,
                                  const float* ahead = nullptr) {
  vf total = {};
  const float next_largest = for_exp(x, largest, next, classes,
                                     [&](int64_t c, vf e, int n) __attribute__((always_inline)) {
                                       total += first_lanes(e, vf{}, n);
                                       if constexpr (kAsks) __builtin_prefetch(ahead + c);
                                     });
  return {sum(total), next_largest};
}
// each(row, its classes, their largest, the next row's classes) gives the next row's largest; the
// last row is its own next.
template <class F>
CNNFAST_INLINE void for_rows(const float* x, int64_t rows, int64_t classes, F each) {
  if (rows <= 0) return;
  float largest = row_largest(x, classes);
  for (int64_t r = 0; r < rows; ++r, x += classes)
    largest = each(r, x, largest, r + 1 < rows ? x + classes : x);
}
CNNFAST_INLINE float scalar_log(float x) { return log(broadcast(x))[0]; }

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
