// Matrix products with a handful of rows, bound by reading the weights once: none of b is packed.
#pragma once

#include "kernels/gemm_row_lanes.h"
#include "kernels/gemm_row_panel.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int kRankStep = 8;           // rows of b read side by side: eight sequential streams
constexpr int64_t kRankColumns = 512;  // their columns stay in L1 (16 KiB) for all rows of a

// c[m][0..columns) += sum of `depth` <= kRankStep steps; M rows.
template <int M>
void rank_update(const float* a, int64_t a_row, const float* b, int64_t b_k, float* c,
                 int64_t c_row, int64_t columns, int depth, bool add) {
  int64_t o = 0;
  if (depth == kRankStep) {
    for (; o + kLanes <= columns; o += kLanes) {
      vf w[kRankStep];
      CNNFAST_UNROLL
      for (int i = 0; i < kRankStep; ++i) w[i] = load(b + i * b_k + o);
      CNNFAST_UNROLL
      for (int m = 0; m < M; ++m) {
        // Two chains: one of eight would wait for its own latency.
        vf even = add ? load(c + m * c_row + o) : vf{}, odd = vf{};
        CNNFAST_UNROLL
        for (int i = 0; i < kRankStep; i += 2) {
          even += w[i] * broadcast(a[m * a_row + i]);
          odd += w[i + 1] * broadcast(a[m * a_row + i + 1]);
        }
        store(c + m * c_row + o, even + odd);
      }
    }
  }
  for (; o < columns; o += kLanes) {
    const int n = static_cast<int>(smaller(columns - o, kLanes));
    for (int m = 0; m < M; ++m) {
      vf even = add ? load_first(c + m * c_row + o, n) : vf{}, odd = vf{};
      for (int i = 0; i < depth; i += 2) {
        even += load_first(b + i * b_k + o, n) * broadcast(a[m * a_row + i]);
        if (i + 1 < depth)
          odd += load_first(b + (i + 1) * b_k + o, n) * broadcast(a[m * a_row + i + 1]);
      }
      store_first(c + m * c_row + o, even + odd, n);
    }
  }
}

// Columns that fit a few registers: the sums stay there while k runs, and every float of b is
// loaded once. Few sums are two each, for even and odd k: one would wait for its own latency.
template <int M, int V>
void narrow_product(const float* a, int64_t a_row, const float* b, int64_t b_k, float* c,
                    int64_t c_row, int64_t k, int last) {
  constexpr int kChains = M * V < 8 ? 2 : 1;
  vf sums[kChains][M][V];
  CNNFAST_UNROLL
  for (int i = 0; i < kChains; ++i) CNNFAST_UNROLL
  for (int m = 0; m < M; ++m) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) sums[i][m][v] = vf{};
  const auto step = [&](int64_t i, vf(*sum)[V]) __attribute__((always_inline)) {
    vf w[V];
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      const float* p = b + i * b_k + v * kLanes;
      w[v] = v + 1 < V || last == kLanes ? load(p) : load_first(p, last);
    }
    CNNFAST_UNROLL
    for (int m = 0; m < M; ++m) {
      const vf value = broadcast(a[m * a_row + i]);
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) sum[m][v] += value * w[v];
    }
  };
  int64_t i = 0;
  for (; i + kChains <= k; i += kChains) {
    CNNFAST_UNROLL
    for (int chain = 0; chain < kChains; ++chain) step(i + chain, sums[chain]);
  }
  if (i < k) step(i, sums[0]);
  CNNFAST_UNROLL
  for (int m = 0; m < M; ++m) {
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      const vf sum = kChains == 2 ? sums[0][m][v] + sums[kChains - 1][m][v] : sums[0][m][v];
      store_first(c + m * c_row + v * kLanes, sum, v + 1 < V ? kLanes : last);
    }
  }
}

// Rows in groups of four, then what is left.
template <int V>
void narrow_rows(const Gemm& g, int last) {
  const auto call = [&](int64_t m, auto f) {
    f(g.a + m * g.a_row, g.a_row, g.b, g.b_k, g.c + m * g.c_row, g.c_row, g.k, last);
  };
  int64_t m = 0;
  for (; m + 4 <= g.m; m += 4) call(m, narrow_product<4, V>);
  if (g.m - m == 3) call(m, narrow_product<3, V>);
  if (g.m - m == 2) call(m, narrow_product<2, V>);
  if (g.m - m == 1) call(m, narrow_product<1, V>);
}

// One row times a b that L2 holds, kRowVectors of columns at a time.
constexpr int kRowVectors = 8;
constexpr int64_t kRowFloats = 128 << 10;  // of b in L2

