// Matrix products for dense layers, blocked for the caches (Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008): a block of b is packed once and stays in L2, a
// strip of rows of a in L1, the tile of c in registers.
//
// b is packed as it is used, one block at a time, and never as a whole: a training step changes
// the weights anyway, and a second copy of a large layer would double its memory for the few
// percent that packing inside L2 costs.
#pragma once

#include "kernels/activate.h"
#include "kernels/gemm_outer.h"
#include "kernels/gemm_table.h"
#include "kernels/gemm_tile.h"
#include "kernels/prefetch.h"
#include "kernels/shuffle.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// A block of b is kBlockK x kBlockColumns: 512 KiB with AVX-512 (1 MiB of L2 and more), 256 KiB
// with AVX2, 128 KiB with SSE2.
constexpr int64_t kBlockK = 256;
constexpr int64_t kBlockColumns = 16 * kTileColumns;
constexpr int64_t kFewStrips = 5, kFewSteps = 64;

template <ActivationKind kKind>
void finish_rows_as(float* c, int64_t c_row, int64_t rows, int64_t columns, const float* bias,
                    float alpha) {
  for (int64_t r = 0; r < rows; ++r, c += c_row)
    for (int64_t o = 0; o < columns; o += kLanes) {
      if (columns - o >= kLanes) {
        vf x = load(c + o);
        if (bias != nullptr) x += load(bias + o);
        store(c + o, activate(kKind, alpha, x));
      } else {
        const int n = static_cast<int>(columns - o);
        vf x = load_first(c + o, n);
        if (bias != nullptr) x += load_first(bias + o, n);
        store_first(c + o, activate(kKind, alpha, x), n);
      }
    }
}

// Bias and activation over rows that are still in cache.
void finish_rows(float* c, int64_t c_row, int64_t rows, int64_t columns, const float* bias,
                 ActivationKind kind, float alpha) {
  switch (kind) {
    case ActivationKind::linear:
      if (bias == nullptr) return;
      return finish_rows_as<ActivationKind::linear>(c, c_row, rows, columns, bias, alpha);
    case ActivationKind::relu:
      return finish_rows_as<ActivationKind::relu>(c, c_row, rows, columns, bias, alpha);
    case ActivationKind::leaky_relu:
      return finish_rows_as<ActivationKind::leaky_relu>(c, c_row, rows, columns, bias, alpha);
    case ActivationKind::tanh:
      return finish_rows_as<ActivationKind::tanh>(c, c_row, rows, columns, bias, alpha);
    case ActivationKind::sigmoid:
      return finish_rows_as<ActivationKind::sigmoid>(c, c_row, rows, columns, bias, alpha);
  }
}

// T tiles of whole columns side by side, each [k][kTileColumns]; rows of b are read from left to
// right. `sums`: the columns' sums are added to it on the way.
template <int T, bool kSums>
void pack_tiles(const float* b, int64_t b_k, int64_t k, float* to, int64_t tile, float* sums) {
  constexpr int kVectors = T * kTileVectors;
  vf sum[kVectors];
  CNNFAST_UNROLL
  for (int v = 0; v < kVectors; ++v) sum[v] = kSums ? load(sums + v * kLanes) : vf{};
  for (int64_t i = 0; i < k; ++i, b += b_k, to += kTileColumns) {
    // A row of a wide matrix is a page of its own: ask for it ahead.
    CNNFAST_UNROLL
    for (int v = 0; v < kVectors; v += 16 / kLanes) __builtin_prefetch(b + 8 * b_k + v * kLanes);
    CNNFAST_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const vf x = load(b + v * kLanes);
      store(to + v / kTileVectors * tile + v % kTileVectors * kLanes, x);
      if constexpr (kSums) sum[v] += x;
    }
  }
  if constexpr (kSums) {
    CNNFAST_UNROLL
    for (int v = 0; v < kVectors; ++v) store(sums + v * kLanes, sum[v]);
  }
}

// The last tile's columns: [k][V * kLanes], zeros behind.
template <int V>
void pack_last_tile(const float* b, int64_t b_k, int64_t k, int64_t columns, float* to,
                    float* sums) {
  const int last = static_cast<int>(columns - (V - 1) * kLanes);
  vf sum[V];
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v)
    sum[v] = sums ? load_first(sums + v * kLanes, v + 1 < V ? kLanes : last) : vf{};
  for (int64_t i = 0; i < k; ++i, b += b_k, to += V * kLanes) {
    __builtin_prefetch(b + 8 * b_k);
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      const vf x = load_first(b + v * kLanes, v + 1 < V ? kLanes : last);
      store(to + v * kLanes, x);
      sum[v] += x;
    }
  }
  if (!sums) return;
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) store_first(sums + v * kLanes, sum[v], v + 1 < V ? kLanes : last);
}

