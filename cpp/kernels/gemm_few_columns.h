// Products of a matrix with fewer columns than fill vectors, such as a network's ten classes, and
// their gradients: the lanes run along another axis, or so few steps of k stay in registers.
#pragma once

#include "kernels/gemm_few_rows.h"
#include "kernels/lane_transpose.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int kFewColumns = 12;

// ---- forward: along k --------------------------------------------------------------------------

// So many floats of b's columns at a time, from any L2: every part of k ends with sums across
// lanes, which cost more than columns that do not stay in L1 (128 x 1600 to 10, one core of Zen 4,
// parts of 400, 800 and 1600: 46.7, 42.4, 39.9 us).
constexpr int64_t kTurnedFloats = 32 << 10;
static_assert(kTurnedFloats + kFewColumns * (kLanes + 16) <=
              kBlockK * (kBlockColumns + kTileRows));  // of scratch

// depth rows of b as its columns, `pitch` floats apart.
void turn_columns(const float* b, int64_t b_k, int64_t columns, int64_t depth, float* to,
                  int64_t pitch) {
  for (int64_t n0 = 0; n0 < columns; n0 += kLanes) {
    const int width = static_cast<int>(smaller(kLanes, columns - n0));
    for (int64_t i = 0; i < depth; i += kLanes) {
      const int height = static_cast<int>(smaller(kLanes, depth - i));
      vf rows[kLanes];
      CNNFAST_UNROLL
      for (int j = 0; j < kLanes; ++j)
        rows[j] = j < height ? load_first(b + (i + j) * b_k + n0, width) : vf{};
      transpose(rows);
      CNNFAST_UNROLL
      for (int j = 0; j < kLanes; ++j)
        if (j < width) store(to + (n0 + j) * pitch + i, rows[j]);
    }
  }
}

// M rows of a times R of the turned columns.
template <int M, int R>
CNNFAST_INLINE void few_columns_group(const float* a, int64_t a_row, const float* turned,
                                      int64_t pitch, int64_t depth, float* c, int64_t c_row,
                                      bool add) {
  const float* b[R];
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) b[r] = turned + r * pitch;
  dot_products<M, R, 0>(a, a_row, b, depth, c, c_row, R, nullptr, 0, add);
}

// All columns: by fours, and what is left by two and one.
template <int M>
void few_columns_strip(const float* a, int64_t a_row, const float* turned, int64_t pitch,
                       int64_t columns, int64_t depth, float* c, int64_t c_row, bool add) {
  static_assert(kDotColumns == 4);
  int64_t n = 0;
  for (; n + 4 <= columns; n += 4)
    few_columns_group<M, 4>(a, a_row, turned + n * pitch, pitch, depth, c + n, c_row, add);
  if (n + 2 <= columns) {
    few_columns_group<M, 2>(a, a_row, turned + n * pitch, pitch, depth, c + n, c_row, add);
    n += 2;
  }
  if (n < columns)
    few_columns_group<M, 1>(a, a_row, turned + n * pitch, pitch, depth, c + n, c_row, add);
}

using FewColumnsStrip = void (*)(const float*, int64_t, const float*, int64_t, int64_t, int64_t,
                                 float*, int64_t, bool);
template <int M = kDotRows>
FewColumnsStrip few_columns_function(int64_t rows) {
  if (rows == M) return few_columns_strip<M>;
  if constexpr (M > 1)
    return few_columns_function<M - 1>(rows);
  else
    return nullptr;
}

void gemm_few_columns(const Gemm& g) {
  const int64_t blocks = g.k > 0 ? (g.n * g.k + kTurnedFloats - 1) / kTurnedFloats : 1;
  const int64_t each = (g.k + blocks - 1) / blocks;
  const int64_t most = (each + kLanes - 1) / kLanes * kLanes, pitch = most + 16;
  for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += most) {
    const int64_t depth = smaller(most, g.k - k0);
    turn_columns(g.b + k0 * g.b_k, g.b_k, g.n, depth, g.scratch, pitch);
    // Strips of nearly equal height.
    const int64_t strips = (g.m + kDotRows - 1) / kDotRows;
    int64_t row = 0;
    for (int64_t s = 0; s < strips; ++s) {
      const int64_t rows = g.m / strips + (s < g.m % strips ? 1 : 0);
      few_columns_function(rows)(g.a + row * g.a_row + k0, g.a_row, g.scratch, pitch, g.n, depth,
                                 g.c + row * g.c_row, g.c_row, k0 > 0);
      row += rows;
    }
  }
  finish_rows(g.c, g.c_row, g.m, g.n, g.bias, g.activation, g.alpha);
}

// ---- gradient of the kernel: along m -----------------------------------------------------------

