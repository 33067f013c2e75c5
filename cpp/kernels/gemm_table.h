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
  float* scratch;  // GemmKernels::scratch_floats or few_rows_scratch_floats()
  // Of gemm() and gemm_outer() alone:
  bool uncached = false;    // c is too large for the caches, and nobody reads it soon
  float* b_sums = nullptr;  // with b_column == 1: the sums over k of b's columns
};

struct GemmKernels {
  std::int64_t tile_rows, tile_columns;  // of the register tile
  std::int64_t scratch_floats;           // for one thread's gemm()
  // Up to so many rows gemm_few_rows() is faster than gemm(): where caches hold b, where they do
  // not, and for up to two tiles of columns. And so is its twin.
  std::int64_t few_rows, few_rows_of_large, few_rows_narrow;
  std::int64_t few_rows_transposed, few_rows_of_large_transposed;
  // Packs blocks of b into cache as it goes: for m above a handful.
  void (*gemm)(const Gemm&);
  // The same for m up to few_rows_of_large, with the scratch that few_rows_scratch_floats says, of
  // sizes and strides alone: streams b (b_column == 1, a_k == 1) once, packs nothing.
  void (*gemm_few_rows)(const Gemm&);
  // The same for small m with the other order of b (b_k == 1, a_k == 1): dot products with rows.
  void (*gemm_few_rows_transposed)(const Gemm&);
  std::int64_t (*few_rows_scratch_floats)(const Gemm&);  // for one thread
  // For k up to outer_steps, where caches hold c and where they do not, keeps b in registers:
  // b_column == 1, a_row == 1, without bias and activation.
  std::int64_t outer_steps, outer_steps_of_large;
  void (*gemm_outer)(const Gemm&);
  // For n up to few_columns that fill vectors badly: b_column == 1, a_k == 1, with gemm()'s
  // scratch; b_column == 1, a_row == 1, without bias and activation. For k up to shallow: b_k ==
  // 1, a_k == 1, without them.
  std::int64_t few_columns, shallow;
  void (*gemm_few_columns)(const Gemm&);
  void (*gemm_few_columns_turned)(const Gemm&);
  void (*gemm_shallow)(const Gemm&);
};

}  // namespace cnnfast
