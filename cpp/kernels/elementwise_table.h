// Element-wise kernels, reductions, transposes and dropout. All float32 unless a type says
// otherwise; every pointer may have any alignment of its type, outputs may be an input's memory
// where the operand is dense and of the same size (in place), no kernel touches memory outside
// the elements it is told of.
#pragma once

#include <cstdint>

#include "kernels/activation_kind.h"

namespace cnnfast {

enum class UnaryKind : std::uint8_t {
  relu,
  leaky_relu,
  elu,
  tanh,
  sigmoid,
  softplus,
  exp,
  log,
  sqrt,
  square,
  abs,
  negative,
  reciprocal,
  sign,
  // What they are: reference/activation.h.
  selu,
  silu,
  gelu,
  gelu_tanh,
  mish,
  softsign,
  log_sigmoid,
  hard_sigmoid,
  hard_silu,
  clip
};
inline constexpr int kUnaryKinds = 24;
enum class BinaryKind : std::uint8_t { add, subtract, multiply, divide, maximum, minimum, power };
inline constexpr int kBinaryKinds = 7;
enum class CompareKind : std::uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal
};
inline constexpr int kCompareKinds = 6;
enum class ReduceKind : std::uint8_t { sum, max, min };
inline constexpr int kReduceKinds = 3;
inline constexpr int kOutputActivations = 5;  // ActivationKind, gradient from the output

// A matrix operand: element (i, j) at data[i * row + j * step], step 0 or 1.
struct Grid {
  const float* data;
  std::int64_t row;
  std::int64_t step;
};
struct ByteGrid {
  const std::uint8_t* data;
  std::int64_t row;
  std::int64_t step;
};

// What Philox is keyed with. Which words make an element's number: reference/dropout.h.
struct DropoutKey {
  std::uint32_t seed_low, seed_high, step, stream;
};
inline constexpr std::uint32_t kDropoutCompleting = 1u << 31;  // in the counter's second word

// y[i] = x[i] in another dtype, as reference/shape_ops.h converts.
using Conversion = void (*)(const void* x, void* y, std::int64_t n);
struct ConversionKernels {
  Conversion int32_to_float, int64_to_float, double_to_float;
  Conversion float_to_int32, float_to_int64, float_to_uint8, float_to_bool, float_to_double;
};

struct ElementwiseKernels {
  // y[i] = f(x[i]); alpha: slope of leaky_relu, scale of elu, lower bound of clip; beta: its upper.
  void (*unary[kUnaryKinds])(const float* x, float* y, std::int64_t n, float alpha, float beta);
  // dx[i] = dy[i] f'(x[i]), of the kinds whose gradient is an op of its own.
  void (*unary_backward[kUnaryKinds])(const float* x, const float* dy, float* dx, std::int64_t n,
                                      float alpha, float beta);
  void (*activation_backward[kOutputActivations])(const float* y, const float* dy, float* dx,
                                                  std::int64_t n, float alpha);

  void (*erf)(const float* x, float* y, std::int64_t n);

  // y (rows, n) dense in its rows, rows y_row apart.
  void (*binary[kBinaryKinds])(Grid a, Grid b, float* y, std::int64_t y_row, std::int64_t rows,
                               std::int64_t n);
  void (*compare[kCompareKinds])(Grid a, Grid b, std::uint8_t* y, std::int64_t y_row,
                                 std::int64_t rows, std::int64_t n);
  void (*select)(ByteGrid condition, Grid a, Grid b, float* y, std::int64_t y_row,
                 std::int64_t rows, std::int64_t n);
  void (*prelu)(Grid x, Grid slope, float* y, std::int64_t y_row, std::int64_t rows,
                std::int64_t n);
  // dslope: of every element, not summed; may be null.
  void (*prelu_backward)(Grid x, Grid slope, Grid dy, float* dx, float* dslope, std::int64_t dx_row,
                         std::int64_t rows, std::int64_t n);
  void (*copy)(Grid a, float* y, std::int64_t y_row, std::int64_t rows, std::int64_t n);

  // y[i] = scale * fold of x[i * n .. i * n + n), i < rows. scale is 1 for max and min.
  using ReduceLast = void (*)(const float* x, float* y, std::int64_t rows, std::int64_t n,
                              float scale);
  ReduceLast reduce_last[kReduceKinds];
  // y[j] = scale * fold over i < n of x[i * stride + j], j < columns.
  using ReduceFirst = void (*)(const float* x, float* y, std::int64_t n, std::int64_t columns,
                               std::int64_t stride, float scale);
  ReduceFirst reduce_first[kReduceKinds];

  // y[j * y_stride + i] = x[i * x_stride + j] for i < rows, j < columns; any 4-byte elements.
  void (*transpose)(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride,
                    std::int64_t rows, std::int64_t columns);

  void (*uint8_to_float)(const std::uint8_t* x, float* y, std::int64_t n);
  ConversionKernels convert;

  // index[j] = place i < n of the first winner among x[i * inner + j], j < inner; NaN beats all.
  // For max and min; n < 2^31.
  using ArgExtreme = void (*)(const float* x, std::int64_t* index, std::int64_t n,
                              std::int64_t inner);
  ArgExtreme arg_extreme[kReduceKinds];

  // y[i] = x[i] * scale where i's number >= threshold, else 0, for begin <= i < end; x and y point
  // to element `begin`.
  void (*dropout)(const float* x, float* y, std::int64_t begin, std::int64_t end, DropoutKey key,
                  std::uint32_t threshold, float scale);

  // For measuring: so many rounds of multiply_adds_flops operations each, all in registers.
  float (*multiply_adds)(std::int64_t rounds);
  double multiply_adds_flops;
};

}  // namespace cnnfast