// Rows [m, m + V vectors) of c, of which the last vector has `last`: N columns' sums of each stay
// in registers while k runs, and every float of a is loaded once.
//   AVX-512: 12 x 2 sums + 2 of a + 1 broadcast = 27 of 32 registers
//   AVX2, SSE2: 12 x 1 + 1 + 1 = 14 of 16
template <int N, int V>
void turned_strip(const Gemm& g, int64_t m, int last) {
  vf sum[V][N];
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) CNNFAST_UNROLL
  for (int n = 0; n < N; ++n) sum[v][n] = vf{};
  const float *a = g.a + m, *b = g.b;
  for (int64_t i = 0; i < g.k; ++i, a += g.a_k, b += g.b_k) {
    vf rows[V];
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      rows[v] = v + 1 < V || last == kLanes ? load(a + v * kLanes) : load_first(a, last);
      __builtin_prefetch(a + (V + v) * kLanes);  // the next strip's
    }
    CNNFAST_UNROLL
    for (int n = 0; n < N; ++n) {
      const vf x = broadcast(b[n]);
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) sum[v][n] += rows[v] * x;
    }
  }
  float* c = g.c + m * g.c_row;
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) {
    const int height = v + 1 < V ? kLanes : last;
    CNNFAST_UNROLL
    for (int n0 = 0; n0 < N; n0 += kLanes) {
      vf square[kLanes];
      CNNFAST_UNROLL
      for (int j = 0; j < kLanes; ++j) square[j] = n0 + j < N ? sum[v][n0 + j] : vf{};
      transpose(square);
      CNNFAST_UNROLL
      for (int j = 0; j < kLanes; ++j)
        if (j < height)
          store_first(c + (v * kLanes + j) * g.c_row + n0, square[j],
                      N - n0 < kLanes ? N - n0 : kLanes);
    }
  }
}

template <int N>
void turned_rows(const Gemm& g) {
  constexpr int V = kRegisters == 32 || N <= 6 ? 2 : 1;
  int64_t m = 0;
  for (; m + V * kLanes <= g.m; m += V * kLanes) turned_strip<N, V>(g, m, kLanes);
  for (; m < g.m; m += kLanes) turned_strip<N, 1>(g, m, static_cast<int>(smaller(kLanes, g.m - m)));
}

template <int N = kFewColumns>
void turned_rows_of(const Gemm& g) {
  if (g.n == N) return turned_rows<N>(g);
  if constexpr (N > 1) turned_rows_of<N - 1>(g);
}

void gemm_few_columns_turned(const Gemm& g) {
  if (g.b_sums != nullptr) {
    for (int64_t n = 0; n < g.n; ++n) g.b_sums[n] = 0.0f;
    for (int64_t i = 0; i < g.k; ++i)
      for (int64_t n = 0; n < g.n; ++n) g.b_sums[n] += g.b[i * g.b_k + n];
  }
  turned_rows_of(g);
}

// ---- gradient of the input: k in registers -----------------------------------------------------

// Columns [n, n + V vectors) of c, of which the last vector has `last`; b's K steps of them stay in
// registers while m runs.
//   AVX-512: 12 x 2 of b + 2 sums + 1 broadcast = 27 of 32 registers
//   AVX2, SSE2: 6 x 2 + 2 + 1 = 15 of 16
constexpr int kShallow = 12, kShallowInRegisters = kRegisters == 32 ? kShallow : 6;

// Steps [k0, k0 + kLanes) of K, as far as there are, of `width` columns of b.
template <int K>
CNNFAST_INLINE void turned_square(const float* b, int64_t b_column, int k0, int width,
                                  vf (&square)[kLanes]) {
  CNNFAST_UNROLL
  for (int j = 0; j < kLanes; ++j)
    square[j] =
        j < width ? load_first(b + j * b_column + k0, K - k0 < kLanes ? K - k0 : kLanes) : vf{};
  transpose(square);
}

template <int K, int V>
void shallow_strip(const Gemm& g, int64_t n, int last) {
  vf w[V][K];
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) {
    const int width = v + 1 < V ? kLanes : last;
    const float* from = g.b + (n + v * kLanes) * g.b_column;
    CNNFAST_UNROLL
    for (int k0 = 0; k0 < K; k0 += kLanes) {
      vf square[kLanes];
      turned_square<K>(from, g.b_column, k0, width, square);
      CNNFAST_UNROLL
      for (int k = 0; k < kLanes; ++k)
        if (k0 + k < K) w[v][k0 + k] = square[k];
    }
  }
  const float* a = g.a;
  float* c = g.c + n;
  for (int64_t m = 0; m < g.m; ++m, a += g.a_row, c += g.c_row) {
    vf sum[V];
    CNNFAST_UNROLL
    for (int k = 0; k < K; ++k) {
      const vf x = broadcast(a[k]);
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) sum[v] = k == 0 ? x * w[v][k] : sum[v] + x * w[v][k];
    }
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      if (v + 1 < V || last == kLanes)
        store(c + v * kLanes, sum[v]);
      else
        store_first(c + v * kLanes, sum[v], last);
    }
  }
}

