// Matrix products with a handful of rows, bound by reading the weights once: nothing is packed.
#pragma once

#include "kernels/gemm.h"

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
template <class F1, class F2, class F3, class F4>
CNNFAST_INLINE void in_fours(int64_t rows, F1 one, F2 two, F3 three, F4 four) {
  int64_t m = 0;
  for (; m + 4 <= rows; m += 4) four(m);
  if (rows - m == 3) three(m);
  if (rows - m == 2) two(m);
  if (rows - m == 1) one(m);
}

template <int V>
void narrow_rows(const Gemm& g, int last) {
  const auto call = [&](int64_t m, auto f) {
    f(g.a + m * g.a_row, g.a_row, g.b, g.b_k, g.c + m * g.c_row, g.c_row, g.k, last);
  };
  in_fours(
      g.m, [&](int64_t m) { call(m, narrow_product<1, V>); },
      [&](int64_t m) { call(m, narrow_product<2, V>); },
      [&](int64_t m) { call(m, narrow_product<3, V>); },
      [&](int64_t m) { call(m, narrow_product<4, V>); });
}

// One row times a b that L2 holds, kRowVectors of columns at a time.
constexpr int kRowVectors = 8;
constexpr int64_t kRowFloats = 128 << 10;  // of b

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

// With more rows c would leave L1 on its way along b: a panel of it stays there while k runs, apart
// from the others, as rows a power of two apart share a few sets.
constexpr int64_t kStreamedRows = 8, kPanelRows = 16;
constexpr int64_t kPanelColumns = 512, kPanelStep = 4;
constexpr int64_t kPanelRow = kPanelColumns + kLanes;
// Sums of so many steps are added to c: longer ones lose bits.
constexpr int64_t kPanelDepth = 2048;

// `columns` > 0 of c over kPanelStep or fewer steps of k.
template <bool kWhole>
CNNFAST_INLINE void panel_step(const float* a, int64_t rows, const float* b, int64_t b_k,
                               int64_t depth, int64_t columns, int64_t ahead, float* panel) {
  constexpr int kVectors = 2;
  const int lanes = static_cast<int>(columns);
  vf w[kPanelStep][kVectors];
  CNNFAST_UNROLL
  for (int i = 0; i < kPanelStep; ++i) {
    CNNFAST_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const float* from = b + i * b_k + v * kLanes;
      if constexpr (kWhole)
        w[i][v] = load(from);
      else
        w[i][v] = i < depth && lanes > v * kLanes
                      ? load_first(from, static_cast<int>(smaller(kLanes, lanes - v * kLanes)))
                      : vf{};
    }
  }
  for (int64_t i = 0; i < ahead; ++i) __builtin_prefetch(b + (kPanelStep + i) * b_k);
  for (int64_t m = 0; m < rows; ++m, panel += kPanelRow, a += kPanelStep) {
    vf sum[kVectors];
    CNNFAST_UNROLL
    for (int v = 0; v < kVectors; ++v) sum[v] = load(panel + v * kLanes);
    CNNFAST_UNROLL
    for (int i = 0; i < kPanelStep; ++i) {
      const vf value = broadcast(a[i]);
      CNNFAST_UNROLL
      for (int v = 0; v < kVectors; ++v) sum[v] += value * w[i][v];
    }
    CNNFAST_UNROLL
    for (int v = 0; v < kVectors; ++v) store(panel + v * kLanes, sum[v]);
  }
}

void panel_product(const Gemm& g, int64_t n0, int64_t k_begin, int64_t k_end) {
  alignas(64) float panel[kPanelRows * kPanelRow];
  float a[kPanelRows * kPanelStep];
  const int64_t columns = smaller(kPanelColumns, g.n - n0);
  for (int64_t i = 0; i < g.m * kPanelRow; i += kLanes) store(panel + i, vf{});
  for (int64_t k0 = k_begin; k0 < k_end; k0 += kPanelStep) {
    const int64_t depth = smaller(kPanelStep, k_end - k0);
    const int64_t ahead = smaller(kPanelStep, g.k - k0 - depth);
    for (int64_t m = 0; m < g.m; ++m)
      for (int64_t i = 0; i < kPanelStep; ++i)
        a[m * kPanelStep + i] = i < depth ? g.a[m * g.a_row + k0 + i] : 0.0f;
    const float* b = g.b + k0 * g.b_k + n0;
    int64_t o = 0;
    for (; depth == kPanelStep && o + 2 * kLanes <= columns; o += 2 * kLanes)
      panel_step<true>(a, g.m, b + o, g.b_k, depth, 2 * kLanes, ahead, panel + o);
    for (; o < columns; o += 2 * kLanes)
      panel_step<false>(a, g.m, b + o, g.b_k, depth, columns - o, ahead, panel + o);
  }
  for (int64_t m = 0; m < g.m; ++m)
    for (int64_t o = 0; o < columns; o += kLanes) {
      float* c = g.c + m * g.c_row + n0 + o;
      const int lanes = static_cast<int>(smaller(kLanes, columns - o));
      const vf before = k_begin > 0 ? load_first(c, lanes) : vf{};
      store_first(c, before + load(panel + m * kPanelRow + o), lanes);
    }
}