void one_row(const Gemm& g) {
  using Product =
      void (*)(const float*, int64_t, const float*, int64_t, float*, int64_t, int64_t, int);
  constexpr Product kProducts[kRowVectors] = {
      narrow_product<1, 1>, narrow_product<1, 2>, narrow_product<1, 3>, narrow_product<1, 4>,
      narrow_product<1, 5>, narrow_product<1, 6>, narrow_product<1, 7>, narrow_product<1, 8>};
  for (int64_t n0 = 0; n0 < g.n; n0 += kRowVectors * kLanes) {
    const int64_t columns = smaller(kRowVectors * kLanes, g.n - n0);
    const int64_t vectors = (columns + kLanes - 1) / kLanes;
    kProducts[vectors - 1](g.a, g.a_row, g.b + n0, g.b_k, g.c + n0, g.c_row, g.k,
                           static_cast<int>(columns - (vectors - 1) * kLanes));
  }
}

constexpr int64_t kStreamedRows = 3;

void gemm_few_rows(const Gemm& g) {
  if (g.n <= 2 * kLanes) {
    if (g.n <= kLanes)
      narrow_rows<1>(g, static_cast<int>(g.n));
    else
      narrow_rows<2>(g, static_cast<int>(g.n - kLanes));
  } else if (g.m == 1 && g.n * g.k <= kRowFloats) {
    one_row(g);
  } else if (g.m > kStreamedRows) {
    row_panel(g);
  } else if (g.m > 0) {
    const auto update = g.m == 1 ? rank_update<1> : g.m == 2 ? rank_update<2> : rank_update<3>;
    for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += kRankStep) {
      const int depth = static_cast<int>(smaller(g.k - k0, kRankStep));
      for (int64_t n0 = 0; n0 < g.n; n0 += kRankColumns)
        update(g.a + k0, g.a_row, g.b + k0 * g.b_k + n0, g.b_k, g.c + n0, g.c_row,
               smaller(g.n - n0, kRankColumns), depth, k0 > 0);
    }
  }
  finish_rows(g.c, g.c_row, g.m, g.n, g.bias, g.activation, g.alpha);
}

// c[m][n..n+R) = or, with `add`, += dot products of M rows of a with R columns of b, both
// contiguous in k. Asks for kAsks columns of a later product from `next` on, `next_column` floats
// apart.
template <int M, int R, int kAsks>
CNNFAST_INLINE void dot_products(const float* a, int64_t a_row, const float* const* b, int64_t k,
                                 float* c, int64_t c_row, int columns, const float* next = nullptr,
                                 int64_t next_column = 0, bool add = false) {
  vf sum[M][R];
  CNNFAST_UNROLL
  for (int m = 0; m < M; ++m) CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) sum[m][r] = vf{};
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    vf rows[M];
    CNNFAST_UNROLL
    for (int m = 0; m < M; ++m) rows[m] = load(a + m * a_row + i);
    CNNFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      const vf w = load(b[r] + i);
      if (r < kAsks) __builtin_prefetch(next + r * next_column + i, 0, 2);
      CNNFAST_UNROLL
      for (int m = 0; m < M; ++m) sum[m][r] += rows[m] * w;
    }
  }
  if (i < k) {
    const int n = static_cast<int>(k - i);
    CNNFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      const vf w = load_first(b[r] + i, n);
      CNNFAST_UNROLL
      for (int m = 0; m < M; ++m) sum[m][r] += load_first(a + m * a_row + i, n) * w;
    }
  }
  CNNFAST_UNROLL
  for (int m = 0; m < M; ++m) {
    const vf each = sum_each<R>(sum[m]);
    store_first(c + m * c_row, add ? load_first(c + m * c_row, columns) + each : each, columns);
  }
}

// f(first row of c, b's columns, how many of the R are there) for all columns.
template <int R, class F>
CNNFAST_INLINE void for_dot_columns(const Gemm& g, F f) {
  for (int64_t n0 = 0; n0 < g.n; n0 += R) {
    const int columns = static_cast<int>(smaller(g.n - n0, R));
    const float* b[R];
    for (int r = 0; r < R; ++r) b[r] = g.b + (n0 + (r < columns ? r : columns - 1)) * g.b_column;
    f(g.c + n0, b, columns);
  }
}

//   AVX-512: 6 x 4 sums + 6 rows + 1 column = 31 of 32 registers
//   AVX2, SSE2: 3 x 4 + 3 + 1 = 16 of 16
constexpr int kDotColumns = 4;
constexpr int kDotRows = kRegisters == 32 ? 6 : 3;

