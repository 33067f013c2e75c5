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

// c (+)= a b. b has V * kLanes columns at every k, b_k floats apart. Row p of a at step k is
// a[p * a_row + k * a_k]; when kPacked, a is [k][P] and both are constants. The last vector of c
// has `last` lanes.
template <int P, int V, bool kPacked>
void gemm_tile(const float* a, int64_t a_row, int64_t a_k, const float* b, int64_t b_k, int64_t k,
               float* c, int64_t c_row, int last, bool add) {
  if constexpr (kPacked) {
    a_row = 1;
    a_k = P;
  }
  vf sum[P][V];
  CNNFAST_UNROLL
  for (int p = 0; p < P; ++p) {
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) sum[p][v] = vf{};
  }
  for (int64_t i = 0; i < k; ++i) {
    vf columns[V];
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) columns[v] = load(b + v * kLanes);
    CNNFAST_UNROLL
    for (int p = 0; p < P; ++p) {
      const vf row = broadcast(a[p * a_row]);
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) sum[p][v] += row * columns[v];
    }
    a += a_k;
    b += b_k;
  }
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

using TileFunction = void (*)(const float*, int64_t, int64_t, const float*, int64_t, int64_t,
                              float*, int64_t, int, bool);

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
