// Blocks of a and b in the order in which gemm()'s tiles read them.
#pragma once

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

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