// All tiles of a block of b whose columns are contiguous.
void pack_columns(const float* b, int64_t b_k, int64_t k, int64_t columns, float* to, float* sums) {
  constexpr int kTogether = 4;
  const int64_t tile = kTileColumns * k;
  while (columns >= kTogether * kTileColumns) {
    (sums ? pack_tiles<kTogether, true> : pack_tiles<kTogether, false>)(b, b_k, k, to, tile, sums);
    b += kTogether * kTileColumns;
    to += kTogether * tile;
    columns -= kTogether * kTileColumns;
    if (sums) sums += kTogether * kTileColumns;
  }
  while (columns >= kTileColumns) {
    (sums ? pack_tiles<1, true> : pack_tiles<1, false>)(b, b_k, k, to, tile, sums);
    b += kTileColumns;
    to += tile;
    columns -= kTileColumns;
    if (sums) sums += kTileColumns;
  }
  if (columns == 0) return;
  (columns <= kLanes ? pack_last_tile<1> : pack_last_tile<kTileVectors>)(b, b_k, k, columns, to,
                                                                         sums);
}

// The same from a matrix whose k is contiguous, by transposing squares of kLanes x kLanes.
template <int V>
void pack_columns_transposed(const float* b, int64_t b_column, int64_t k, int64_t columns,
                             float* to) {
  for (int v = 0; v < V; ++v) {
    const int width = static_cast<int>(smaller(columns - v * kLanes, kLanes));
    const float* from = b + v * kLanes * b_column;
    for (int64_t i = 0; i < k; i += kLanes) {
      const int depth = static_cast<int>(smaller(k - i, kLanes));
      vf square[kLanes];
      CNNFAST_UNROLL
      for (int j = 0; j < kLanes; ++j) {
        if (j >= width)
          square[j] = vf{};
        else if (depth == kLanes)
          square[j] = load(from + j * b_column + i);
        else
          square[j] = load_first(from + j * b_column + i, depth);
      }
      transpose(square);
      float* out = to + i * V * kLanes + v * kLanes;
      CNNFAST_UNROLL
      for (int j = 0; j < kLanes; ++j)
        if (j < depth) store(out + j * V * kLanes, square[j]);
    }
  }
}

// rows of a over k steps as [k][rows].
void pack_rows(const float* a, int64_t a_row, int64_t a_k, int64_t rows, int64_t k, float* to) {
  if (a_row == 1) {
    // Whole stores: what reaches too far is written after it, the last into the slack.
    for (int64_t i = 0; i < k; ++i, a += a_k, to += rows)
      for (int64_t p = 0; p < rows; p += kLanes)
        store(to + p, load_first(a + p, static_cast<int>(smaller(rows - p, kLanes))));
    return;
  }
  int64_t i = 0;
  if (a_k == 1 && rows <= kLanes) {
    // Squares of kLanes steps, transposed. Each store reaches into the next step's place, which
    // is written after it; the last ones into kLanes floats of slack.
    for (; i + kLanes <= k; i += kLanes) {
      vf square[kLanes];
      CNNFAST_UNROLL
      for (int p = 0; p < kLanes; ++p) square[p] = p < rows ? load(a + p * a_row + i) : vf{};
      transpose(square);
      CNNFAST_UNROLL
      for (int j = 0; j < kLanes; ++j) store(to + (i + j) * rows, square[j]);
    }
  }
  for (; i < k; ++i)
    for (int64_t p = 0; p < rows; ++p) to[i * rows + p] = a[p * a_row + i * a_k];
}

// A strip of a is read where it lies, in L1, once for every tile of columns, unless its lines meet
// in a few sets: `count` lines, `stride` floats apart (1024 to 128, one core of a Zen 4, AVX-512:
// 60 in place, 100 GFLOP/s packed; 400 to 128: 108 and 98).
CNNFAST_INLINE bool meet_in_few_sets(int64_t stride, int64_t count) {
  if (stride % 16 != 0) return false;
  int64_t sets = 64;  // 4 KiB of lines
  for (int64_t lines = stride / 16; sets > 1 && lines % 2 == 0; lines /= 2) sets /= 2;
  return count > 7 * sets;  // of 8 ways and more
}
constexpr int64_t kFarRow = 2048;  // 14 rows so far apart are faster packed, by 1 to 6 %
CNNFAST_INLINE bool packs_rows(const Gemm& g) {
  if (g.a_row == 1) return meet_in_few_sets(g.a_k, smaller(g.k, kBlockK));
  return g.a_k != 1 || meet_in_few_sets(g.a_row, kTileRows) ||
         (kTileRows > 8 && g.a_row >= kFarRow);
}

