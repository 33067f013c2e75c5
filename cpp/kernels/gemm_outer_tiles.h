// Products of few steps of k whose result is too large for the caches, where short vectors cannot
// hold b's rows in registers: tiles as in gemm(), whose loads keep clear of their stores.
//
// A load waits for every store before it whose address has the same last 12 bits, as if it read
// what that writes, and a store past the caches takes hundreds of cycles to be done. Where rows of
// c are whole pages apart, a tile's rows all have the same 12 bits, and so have a block of columns
// its own quarter of every page: a and b are packed into what the pages have left.
// 9216 to 4096, one core of a Zen 3: from 16 rows 31 to 18 ms, from 8 25 to 11.
#pragma once

#include "kernels/gemm_pack.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int64_t kPageFloats = 1024;
constexpr int64_t kClearColumns = kPageFloats / 4;
constexpr int64_t kOuterTileSteps = 32;

CNNFAST_INLINE bool fits_outer_tiles(const Gemm& g) {
  return kLanes == 8 && g.k > 1 && g.k <= kOuterTileSteps && g.a_row == 1 && g.b_column == 1 &&
         g.c_row % kPageFloats == 0 && g.n % kTileColumns == 0 && goes_past_caches(g);
}

constexpr int64_t strip_floats(int64_t steps) {
  return (steps * kTileRows + kLanes + 15) / 16 * 16;
}
static_assert(kLanes != 8 || strip_floats(kOuterTileSteps) + kOuterTileSteps * kTileColumns <=
                                 kPageFloats - kClearColumns,
              "a page has room for a strip and a tile");
static_assert(kLanes != 8 ||
                  (kClearColumns / kTileColumns + 2) * kPageFloats <= kBlockK * kBlockColumns,
              "the scratch has room for a tile a page");
// Where a strip of a and the tiles of b may lie, given where c's block of columns does: the strip
// first, then as many tiles in each page as it has left.
struct ClearPlaces {
  ClearPlaces(float* scratch, const float* c, int64_t columns, int64_t steps) {
    constexpr auto kPage = static_cast<uintptr_t>(kPageFloats) * sizeof(float);
    const auto place = [](const float* p) { return reinterpret_cast<uintptr_t>(p) % kPage; };
    strip = scratch + (place(c + columns) + kPage - place(scratch)) % kPage / sizeof(float);
    first = strip + strip_floats(steps);
    step = steps * kTileColumns;
    in_a_page = (kPageFloats - columns - strip_floats(steps)) / step;
  }
  float *strip, *first;     // [k][rows], [k][columns]
  int64_t step, in_a_page;  // floats from tile to tile; tiles

  // f(column, tile) for every kTileColumns columns.
  template <class F>
  __attribute__((always_inline)) void for_tiles(int64_t columns, F f) const {
    const int64_t step = this->step, in_a_page = this->in_a_page;  // in registers
    float* page = first;
    for (int64_t o = 0; o < columns; page += kPageFloats) {
      float* tile = page;
      for (int64_t t = 0; t < in_a_page && o < columns; ++t, o += kTileColumns, tile += step)
        f(o, tile);
    }
  }
};

// P rows of c, kTileColumns columns.
template <int P>
CNNFAST_INLINE void outer_tile(const float* a, const float* b, int64_t steps, float* c,
                               int64_t c_row) {
  constexpr int V = kTileVectors;
  vf sum[P][V];
  CNNFAST_UNROLL
  for (int p = 0; p < P; ++p) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) sum[p][v] = vf{};
  for (int64_t i = steps; i > 0; --i, a += P, b += V * kLanes) {
    vf columns[V];
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) columns[v] = load(b + v * kLanes);
    CNNFAST_UNROLL
    for (int p = 0; p < P; ++p) {
      const vf row = broadcast(a[p]);
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) sum[p][v] += row * columns[v];
    }
  }
  CNNFAST_UNROLL
  for (int p = 0; p < P; ++p) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) stream(c + p * c_row + v * kLanes, sum[p][v]);
}

// P rows of c.
template <int P>
void outer_strip(const ClearPlaces& places, int64_t columns, int64_t steps, float* c,
                 int64_t c_row) {
  const float* a = places.strip;
  places.for_tiles(columns, [&](int64_t o, const float* b) __attribute__((always_inline)) {
    outer_tile<P>(a, b, steps, c + o, c_row);
  });
}

using OuterStrip = void (*)(const ClearPlaces&, int64_t, int64_t, float*, int64_t);
template <int P = kTileRows>
OuterStrip outer_strip_of(int64_t rows) {
  if (rows == P) return outer_strip<P>;
  if constexpr (P > 1)
    return outer_strip_of<P - 1>(rows);
  else
    return nullptr;
}

void gemm_outer_tiles(const Gemm& g) {
  const int64_t strips = (g.m + kTileRows - 1) / kTileRows;
  for (int64_t n0 = 0; n0 < g.n; n0 += kClearColumns) {
    const int64_t columns = smaller(kClearColumns, g.n - n0);
    const ClearPlaces places(g.scratch, g.c + n0, columns, g.k);
    places.for_tiles(columns, [&](int64_t o, float* b) {
      pack_columns(g.b + n0 + o, g.b_k, g.k, kTileColumns, b, nullptr);
    });
    int64_t row = 0;
    for (int64_t s = 0; s < strips; ++s) {
      const int64_t rows = g.m / strips + (s < g.m % strips ? 1 : 0);
      pack_rows(g.a + row, 1, g.a_k, rows, g.k, places.strip);
      outer_strip_of(rows)(places, columns, g.k, g.c + row * g.c_row + n0, g.c_row);
      row += rows;
    }
  }
  fence_streams();
  add_column_sums(g);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
