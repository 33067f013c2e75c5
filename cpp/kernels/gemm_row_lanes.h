// Matrix products of as many rows as fill the lanes, b_k == 1 and b in memory: lanes run along the
// rows of a, and the sums of some columns stay in registers while k runs.
#pragma once

#include "kernels/gemm_row_panel.h"
#include "kernels/lane_transpose.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

typedef int64_t vl __attribute__((vector_size(4 * kLanes)));

// p[0..kFold) again and again.
template <int kFold>
CNNFAST_INLINE vf repeat(const float* p) {
  static_assert(kFold == 1 || kFold == 2);
  if constexpr (kFold == 1) return broadcast(*p);
  int64_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return reinterpret_cast<vf>(pair - vl{});
}

// kColumns columns at a time against kVectors vectors, whose lanes are kRows rows, kFold floats in
// k of each. Dot products would load all of a from L2 for every four columns, which memory does not
// bear beside its own (9216 to 4096, dx of 16 rows, one core of a Zen 4: 11.1 instead of 12.5 ms,
// of 8 rows 5.7 instead of 10.5). Meanwhile the next columns are asked for, one after the other.
template <int kColumns, int kVectors, int kFold>
struct RowLanes {
  static constexpr int64_t kWide = kVectors * kLanes, kRows = kWide / kFold;
  static_assert(kFold * kColumns <= 16);  // a line or less is asked for at a time

  // Of a and of the columns, and of the next, what L2 holds.
  static int64_t depth(const Gemm& g) {
    const int64_t most = kPanelFloats / (kRows + 2 * kColumns) / kLanes * kLanes;
    return smaller((g.k + kLanes - 1) / kLanes * kLanes, most);
  }
  static int64_t scratch_floats(const Gemm& g) { return depth(g) * kRows; }

  // to: [depth / kFold][kRows][kFold], zeros behind rows and depth.
  static void pack(const float* a, int64_t a_row, int64_t rows, int64_t depth, float* to) {
    const int64_t whole = (depth + kLanes - 1) / kLanes * kLanes;
    if (rows < kRows || whole > depth)
      for (int64_t i = 0; i < whole * kRows; i += kLanes) store(to + i, vf{});
    if constexpr (kFold == 1) {
      for (int64_t m = 0; m < rows; m += kLanes)
        for (int64_t i = 0; i < depth; i += kLanes)
          transpose_part(a + m * a_row + i, a_row, to + i * kWide + m, kWide,
                         static_cast<int>(smaller(rows - m, kLanes)),
                         static_cast<int>(smaller(depth - i, kLanes)));
    } else {
      for (int64_t i = 0; i < depth; ++i)
        for (int64_t m = 0; m < rows; ++m)
          to[i / kFold * kWide + m * kFold + i % kFold] = a[m * a_row + i];
    }
  }

  // kFold steps of k. Every third column has a pointer, since an address may add a stride or two.
  static constexpr int kPointers = (kColumns + 2) / 3;
  __attribute__((always_inline)) static void step(const float* a, const float* const* b,
                                                  int64_t b_column, vf (*sum)[kVectors]) {
    vf rows[kVectors];
    CNNFAST_UNROLL
    for (int v = 0; v < kVectors; ++v) rows[v] = load(a + v * kLanes);
    CNNFAST_UNROLL
    for (int o = 0; o < kColumns; ++o) {
      const vf w = repeat<kFold>(b[o / 3] + o % 3 * b_column);
      CNNFAST_UNROLL
      for (int v = 0; v < kVectors; ++v) sum[o][v] += w * rows[v];
    }
  }