void gemm(const Gemm& g) {
  if (g.k == 1 && g.b_column == 1 && !g.bias && g.activation == ActivationKind::linear)
    return outer_product(g);
  float* block = g.scratch;
  float* strip = g.scratch + kBlockK * kBlockColumns;
  const int64_t strips = (g.m + kTileRows - 1) / kTileRows;
  const bool uncached = g.k <= kBlockK && goes_past_caches(g), packed = packs_rows(g);
  for (int64_t n0 = 0; n0 < g.n; n0 += kBlockColumns) {
    const int64_t columns = smaller(g.n - n0, kBlockColumns);
    const int64_t tiles = (columns + kTileColumns - 1) / kTileColumns;
    const int64_t last_columns = columns - (tiles - 1) * kTileColumns;
    const bool narrow = last_columns <= kLanes;  // the last tile needs one vector only
    const int last = static_cast<int>(narrow ? last_columns : last_columns - kLanes);
    // A few strips over a few steps: b is read where it lies.
    const bool streams =
        g.b_column == 1 && g.b_sums == nullptr && strips <= kFewStrips && g.k <= kFewSteps;
    // k == 0: one empty block, which zeroes c.
    for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += kBlockK) {
      const int64_t depth = smaller(g.k - k0, kBlockK);
      const float* b = g.b + k0 * g.b_k + n0 * g.b_column;
      if (streams) {
        const int64_t whole = columns / kTileColumns;
        if (whole < tiles)
          pack_columns(b + whole * kTileColumns, g.b_k, depth, last_columns, block, nullptr);
      } else if (g.b_column == 1) {
        float* sums = g.b_sums ? g.b_sums + n0 : nullptr;
        if (sums && k0 == 0)
          for (int64_t o = 0; o < columns; ++o) sums[o] = 0.0f;
        pack_columns(b, g.b_k, depth, columns, block, sums);
      }
      for (int64_t t = 0; g.b_column != 1 && t < tiles; ++t) {
        const float* from = b + t * kTileColumns * g.b_column;
        float* to = block + t * kTileColumns * depth;
        const bool one = narrow && t == tiles - 1;
        const int64_t width = t == tiles - 1 ? last_columns : kTileColumns;
        one ? pack_columns_transposed<1>(from, g.b_column, depth, width, to)
            : pack_columns_transposed<2>(from, g.b_column, depth, width, to);
      }
      // The next block of b, while this one is used.
      const bool more_k = k0 + kBlockK < g.k, more = more_k || n0 + kBlockColumns < g.n;
      const int64_t next_k = more_k ? k0 + kBlockK : 0;
      const int64_t next_n = more_k ? n0 : n0 + kBlockColumns;
      const float* next = g.b + next_k * g.b_k + next_n * g.b_column;
      const int64_t next_depth = smaller(g.k - next_k, kBlockK);
      const int64_t next_columns = smaller(g.n - next_n, kBlockColumns);
      const int64_t steps = strips * tiles * depth;
      Errand errand = !more || steps == 0 ? Errand(b)
                      : g.b_column == 1 ? Errand(next, next_depth, g.b_k, next_columns, steps)
                                        : Errand(next, next_columns, g.b_column, next_depth, steps);
      // Strips of nearly equal height: 16 rows are 8 + 8, not 14 + 2.
      int64_t row = 0;
      for (int64_t s = 0; s < strips; ++s) {
        const int64_t rows = g.m / strips + (s < g.m % strips ? 1 : 0);
        const float* a = g.a + row * g.a_row + k0 * g.a_k;
        float* c = g.c + row * g.c_row + n0;
        if (packed) pack_rows(a, g.a_row, g.a_k, rows, depth, strip);
        const TileFunction wide = choose_tile(static_cast<int>(rows), 2, packed);
        const int64_t next_rows =
            g.a_k == 1 && s + 1 < strips ? smaller(rows, g.m - row - rows) : 0;
        GemmTile tile{};
        tile.a = packed ? strip : a;
        tile.a_row = g.a_row;
        tile.a_k = g.a_k;
        tile.k = depth;
        tile.c_row = g.c_row;
        tile.last = kLanes;
        tile.add = k0 > 0;
        tile.uncached = uncached;
        tile.b_k = streams ? g.b_k : kTileColumns;
        for (int64_t t = 0; t + 1 < tiles; ++t) {
          prefetch_rows(a + rows * g.a_row, g.a_row, next_rows, depth, t, tiles);
          tile.c = c + t * kTileColumns;
          if (!uncached) prefetch_rows(tile.c, g.c_row, rows, kTileColumns, 0, 1);
          tile.b = streams ? b + t * kTileColumns : block + t * kTileColumns * depth;
          wide(tile, errand);
        }
        const int64_t t = tiles - 1;
        const TileFunction end = narrow ? choose_tile(static_cast<int>(rows), 1, packed) : wide;
        tile.c = c + t * kTileColumns;
        tile.last = last;
        if (streams && last_columns == kTileColumns) {
          tile.b = b + t * kTileColumns;
        } else {
          tile.b = streams ? block : block + t * kTileColumns * depth;
          tile.b_k = narrow ? kLanes : kTileColumns;
        }
        end(tile, errand);
        if (k0 + kBlockK >= g.k)
          finish_rows(c, g.c_row, rows, columns, g.bias ? g.bias + n0 : nullptr, g.activation,
                      g.alpha);
        row += rows;
      }
    }
  }
  if (uncached) fence_streams();
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