// Rows of a so far apart that they meet in a few sets of L1 are copied, if L2 holds them.
constexpr int64_t kConflictingRow = 256, kSpreadFloats = 128 << 10;
CNNFAST_INLINE bool spreads_rows(const Gemm& g) {
  return g.m > kDotRows && g.a_row % kConflictingRow == 0 && g.m * g.k <= kSpreadFloats;
}
CNNFAST_INLINE int64_t spread_row(const Gemm& g) {
  return (g.k + kLanes - 1) / kLanes * kLanes + kLanes;
}

using DotProducts = void (*)(const float*, int64_t, const float* const*, int64_t, float*, int64_t,
                             int, const float*, int64_t, bool);
template <int M, int kAsks>
void dot_strip(const float* a, int64_t a_row, const float* const* b, int64_t k, float* c,
               int64_t c_row, int columns, const float* next, int64_t next_column, bool add) {
  dot_products<M, kDotColumns, kAsks>(a, a_row, b, k, c, c_row, columns, next, next_column, add);
}
template <int kAsks, int M = kDotRows>
DotProducts dot_function(int64_t rows) {
  if (rows == M) return dot_strip<M, kAsks>;
  if constexpr (M > 1)
    return dot_function<kAsks, M - 1>(rows);
  else
    return nullptr;
}
DotProducts dot_function(int64_t rows, int64_t asks) {
  return asks == 0   ? dot_function<0>(rows)
         : asks == 1 ? dot_function<1>(rows)
         : asks == 2 ? dot_function<2>(rows)
                     : dot_function<kDotColumns>(rows);
}

// c = or, with `add`, += a b.
void dot_rows(const Gemm& g, bool add) {
  if (g.m == 1) {
    for_dot_columns<kLanes>(g, [&](float* c, const float* const* b, int columns) {
      dot_products<1, kLanes, 0>(g.a, g.a_row, b, g.k, c, g.c_row, columns, nullptr, 0, add);
    });
  } else {
    const float* a = g.a;
    int64_t a_row = g.a_row;
    if (spreads_rows(g)) {
      a = g.scratch;
      a_row = spread_row(g);
      for (int64_t m = 0; m < g.m; ++m)
        for (int64_t i = 0; i < g.k; i += kLanes) {
          const int lanes = static_cast<int>(smaller(kLanes, g.k - i));
          store(g.scratch + m * a_row + i, load_first(g.a + m * g.a_row + i, lanes));
        }
    }
    // Strips of nearly equal height. While they run, the columns of the next products are on their
    // way to L2, a share with each: memory would have nothing to do otherwise.
    const int64_t strips = (g.m + kDotRows - 1) / kDotRows;
    const int64_t each = strips > 0 ? g.m / strips : 0, more = g.m - each * strips;
    const bool far = g.n * g.k > kRowFloats;
    for_dot_columns<kDotColumns>(g, [&](float* c, const float* const* b, int columns) {
      int64_t m = 0, asked = 0;
      for (int64_t s = 0; s < strips; ++s) {
        const int64_t rows = each + (s < more ? 1 : 0);
        const int64_t left = far && columns == kDotColumns ? kDotColumns - asked : 0;
        const int64_t asks = (left + strips - s - 1) / (strips - s);
        const float* next = b[0] + (kDotColumns + asked) * g.b_column;
        const float* strip = a + m * a_row;
        float* to = c + m * g.c_row;
        if (rows == kDotRows && asks == 0)  // in its place, where short ones count
          dot_products<kDotRows, kDotColumns, 0>(strip, a_row, b, g.k, to, g.c_row, columns,
                                                 nullptr, 0, add);
        else
          dot_function(rows, asks)(strip, a_row, b, g.k, to, g.c_row, columns, next, g.b_column,
                                   add);
        asked += asks;
        m += rows;
      }
    });
  }
}

constexpr int64_t kDotSteps = 512;  // of a lane's sum; a longer one loses too many bits

void gemm_few_rows_transposed(const Gemm& g) {
  const int64_t deep = kDotSteps * kLanes;
  if (!row_lanes(g))
    for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += deep) {
      Gemm part = g;
      part.a += k0;
      part.b += k0;
      part.k = smaller(g.k - k0, deep);
      dot_rows(part, k0 > 0);
    }
  finish_rows(g.c, g.c_row, g.m, g.n, g.bias, g.activation, g.alpha);
}

// Enough for any part of g as well.
int64_t few_rows_scratch_floats(const Gemm& g) {
  if (g.b_column != 1) {
    const int64_t lanes = row_lanes_scratch_floats(g);
    const int64_t spread =
        g.a_row % kConflictingRow == 0 ? smaller(g.m * g.k, kSpreadFloats) + g.m * 2 * kLanes : 0;
    return lanes > spread ? lanes : spread;
  }
  if (g.m <= kStreamedRows || g.n <= 2 * kLanes) return 0;
  return row_panel_scratch_floats(g);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
