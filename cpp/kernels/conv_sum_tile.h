// The kernel's gradient, directly: dw[kh,kw,c,k] is a sum over pixels of x times dy. The register
// tile holds B x A rows of dw (B taps down, A neighbouring (kw, c)) times V vectors of channels k
// and walks over the pixels of several rows or images; it touches dw once a walk.
//   AVX-512: 14 x 2 accumulators + 2 of dy + 1 broadcast = 31 of 32 registers
//   AVX2, SSE2: 6 x 2 + 2 + 1 = 15 of 16
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_table.h"
#include "kernels/conv_tile.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct SumTile {
  const float* x;
  int64_t x_base, x_col, x_row, x_image;  // floats between bases, pixels, rows, images
  const float* dy;
  int64_t dy_col, dy_row, dy_image;
  int64_t cols, rows, images;
  float* dw;
  int64_t dw_row, dw_base;
  int last;    // lanes of the last vector that are real channels
  bool first;  // overwrite dw
  // What the next tile adds to, or the next walk reads: asked for as Tile::next.
  const float* next = nullptr;
  int64_t next_step = 0;
};

struct SumEnd {
  float* dw;
  int64_t base, row;
  int last;
  template <int B, int A, int V, bool kFirst, bool kWhole>
  __attribute__((always_inline)) void store_sums(const vf (&acc)[B][A][V]) const {
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) CNNFAST_UNROLL
    for (int a = 0; a < A; ++a) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      float* to = dw + b * base + a * row + v * kLanes;
      if (kWhole || v < V - 1)
        store(to, kFirst ? acc[b][a][v] : load(to) + acc[b][a][v]);
      else
        store_first(to, kFirst ? acc[b][a][v] : load_first(to, last) + acc[b][a][v], last);
    }
  }
};

// kRow: one row of one image.
template <int B, int A, int V, bool kRow>
void sum_tile(const SumTile& t) {
  vf acc[B][A][V];
  CNNFAST_UNROLL
  for (int b = 0; b < B; ++b) CNNFAST_UNROLL
  for (int a = 0; a < A; ++a) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) acc[b][a][v] = vf{};

  if (!t.first) {
    // Needed in a thousand cycles, and mostly far away by then.
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) CNNFAST_UNROLL
    for (int a = 0; a < A; ++a) __builtin_prefetch(t.dw + b * t.dw_base + a * t.dw_row, 1);
  }

  const int64_t ahead = 8 * t.dy_col;          // as conv_tile asks for weights
  const float* next = t.next ? t.next : t.dy;  // asking for nothing would walk through page tables
  const int64_t images = kRow ? 1 : t.images, rows = kRow ? 1 : t.rows;
  for (int64_t image = 0; image < images; ++image)
    for (int64_t row = 0; row < rows; ++row) {
      const float* x = t.x + image * t.x_image + row * t.x_row;
      const float* dy = t.dy + image * t.dy_image + row * t.dy_row;
      for (int64_t col = t.cols; col > 0; --col) {
        vf d[V];
        CNNFAST_UNROLL
        for (int v = 0; v < V; ++v) d[v] = load(dy + v * kLanes);
        CNNFAST_UNROLL
        for (int v = 0; v < V * kLanes; v += 16) __builtin_prefetch(dy + ahead + v);
        dy += t.dy_col;
        if constexpr (kAsksBitByBit) {
          __builtin_prefetch(next, 0, 2);
          next += t.next_step;
        }
        CNNFAST_UNROLL
        for (int b = 0; b < B; ++b) CNNFAST_UNROLL
        for (int a = 0; a < A; ++a) {
          const vf value = broadcast(x[b * t.x_base + a]);
          CNNFAST_UNROLL
          for (int v = 0; v < V; ++v) acc[b][a][v] += value * d[v];
        }
        x += t.x_col;
      }
    }

  // Out of t, which for all the compiler knows the stores change.
  const SumEnd end{t.dw, t.dw_base, t.dw_row, t.last};
  if (end.last < kLanes)
    t.first ? end.store_sums<B, A, V, true, false>(acc)
            : end.store_sums<B, A, V, false, false>(acc);
  else
    t.first ? end.store_sums<B, A, V, true, true>(acc) : end.store_sums<B, A, V, false, true>(acc);
}

using SumFunction = void (*)(const SumTile&);

template <int V>
SumFunction sum_function(int bases, int rows) {
#define CNNFAST_SUM(B, A) \
  case 16 * B + A:        \
    return sum_tile<B, A, V, false>;
  switch (16 * bases + rows) {
    CNNFAST_SUM(1, 1)
    CNNFAST_SUM(1, 2)
    CNNFAST_SUM(1, 3)
    CNNFAST_SUM(1, 4)
    CNNFAST_SUM(1, 5)
    CNNFAST_SUM(1, 6)
    CNNFAST_SUM(2, 1)
    CNNFAST_SUM(2, 2)
    CNNFAST_SUM(2, 3)
#if defined(__AVX512F__)
    CNNFAST_SUM(1, 7)
    CNNFAST_SUM(1, 8)
    CNNFAST_SUM(1, 9)
    CNNFAST_SUM(1, 10)
    CNNFAST_SUM(1, 11)
    CNNFAST_SUM(1, 12)
    CNNFAST_SUM(1, 13)
    CNNFAST_SUM(1, 14)
    CNNFAST_SUM(2, 4)
    CNNFAST_SUM(2, 5)
    CNNFAST_SUM(2, 6)
    CNNFAST_SUM(2, 7)
    CNNFAST_SUM(3, 1)
    CNNFAST_SUM(3, 2)
    CNNFAST_SUM(3, 3)
    CNNFAST_SUM(3, 4)
#endif
    default:
      return nullptr;
  }
#undef CNNFAST_SUM
}

// Of one row of one image.
template <int V, int A = kTilePixels>
SumFunction row_sum_function(int rows) {
  if (rows == A) return sum_tile<1, A, V, true>;
  if constexpr (A > 1)
    return row_sum_function<V, A - 1>(rows);
  else
    return nullptr;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
