// Matrix products for dense layers, blocked for the caches (Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008): a block of b is packed once and stays in L2, a
// strip of rows of a in L1, the tile of c in registers.
//
// b is packed as it is used, one block at a time, and never as a whole: a training step changes
// the weights anyway, and a second copy of a large layer would double its memory for the few
// percent that packing inside L2 costs.
#pragma once

#include "kernels/activate.h"
#include "kernels/gemm_outer_tiles.h"
#include "kernels/gemm_pack.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

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

// The order for a b whose k is contiguous and an a of so few rows that a block of it waits in L2: a
// tile of b at a time is turned round into L1 and multiplied by all strips of a, while the next one
// is asked for. A block of b asked for as a whole, of rows a power of two apart, would meet in few
// sets of L2 and be gone before its turn.
constexpr int64_t kTurnedRows = kLanes > 4 ? 128 : 112;
static_assert(kTurnedRows + kTileColumns <= kBlockColumns, "the scratch has room for a block of a");

void gemm_turned(const Gemm& g) {
  float* const turned = g.scratch;                             // [k][kTileColumns]
  float* const strips_of_a = turned + kBlockK * kTileColumns;  // each [k][rows]
  const int64_t strips = (g.m + kTileRows - 1) / kTileRows;
  const bool uncached = g.k <= kBlockK && goes_past_caches(g), packed = packs_rows(g);
  const auto for_strips = [&](auto f) __attribute__((always_inline)) {
    int64_t row = 0;
    for (int64_t s = 0; s < strips; ++s) {
      const int64_t rows = g.m / strips + (s < g.m % strips ? 1 : 0);
      f(row, rows);
      row += rows;
    }
  };
  for (int64_t n0 = 0; n0 < g.n; n0 += kBlockColumns) {
    const int64_t columns = smaller(g.n - n0, kBlockColumns);
    for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += kBlockK) {
      const int64_t depth = smaller(g.k - k0, kBlockK);
      if (packed)
        for_strips([&](int64_t row, int64_t rows) {
          pack_rows(g.a + row * g.a_row + k0 * g.a_k, g.a_row, g.a_k, rows, depth,
                    strips_of_a + row * depth);
        });
      for (int64_t o = 0; o < columns; o += kTileColumns) {
        const int64_t n = n0 + o, width = smaller(columns - o, kTileColumns);
        const bool narrow = width <= kLanes;
        (narrow ? pack_columns_transposed<1>
                : pack_columns_transposed<kTileVectors>)(g.b + k0 + n * g.b_column, g.b_column,
                                                         depth, width, turned);
        int64_t next_n = n + kTileColumns, next_k = k0;
        if (o + kTileColumns >= columns) {
          next_n = k0 + kBlockK < g.k ? n0 : n0 + kBlockColumns;
          next_k = k0 + kBlockK < g.k ? k0 + kBlockK : 0;
        }
        const int64_t steps = strips * depth;
        Errand errand =
            next_n >= g.n || steps == 0
                ? Errand(g.b)
                : Errand(g.b + next_k + next_n * g.b_column, smaller(g.n - next_n, kTileColumns),
                         g.b_column, smaller(g.k - next_k, kBlockK), steps);
        for_strips([&](int64_t row, int64_t rows) {
          GemmTile tile{};
          tile.a = packed ? strips_of_a + row * depth : g.a + row * g.a_row + k0 * g.a_k;
          tile.a_row = g.a_row;
          tile.a_k = g.a_k;
          tile.b = turned;
          tile.b_k = narrow ? kLanes : kTileColumns;
          tile.k = depth;
          tile.c = g.c + row * g.c_row + n;
          tile.c_row = g.c_row;
          tile.last = static_cast<int>(narrow ? width : width - kLanes);
          tile.add = k0 > 0;
          tile.uncached = uncached;
          if (!uncached) prefetch_rows(tile.c, g.c_row, rows, width, 0, 1);
          choose_tile(static_cast<int>(rows), narrow ? 1 : 2, packed)(tile, errand);
        });
      }
    }
    finish_rows(g.c + n0, g.c_row, g.m, columns, g.bias ? g.bias + n0 : nullptr, g.activation,
                g.alpha);
  }
  if (uncached) fence_streams();
}

void gemm(const Gemm& g) {
  if (g.b_column != 1 && g.m <= kTurnedRows) return gemm_turned(g);
  if (g.k == 1 && g.b_column == 1 && !g.bias && g.activation == ActivationKind::linear)
    return outer_product(g);
  if (fits_outer_tiles(g)) return gemm_outer_tiles(g);
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
