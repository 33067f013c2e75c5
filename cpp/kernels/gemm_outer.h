// Products of few steps of k: gradients of a kernel from a batch so small that its rows stay in
// registers while the kernel's gradient, the only large matrix, is written from end to end.
#pragma once

#include "kernels/gemm_table.h"
#include "kernels/lane_transpose.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Rows narrower than this, without gaps, are written as one array: so many of them that they fill
// whole vectors are a pattern of b's elements and of places in a vector of a's.
constexpr int64_t kNarrowRow = 2 * kLanes;

// Returns how many rows it made.
int64_t narrow_outer_product(const Gemm& g) {
  int64_t rows = 1;
  while (rows * g.n % kLanes != 0) ++rows;
  if (g.m < 4 * rows) return 0;
  float values[kLanes * kNarrowRow];
  int32_t places[kLanes * kNarrowRow];
  const int64_t floats = rows * g.n;
  for (int64_t r = 0, i = 0; r < rows; ++r)
    for (int64_t o = 0; o < g.n; ++o, ++i) {
      values[i] = g.b[o];
      places[i] = static_cast<int32_t>(r);
    }
  float* c = g.c;
  int64_t m = 0;
  for (; m + kLanes <= g.m; m += rows, c += floats) {
    const vf a = load(g.a + m);
    for (int64_t i = 0; i < floats; i += kLanes)
      store(c + i, permute(a, load(places + i)) * load(values + i));
  }
  return m;
}

// Is c, which is written once, in whole vectors, aligned, and too large for the caches? A store to
// a line that no cache has would read it first.
bool goes_past_caches(const Gemm& g) {
  return g.uncached && !g.bias && g.activation == ActivationKind::linear &&
         (g.n | g.c_row) % kLanes == 0 && reinterpret_cast<uintptr_t>(g.c) % sizeof(vf) == 0;
}

// One step: the gradient of a kernel from one image. A row's last vector overlaps the one before.
void outer_product(const Gemm& g) {
  const bool narrow = g.n < kNarrowRow && g.c_row == g.n && g.a_row == 1;
  const bool uncached = goes_past_caches(g);
  for (int64_t m = narrow ? narrow_outer_product(g) : 0; m < g.m; ++m) {
    const vf a = broadcast(g.a[m * g.a_row]);
    float* c = g.c + m * g.c_row;
    if (g.n < kLanes)
      store_first(c, a * load_first(g.b, static_cast<int>(g.n)), static_cast<int>(g.n));
    for (int64_t o = 0; uncached && o < g.n; o += kLanes) stream(c + o, a * load(g.b + o));
    for (int64_t o = 0; !uncached && g.n >= kLanes && o < g.n; o += kLanes) {
      const int64_t at = smaller(o, g.n - kLanes);
      store(c + at, a * load(g.b + at));
    }
  }
  if (uncached) fence_streams();
  if (g.b_sums)
    for (int64_t o = 0; o < g.n; ++o) g.b_sums[o] = g.b[o];
}

void add_column_sums(const Gemm& g) {
  for (int64_t o = 0; g.b_sums && o < g.n; ++o) {
    float sum = g.b[o];
    for (int64_t i = 1; i < g.k; ++i) sum += g.b[i * g.b_k + o];
    g.b_sums[o] = sum;
  }
}

// Several steps: K vectors of b in registers, and a vector of each row of c from them. A tile that
// runs so few steps begins and ends more than it multiplies: 16 steps on one core of a Zen 4, 79 %
// of the peak, here 98. Half a line of c at a time, as shorter vectors write it, is no faster than
// tiles where c is too large for the caches.
constexpr int kOuterSteps = kLanes, kOuterStepsOfLarge = kLanes == 16 ? kOuterSteps : 1;

template <int K, bool kWhole>
CNNFAST_INLINE void outer_columns(const float* a, int64_t rows, const float* b, int64_t b_k,
                                  float* c, int64_t c_row, int lanes, bool uncached) {
  vf w[K];
  CNNFAST_UNROLL
  for (int i = 0; i < K; ++i) w[i] = kWhole ? load(b + i * b_k) : load_first(b + i * b_k, lanes);
  for (int64_t m = 0; m < rows; ++m, a += kLanes, c += c_row) {
    // Two chains: one of all would wait for its own latency.
    vf even = broadcast(a[0]) * w[0], odd = broadcast(a[1]) * w[1];
    CNNFAST_UNROLL
    for (int i = 2; i < K; ++i) (i % 2 == 0 ? even : odd) += broadcast(a[i]) * w[i];
    if (!kWhole)
      store_first(c, even + odd, lanes);
    else if (uncached)
      stream(c, even + odd);
    else
      store(c, even + odd);
  }
}

template <int K>
void outer_steps(const Gemm& g, bool uncached) {
  float turned[kLanes * kLanes];  // [row of c][kLanes], K of them real
  for (int64_t m = 0; m < g.m; m += kLanes) {
    const int64_t rows = smaller(kLanes, g.m - m);
    vf square[kLanes];
    CNNFAST_UNROLL
    for (int i = 0; i < kLanes; ++i)
      square[i] = i < K ? load_first(g.a + i * g.a_k + m, static_cast<int>(rows)) : vf{};
    transpose(square);
    CNNFAST_UNROLL
    for (int i = 0; i < kLanes; ++i) store(turned + i * kLanes, square[i]);
    float* c = g.c + m * g.c_row;
    int64_t o = 0;
    for (; o + kLanes <= g.n; o += kLanes)
      outer_columns<K, true>(turned, rows, g.b + o, g.b_k, c + o, g.c_row, kLanes, uncached);
    if (o < g.n)
      outer_columns<K, false>(turned, rows, g.b + o, g.b_k, c + o, g.c_row,
                              static_cast<int>(g.n - o), uncached);
  }
}
template <int K = kOuterSteps>
void outer_steps_of(const Gemm& g, bool uncached) {
  if constexpr (K > 1) {
    if (g.k == K)
      outer_steps<K>(g, uncached);
    else
      outer_steps_of<K - 1>(g, uncached);
  }
}

void gemm_outer(const Gemm& g) {
  if (g.k == 1) return outer_product(g);
  const bool uncached = goes_past_caches(g);
  outer_steps_of(g, uncached);
  if (uncached) fence_streams();
  add_column_sums(g);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