void gemm_few_rows(const Gemm& g) {
  if (g.n <= 2 * kLanes) {
    if (g.n <= kLanes)
      narrow_rows<1>(g, static_cast<int>(g.n));
    else
      narrow_rows<2>(g, static_cast<int>(g.n - kLanes));
  } else if (g.m == 1 && g.n * g.k <= kRowFloats) {
    one_row(g);
  } else if (g.m > kStreamedRows && g.m <= kPanelRows) {
    for (int64_t n0 = 0; n0 < g.n; n0 += kPanelColumns)
      for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += kPanelDepth)
        panel_product(g, n0, k0, smaller(g.k, k0 + kPanelDepth));
  } else {
    for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += kRankStep) {
      const int depth = static_cast<int>(smaller(g.k - k0, kRankStep));
      for (int64_t n0 = 0; n0 < g.n; n0 += kRankColumns) {
        const int64_t columns = smaller(g.n - n0, kRankColumns);
        const float* b = g.b + k0 * g.b_k + n0;
        const auto call = [&](int64_t m, auto f) {
          f(g.a + m * g.a_row + k0, g.a_row, b, g.b_k, g.c + m * g.c_row + n0, g.c_row, columns,
            depth, k0 > 0);
        };
        in_fours(
            g.m, [&](int64_t m) { call(m, rank_update<1>); },
            [&](int64_t m) { call(m, rank_update<2>); },
            [&](int64_t m) { call(m, rank_update<3>); },
            [&](int64_t m) { call(m, rank_update<4>); });
      }
    }
  }
  finish_rows(g.c, g.c_row, g.m, g.n, g.bias, g.activation, g.alpha);
}

// c[m][n..n+R) = dot products of M rows of a with R columns of b, both contiguous in k.
template <int M, int R>
void dot_products(const float* a, int64_t a_row, const float* const* b, int64_t k, float* c,
                  int64_t c_row, int columns) {
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
  for (int m = 0; m < M; ++m) store_first(c + m * c_row, sum_each<R>(sum[m]), columns);
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

// 16 accumulators with AVX-512 (+ 4 rows + 1 of b = 21 of 32), 8 with the others (+ 4 + 1 of 16).
constexpr int kDotColumns = 4;
constexpr int kDotRows = kRegisters == 32 ? 4 : 2;

void gemm_few_rows_transposed(const Gemm& g) {
  if (g.m == 1) {
    for_dot_columns<kLanes>(g, [&](float* c, const float* const* b, int columns) {
      dot_products<1, kLanes>(g.a, g.a_row, b, g.k, c, g.c_row, columns);
    });
  } else {
    for_dot_columns<kDotColumns>(g, [&](float* c, const float* const* b, int columns) {
      const auto call = [&](int64_t m, auto f) {
        f(g.a + m * g.a_row, g.a_row, b, g.k, c + m * g.c_row, g.c_row, columns);
      };
      int64_t m = 0;
      for (; m + kDotRows <= g.m; m += kDotRows) call(m, dot_products<kDotRows, kDotColumns>);
      for (; m + 2 <= g.m; m += 2) call(m, dot_products<2, kDotColumns>);
      for (; m < g.m; ++m) call(m, dot_products<1, kDotColumns>);
    });
  }
  finish_rows(g.c, g.c_row, g.m, g.n, g.bias, g.activation, g.alpha);
}

void fill(GemmKernels& table) {
  table.tile_rows = kTileRows;
  table.tile_columns = kTileColumns;
  table.scratch_floats = kBlockK * (kBlockColumns + kTileRows) + kLanes;
  table.gemm = gemm;
  table.gemm_few_rows = gemm_few_rows;
  table.gemm_few_rows_transposed = gemm_few_rows_transposed;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