  // The sums of kColumns columns of b; c's from `skip` on. k is summed in parts, since fewer bits
  // are lost, and with each a column of the next is asked for.
  __attribute__((noinline)) static void columns(const Gemm& g, const float* a, const float* b,
                                                int64_t depth, float* c, int skip, bool add,
                                                int64_t next) {
    float sums[kColumns * kWide] = {};
    const int64_t b_column = g.b_column, steps = depth / kFold;
    const float* at[kPointers];
    CNNFAST_UNROLL
    for (int p = 0; p < kPointers; ++p) at[p] = b + p * 3 * b_column;
    for (int part = 0; part < kColumns; ++part) {
      vf sum[kColumns][kVectors];
      CNNFAST_UNROLL
      for (int o = 0; o < kColumns; ++o) CNNFAST_UNROLL
      for (int v = 0; v < kVectors; ++v) sum[o][v] = vf{};
      const float* ask = b + (part < next ? kColumns + part : 0) * b_column;
      for (int64_t i = steps * part / kColumns; i < steps * (part + 1) / kColumns; ++i) {
        __builtin_prefetch(ask, 0, 2);
        step(a, at, b_column, sum);
        a += kWide;
        ask += kFold * kColumns;
        CNNFAST_UNROLL
        for (int p = 0; p < kPointers; ++p) at[p] += kFold;
      }
      if (part == kColumns - 1 && steps * kFold < depth) {  // the end of b is half a pair
        float rest[kColumns * kFold] = {};
        for (int o = 0; o < kColumns; ++o) rest[o * kFold] = b[o * b_column + depth - 1];
        const float* ends[kPointers];
        for (int p = 0; p < kPointers; ++p) ends[p] = rest + p * 3 * kFold;
        step(a, ends, kFold, sum);
      }
      CNNFAST_UNROLL
      for (int o = 0; o < kColumns; ++o) CNNFAST_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        float* to = sums + o * kWide + v * kLanes;
        store(to, load(to) + sum[o][v]);
      }
    }
    for (int64_t m = 0; m < g.m; ++m)
      for (int o = skip; o < kColumns; ++o) {
        float all = 0;
        for (int f = 0; f < kFold; ++f) all += sums[o * kWide + m * kFold + f];
        float& to = c[m * g.c_row + o];
        to = add ? to + all : all;
      }
  }

  // For n of kColumns and more.
  static void run(const Gemm& g) {
    const int64_t deep = depth(g);
    for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += deep) {
      const int64_t depth = smaller(deep, g.k - k0);
      pack(g.a + k0, g.a_row, g.m, depth, g.scratch);
      for (int64_t n0 = 0; n0 < g.n; n0 += kColumns) {
        const int64_t n = smaller(n0, g.n - kColumns);  // the last ones overlap those before
        columns(g, g.scratch, g.b + n * g.b_column + k0, depth, g.c + n, static_cast<int>(n0 - n),
                k0 > 0, g.n - n - kColumns);
      }
    }
  }
};

//   AVX-512: 8 columns + 1 of rows + 1 broadcast = 10 of 32 registers
//   AVX2: 4 x 2 + 2 + 1 = 11 of 16
constexpr int64_t kLaneColumns = 8, kLanesFloats = 1 << 20;  // of b, which comes from memory then

// f(RowLanes<>) where it is faster than dot products: lanes are filled or, half of 16, wait for
// memory anyway.
template <class F>
CNNFAST_INLINE bool with_row_lanes(const Gemm& g, F f) {
  if (g.n < kLaneColumns || g.n * g.k < kLanesFloats) return false;
  if constexpr (kLanes == 16) {
    if (g.m > 4 && g.m <= 8) return f(RowLanes<8, 1, 2>{}), true;
    if (g.m > 12 && g.m <= 16) return f(RowLanes<8, 1, 1>{}), true;
  }
  if constexpr (kLanes == 8) {
    if (g.m > 14 && g.m <= 16) return f(RowLanes<4, 2, 1>{}), true;
  }
  return false;
}

CNNFAST_INLINE bool row_lanes(const Gemm& g) {
  return with_row_lanes(g, [&](auto way) { way.run(g); });
}

// Enough for any part of g.
CNNFAST_INLINE int64_t row_lanes_scratch_floats(const Gemm& g) {
  int64_t most = 0;
  for (Gemm part = g; part.m > 0; --part.m)
    with_row_lanes(part, [&](auto way) {
      const int64_t floats = way.scratch_floats(part);
      if (floats > most) most = floats;
    });
  return most;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
