// The register tile of every matrix product: P rows x V vectors of c stay in registers while k
// runs.
#pragma once

#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// AVX-512: 14 x 2 accumulators + 2 of b + 1 broadcast = 31 of 32 registers.
// AVX2:     6 x 2 accumulators + 2 of b + 1 broadcast = 15 of 16.
// SSE2:     6 x 2 likewise (the product takes the 16th, there is no FMA).
constexpr int kTileVectors = 2;
constexpr int kTileRows = kRegisters == 32 ? 14 : 6;
constexpr int kTileColumns = kTileVectors * kLanes;
constexpr int64_t kStepsAhead = 16;  // b comes from L2

// Asks for a block of memory, row by row, while tiles run on what is in cache: a line or a part of
// one for each of their steps, since many at once would hold up their own loads.
struct Errand {
  const float* at;
  int64_t step;         // floats
  int64_t left, row;    // steps to the end of this row, of a row
  int64_t to_next_row;  // from the end of a row
  int64_t rows;         // that are left behind this one

  // Of `rows` rows, `row_floats` apart, of which `floats` are wanted, in `steps` steps or more.
  Errand(const float* from, int64_t rows, int64_t row_floats, int64_t floats, int64_t steps)
      : at(from), step((rows * floats + steps - 1) / steps) {
    row = (floats + step - 1) / step;
    left = row;
    to_next_row = row_floats - row * step;
    this->rows = rows - 1;
  }
  // Nowhere; asking for no memory at all would walk through page tables.
  explicit Errand(const float* stay)
      : at(stay), step(0), left(0), row(0), to_next_row(0), rows(0) {}

  __attribute__((always_inline)) void run() { __builtin_prefetch(take(), 0, 2); }
  // Where the next step begins.
  __attribute__((always_inline)) const float* take() {
    const float* now = at;
    at += step;
    if (--left == 0) {
      at += to_next_row;
      left = row;
      if (--rows < 0) step = to_next_row = 0;
    }
    return now;
  }
};

// c (+)= a b. b has V * kLanes columns at every k, b_k floats apart. Row p of a at step k is
// a[p * a_row + k * a_k]; when packed, a is [k][P].
struct GemmTile {
  const float* a;
  int64_t a_row, a_k;
  const float* b;
  int64_t b_k, k;
  float* c;
  int64_t c_row;
  int last;       // lanes of the last vector of c
  bool add;       // to what c holds
  bool uncached;  // c goes past the caches: whole vectors, aligned
};

template <int P, int V, bool kPacked>
void gemm_tile(const GemmTile& t, Errand& errand) {
  const int64_t a_row = kPacked ? 1 : t.a_row, a_k = kPacked ? P : t.a_k, b_k = t.b_k;
  const float *a = t.a, *b = t.b;
  vf sum[P][V];
  CNNFAST_UNROLL
  for (int p = 0; p < P; ++p) {
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) sum[p][v] = vf{};
  }
  Errand asks = errand;  // in registers
  for (int64_t i = t.k; i > 0; --i) {
    vf columns[V];
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) columns[v] = load(b + v * kLanes);
    if constexpr (kPacked) {
      CNNFAST_UNROLL
      for (int v = 0; v < V * kLanes; v += 16) __builtin_prefetch(b + kStepsAhead * b_k + v);
    }
    if constexpr (kPacked || kRegisters == 32) asks.run();  // AVX2 can load no more beside it
    CNNFAST_UNROLL
    for (int p = 0; p < P; ++p) {
      const vf row = broadcast(a[p * a_row]);
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) sum[p][v] += row * columns[v];
    }
    a += a_k;
    b += b_k;
  }
  errand = asks;
  float* c = t.c;  // out of t, which for all the compiler knows the stores change
  const int64_t c_row = t.c_row;
  const int last = t.last;
  if (t.uncached) {
    CNNFAST_UNROLL
    for (int p = 0; p < P; ++p) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) stream(c + p * c_row + v * kLanes, sum[p][v]);
    return;
  }
  const bool add = t.add;
  CNNFAST_UNROLL
  for (int p = 0; p < P; ++p) {
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      float* to = c + p * c_row + v * kLanes;
      if (v + 1 < V || last == kLanes)
        store(to, add ? load(to) + sum[p][v] : sum[p][v]);
      else
        store_first(to, add ? load_first(to, last) + sum[p][v] : sum[p][v], last);
    }
  }
}

using TileFunction = void (*)(const GemmTile&, Errand&);

template <int P, int V, bool kPacked>
struct TileChoice {
  static TileFunction of(int rows) {
    if (rows == P) return gemm_tile<P, V, kPacked>;
    if constexpr (P > 1)
      return TileChoice<P - 1, V, kPacked>::of(rows);
    else
      return nullptr;
  }
};

CNNFAST_INLINE TileFunction choose_tile(int rows, int vectors, bool packed) {
  if (vectors == 2)
    return packed ? TileChoice<kTileRows, 2, true>::of(rows)
                  : TileChoice<kTileRows, 2, false>::of(rows);
  return packed ? TileChoice<kTileRows, 1, true>::of(rows)
                : TileChoice<kTileRows, 1, false>::of(rows);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
