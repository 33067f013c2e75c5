// Matrix products of some rows, b_column == 1: rows of b pass through registers, and c waits in L2.
#pragma once

#include "kernels/gemm.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// A panel of c goes from L2 to the sums and back for every kSteps rows of b. Meanwhile the next of
// these rows are asked for, one after the other as memory likes it best, and wait in L2 as well (16
// rows, 9216 to 4096, one core of a Zen 4: 11.4 ms; each row asked for three lines ahead 13.4, and
// 10.5 were b in L2).
constexpr int64_t kPanelRows = 128;
// Of c, of these rows of b and of the next. Processors without AVX-512 may have 256 KiB of L2.
constexpr int64_t kPanelFloats = kRegisters == 32 ? 96 << 10 : 48 << 10;

// Registers hold kSteps * kVectors vectors of b and kVectors sums. One vector suits few rows: the
// more rows of b at a time, the better memory sends them, and how often sums come and go matters
// less. Two share the broadcasts of a, of which AVX2 can load too few.
//   AVX-512: 8 or 16 of b + 1 sum + 1 broadcast = 18 of 32 registers
//   AVX2, SSE2: 8 or 12 + 1 or 2 + 1 = 15 of 16
// 1024 to 1024, 16 rows, one core of a Zen 3: 470 us with 8 of b, with 12 445, two rows a turn 420.
template <int kSteps, int kVectors>
struct Panel {
  static constexpr int64_t kStep = kSteps, kColumns = kVectors * kLanes;

  static int64_t columns(const Gemm& g) {
    return smaller(g.n, kPanelFloats / (g.m + 2 * kStep) / kColumns * kColumns);
  }

  // kColumns columns of c, [rows][kColumns], over kSteps steps of k. Of a b that is not whole
  // `wanted` columns are real, and `depth` steps. a: [rows][kSteps], zeros behind `depth`.
  template <bool kWhole, int kAsks>
  __attribute__((always_inline)) static void step(const float* a, int64_t rows, const float* b,
                                                  int64_t b_k, int64_t depth, int64_t wanted,
                                                  float* c, const float* ask, int64_t stride) {
    vf w[kSteps][kVectors];
    CNNFAST_UNROLL
    for (int i = 0; i < kSteps; ++i) CNNFAST_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int64_t lanes = smaller(wanted - v * kLanes, kLanes);
      if constexpr (kWhole)
        w[i][v] = load(b + i * b_k + v * kLanes);
      else
        w[i][v] = i < depth && lanes > 0
                      ? load_first(b + i * b_k + v * kLanes, static_cast<int>(lanes))
                      : vf{};
    }
    CNNFAST_UNROLL_TWICE
    for (int64_t m = 0; m < rows; ++m, c += kColumns, a += kSteps, ask += stride) {
      CNNFAST_UNROLL
      for (int i = 0; i < kAsks; ++i) __builtin_prefetch(ask + i * 16, 0, 2);
      vf sum[kVectors];  // apart from what was summed before: fewer bits are lost
      CNNFAST_UNROLL
      for (int v = 0; v < kVectors; ++v) sum[v] = broadcast(a[0]) * w[0][v];
      CNNFAST_UNROLL
      for (int i = 1; i < kSteps; ++i) CNNFAST_UNROLL
      for (int v = 0; v < kVectors; ++v) sum[v] += broadcast(a[i]) * w[i][v];
      CNNFAST_UNROLL
      for (int v = 0; v < kVectors; ++v) store(c + v * kLanes, sum[v] + load(c + v * kLanes));
    }
  }

  template <int kAsks>
  static void product(const Gemm& g, int64_t n0, int64_t columns) {
    float a[kPanelRows * kStep];
    const int64_t rows = g.m, b_k = g.b_k;
    float* const scratch = g.scratch;
    const int64_t lead = smaller(columns, unaligned_floats(g.b + n0, b_k));
    // f(first column, columns, their c) for all columns, kColumns at a time behind the first.
    const auto for_columns = [&](auto f) __attribute__((always_inline)) {
      float* c = scratch;
      if (lead > 0) {
        f(0, lead, c);
        c += rows * kColumns;
      }
      for (int64_t o = lead; o < columns; o += kColumns, c += rows * kColumns)
        f(o, smaller(kColumns, columns - o), c);
    };
    for_columns([&](int64_t, int64_t, float* c) {
      for (int64_t i = 0; i < rows * kColumns; i += kLanes) store(c + i, vf{});
    });
    const int64_t steps = columns / kColumns, stride = (kStep * kColumns + rows - 1) / rows;
    for (int64_t k0 = 0; k0 < g.k; k0 += kStep) {
      const int64_t depth = smaller(kStep, g.k - k0);
      for (int64_t m = 0; m < rows; ++m)
        for (int64_t i = 0; i < kStep; ++i)
          a[m * kStep + i] = i < depth ? g.a[m * g.a_row + k0 + i] : 0.0f;
      const float* b = g.b + k0 * b_k + n0;
      const int64_t next = smaller(kStep, g.k - k0 - depth);
      Errand errand =
          next > 0 && steps > 0 ? Errand(b + kStep * b_k, next, b_k, columns, steps) : Errand(b);
      for_columns([&](int64_t o, int64_t wanted, float* c) __attribute__((always_inline)) {
        if (wanted == kColumns && depth == kStep)
          step<true, kAsks>(a, rows, b + o, b_k, depth, wanted, c, errand.take(), stride);
        else
          step<false, 0>(a, rows, b + o, b_k, depth, wanted, c, b, 0);
      });
    }
    for_columns([&](int64_t o, int64_t wanted, float* c) {
      for (int64_t m = 0; m < rows; ++m)
        for (int64_t v = 0; v < wanted; v += kLanes)
          store_first(g.c + m * g.c_row + n0 + o + v, load(c + m * kColumns + v),
                      static_cast<int>(smaller(kLanes, wanted - v)));
    });
  }

  static void run(const Gemm& g) {
    // A line or less of the next rows for each step of a row, if it asks twice where rows are few.
    const auto panel = g.m * 16 >= kStep * kColumns ? product<1> : product<2>;
    const int64_t wide = columns(g);
    for (int64_t n0 = 0; n0 < g.n; n0 += wide) panel(g, n0, smaller(wide, g.n - n0));
  }

  // For up to so many rows of g: kColumns more left and right of whole ones, and as many since
  // fewer rows may round up to more.
  static int64_t scratch_floats(const Gemm& g, int64_t rows) {
    Gemm part = g;
    part.m = smaller(g.m, rows);
    return part.m * (columns(part) + 3 * kColumns);
  }
};
using FewRowsPanel = Panel<8, 1>;
using ManyRowsPanel = Panel<kRegisters == 32 ? 16 : 6, kRegisters == 32 ? 1 : 2>;
constexpr int64_t kFewPanelRows = kRegisters == 32 ? 32 : 7;

void row_panel(const Gemm& g) {
  g.m <= kFewPanelRows ? FewRowsPanel::run(g) : ManyRowsPanel::run(g);
}
// Enough for any part of g.
CNNFAST_INLINE int64_t row_panel_scratch_floats(const Gemm& g) {
  const int64_t few = FewRowsPanel::scratch_floats(g, kFewPanelRows);
  const int64_t many = ManyRowsPanel::scratch_floats(g, kPanelRows);
  return few > many ? few : many;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