// More steps than leave registers for sums: tiles as gemm()'s, of P rows of c over K steps, with b,
// turned into [K][kTileColumns], from L1. All steps are written out: a loop of ten ends and begins
// anew for longer than it runs (1600 to 10, one core of a Zen 3, 128 images 70 to 65 us, 32 20 to
// 17; to 8 62 to 47).
template <int K, int P>
CNNFAST_INLINE void shallow_tile(const float* a, int64_t a_row, const float* turned, float* c,
                                 int64_t c_row) {
  vf sum[P][kTileVectors];
  CNNFAST_UNROLL
  for (int k = 0; k < K; ++k) {
    vf w[kTileVectors];
    CNNFAST_UNROLL
    for (int v = 0; v < kTileVectors; ++v) w[v] = load(turned + k * kTileColumns + v * kLanes);
    CNNFAST_UNROLL
    for (int p = 0; p < P; ++p) {
      const vf x = broadcast(a[p * a_row + k]);
      CNNFAST_UNROLL
      for (int v = 0; v < kTileVectors; ++v) sum[p][v] = k == 0 ? x * w[v] : sum[p][v] + x * w[v];
    }
  }
  CNNFAST_UNROLL
  for (int p = 0; p < P; ++p) CNNFAST_UNROLL
  for (int v = 0; v < kTileVectors; ++v) store(c + p * c_row + v * kLanes, sum[p][v]);
}

// Whole tiles of columns from the first; returns how many columns.
template <int K>
int64_t shallow_tiles(const Gemm& g) {
  int64_t n = 0;
  for (; n + kTileColumns <= g.n; n += kTileColumns) {
    alignas(64) float turned[(K + kLanes) * kTileColumns];
    for (int v = 0; v < kTileVectors; ++v) {
      const float* from = g.b + (n + v * kLanes) * g.b_column;
      CNNFAST_UNROLL
      for (int k0 = 0; k0 < K; k0 += kLanes) {
        vf square[kLanes];
        turned_square<K>(from, g.b_column, k0, kLanes, square);
        CNNFAST_UNROLL
        for (int k = 0; k < kLanes; ++k)
          store(turned + (k0 + k) * kTileColumns + v * kLanes, square[k]);
      }
    }
    // Strips of 5 rows until what is left is strips of 6, or too little for either.
    const float* a = g.a;
    float* c = g.c + n;
    int64_t left = g.m;
    const auto strip = [&]<int P>() __attribute__((always_inline)) {
      shallow_tile<K, P>(a, g.a_row, turned, c, g.c_row);
      a += P * g.a_row;
      c += P * g.c_row;
      left -= P;
    };
    while (left % 6 != 0 && left >= 5) strip.template operator()<5>();
    while (left >= 6) strip.template operator()<6>();
    while (left > 0) strip.template operator()<1>();
  }
  return n;
}

template <int K>
void shallow_product(const Gemm& g) {
  constexpr int V = K <= kShallowInRegisters ? 2 : 1;
  int64_t n = 0;
  if constexpr (K > kShallowInRegisters) n = shallow_tiles<K>(g);
  for (; n + V * kLanes <= g.n; n += V * kLanes) shallow_strip<K, V>(g, n, kLanes);
  for (; n < g.n; n += kLanes)
    shallow_strip<K, 1>(g, n, static_cast<int>(smaller(kLanes, g.n - n)));
}

template <int K = kShallow>
void gemm_shallow(const Gemm& g) {
  if (g.k == K) return shallow_product<K>(g);
  if constexpr (K > 1) gemm_shallow<K - 1>(g);
}

void fill(GemmKernels& table) {
  table.tile_rows = kTileRows;
  table.tile_columns = kTileColumns;
  table.scratch_floats = kBlockK * (kBlockColumns + kTileRows) + kLanes;
  table.few_rows_scratch_floats = few_rows_scratch_floats;
  // One core of a Zen 4, AVX-512: 1024 to 1024, 16 rows 0.41 and 0.30 ms, 64 rows 1.30 and 1.19;
  // 3136 to 1024, 128 rows 7.9 and 7.7; 1500 to 48, 32 rows 102 and 85 GFLOP/s. The other way
  // round, 9216 to 4096, 32 rows 37 and 23 ms, but 48 rows 47 and 48.
  table.few_rows = kRegisters == 32 ? 64 : 32;
  table.few_rows_of_large = kRegisters == 32 ? kPanelRows : 64;
  table.few_rows_narrow = table.few_rows_transposed = kRegisters == 32 ? 16 : 8;
  table.few_rows_of_large_transposed = kRegisters == 32 ? 32 : 16;
  table.few_columns = kFewColumns;
  table.shallow = kShallow;
  table.outer_steps = kOuterSteps;
  table.outer_steps_of_large = kOuterStepsOfLarge;
  table.gemm = gemm;
  table.gemm_outer = gemm_outer;
  table.gemm_few_rows = gemm_few_rows;
  table.gemm_few_rows_transposed = gemm_few_rows_transposed;
  table.gemm_few_columns = gemm_few_columns;
  table.gemm_few_columns_turned = gemm_few_columns_turned;
  table.gemm_shallow = gemm_shallow<>;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
