// Folds along the last or the first axis of a matrix. A lane adds at most kRun numbers plainly;
// the sums of those runs are added with compensation, so that the error stays near one rounding
// however many there are. The order depends on the sizes alone.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int64_t kRun = 16;

struct Sum {
  static vf identity() { return vf{}; }
  static vf of(vf total, vf x) { return total + x; }
  static float across(vf v) { return sum(v); }
  static float scalar(float total, float x) { return total + x; }
};
// NaN wins: it enters by the select, and stays since max returns its second operand then.
struct Max {
  static vf identity() { return broadcast(-__builtin_inff()); }
  static vf of(vf best, vf x) { return select(x != x, x, max(x, best)); }
  static float scalar(float best, float x) { return best != best ? best : x <= best ? best : x; }
  static float across(vf v) {
    float best = v[0];
    for (int i = 1; i < kLanes; ++i) best = scalar(best, v[i]);
    return best;
  }
};
struct Min {
  static vf identity() { return broadcast(__builtin_inff()); }
  static vf of(vf best, vf x) { return select(x != x, x, min(x, best)); }
  static float scalar(float best, float x) { return best != best ? best : x >= best ? best : x; }
  static float across(vf v) {
    float best = v[0];
    for (int i = 1; i < kLanes; ++i) best = scalar(best, v[i]);
    return best;
  }
};

// Folds the results of runs. For sums: Knuth's two-sum (TAOCP 2, 4.2.2), what each addition loses
// kept beside; not where it is infinite or NaN.
template <class F>
struct Runs {
  vf result = F::identity();
  __attribute__((always_inline)) void add(vf run) { result = F::of(result, run); }
  __attribute__((always_inline)) vf total() const { return result; }
};
template <>
struct Runs<Sum> {
  vf high = {}, low = {};
  __attribute__((always_inline)) void add(vf run) {
    const vf next = high + run, part = next - high;
    const vf lost = (high - (next - part)) + (run - part);
    low += select(lost == lost, lost, vf{});
    high = next;
  }
  __attribute__((always_inline)) vf total() const { return high + low; }
};

// The first n lanes of p, the fold's identity behind.
template <class F>
CNNFAST_INLINE vf load_first_or_identity(const float* p, int n) {
  vi lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return select(lane < n, load_first(p, n), F::identity());
}

template <class F>
CNNFAST_INLINE float fold_row(const float* x, int64_t n) {
  constexpr int64_t kStep = 4 * kLanes;  // four accumulators hide the latency of an addition
  Runs<F> runs;
  int64_t i = 0;
  while (i + kStep <= n) {
    vf a = F::identity(), b = a, c = a, d = a;
    for (int64_t k = 0; k < kRun && i + kStep <= n; ++k, i += kStep) {
      a = F::of(a, load(x + i));
      b = F::of(b, load(x + i + kLanes));
      c = F::of(c, load(x + i + 2 * kLanes));
      d = F::of(d, load(x + i + 3 * kLanes));
    }
    runs.add(F::of(F::of(a, b), F::of(c, d)));
  }
  vf rest = F::identity();
  for (; i + kLanes <= n; i += kLanes) rest = F::of(rest, load(x + i));
  if (i < n) rest = F::of(rest, load_first_or_identity<F>(x + i, static_cast<int>(n - i)));
  return F::across(F::of(runs.total(), rest));
}

template <class F>
void reduce_last_kernel(const float* x, float* y, int64_t rows, int64_t n, float scale) {
  for (int64_t r = 0; r < rows; ++r) y[r] = scale * fold_row<F>(x + r * n, n);
}

// One panel of kVectors vectors, down all rows.
template <class F, int kVectors>
CNNFAST_INLINE void fold_panel(const float* x, float* y, int64_t n, int64_t stride, vf scale) {
  Runs<F> runs[kVectors];
  int64_t i = 0;
  while (i < n) {
    vf a[kVectors];
    for (int v = 0; v < kVectors; ++v) a[v] = F::identity();
    const int64_t end = i + kRun < n ? i + kRun : n;
    for (; i < end; ++i)
      for (int v = 0; v < kVectors; ++v) a[v] = F::of(a[v], load(x + i * stride + v * kLanes));
    for (int v = 0; v < kVectors; ++v) runs[v].add(a[v]);
  }
  for (int v = 0; v < kVectors; ++v) store(y + v * kLanes, runs[v].total() * scale);
}

template <class F>
CNNFAST_INLINE void fold_last_panel(const float* x, float* y, int64_t n, int columns,
                                    int64_t stride, vf scale) {
  Runs<F> runs;
  int64_t i = 0;
  while (i < n) {
    vf a = F::identity();
    const int64_t end = i + kRun < n ? i + kRun : n;
    for (; i < end; ++i) a = F::of(a, load_first(x + i * stride, columns));
    runs.add(a);
  }
  store_first(y, runs.total() * scale, columns);
}

// Dense rows shorter than a vector: kLanes rows are `columns` whole vectors, and the lane at
// place p of them belongs to column p % columns.
template <class F>
void fold_narrow(const float* x, float* y, int64_t n, int columns, float scale) {
  vf run[kLanes];
  Runs<F> runs[kLanes];
  const int64_t period = static_cast<int64_t>(columns) * kLanes;
  const int64_t periods = n / kLanes;
  for (int64_t k = 0; k < periods;) {
    const int64_t end = k + kRun < periods ? k + kRun : periods;
    for (int c = 0; c < columns; ++c) run[c] = F::identity();
    for (; k < end; ++k)
      for (int c = 0; c < columns; ++c) run[c] = F::of(run[c], load(x + k * period + c * kLanes));
    for (int c = 0; c < columns; ++c) runs[c].add(run[c]);
  }
  float places[kLanes * kLanes];
  for (int c = 0; c < columns; ++c) store(places + c * kLanes, runs[c].total());
  for (int c = 0; c < columns; ++c) {
    float total = places[c];
    for (int64_t p = c + columns; p < period; p += columns) total = F::scalar(total, places[p]);
    for (int64_t i = periods * kLanes; i < n; ++i) total = F::scalar(total, x[i * columns + c]);
    y[c] = total * scale;
  }
}

template <class F>
void reduce_first_kernel(const float* x, float* y, int64_t n, int64_t columns, int64_t stride,
                         float scale) {
  if (columns < kLanes && stride == columns && n >= 4 * kLanes)
    return fold_narrow<F>(x, y, n, static_cast<int>(columns), scale);
  const vf factor = broadcast(scale);
  int64_t j = 0;
  for (; j + 4 * kLanes <= columns; j += 4 * kLanes)
    fold_panel<F, 4>(x + j, y + j, n, stride, factor);
  for (; j + kLanes <= columns; j += kLanes) fold_panel<F, 1>(x + j, y + j, n, stride, factor);
  if (j < columns)
    fold_last_panel<F>(x + j, y + j, n, static_cast<int>(columns - j), stride, factor);
}

void fill_reduce(ElementwiseKernels& table) {
  const auto set = [&](ReduceKind kind, auto last, auto first) {
    table.reduce_last[static_cast<int>(kind)] = last;
    table.reduce_first[static_cast<int>(kind)] = first;
  };
  set(ReduceKind::sum, reduce_last_kernel<Sum>, reduce_first_kernel<Sum>);
  set(ReduceKind::max, reduce_last_kernel<Max>, reduce_first_kernel<Max>);
  set(ReduceKind::min, reduce_last_kernel<Min>, reduce_first_kernel<Min>);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
