// Matrix products of dense layers, forward and backward. One thread's share each.
#pragma once

#include <cstdint>

#include "kernels/activation_kind.h"

namespace cnnfast {

// c(m, n) = act(sum over k of a(m, k) b(k, n) + bias(n)). a(m, k) is a[m * a_row + k * a_k], b(k,
// n) is b[k * b_k + n * b_column]; one stride of b is 1. Rows of c are contiguous.
struct Gemm {
  const float* a;
  std::int64_t a_row, a_k;
  const float* b;
  std::int64_t b_k, b_column;
  float* c;
  std::int64_t c_row;
  std::int64_t m, n, k;
  const float* bias;  // may be null
  ActivationKind activation;
  float alpha;
  float* scratch;  // GemmKernels::scratch_floats
  // Of gemm() alone:
  float* b_sums = nullptr;  // with b_column == 1: the sums over k of b's columns
};

struct GemmKernels {
  std::int64_t tile_rows, tile_columns;  // of the register tile
  std::int64_t scratch_floats;           // for one thread's gemm()
  // Packs blocks of b into cache as it goes: for m above a handful.
  void (*gemm)(const Gemm&);
  // The same for small m: streams b (b_column == 1, a_k == 1) once, packs nothing, no scratch.
  void (*gemm_few_rows)(const Gemm&);
  // The same for small m with the other order of b (b_k == 1, a_k == 1): dot products with rows.
  void (*gemm_few_rows_transposed)(const Gemm&);
};

}  // namespace cnnfast
