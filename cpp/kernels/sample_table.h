// Kernels that make pixels and rows of weighted sums of others: interpolation, affine maps, and
// what flows back.
#pragma once

#include <cstdint>

namespace cnnfast {

// What stands beside an image.
enum class FillMode : std::uint8_t { constant, nearest, reflect, wrap };

// One image and how it is sampled. Sizes are at most 2^24.
struct AffineShape {
  std::int64_t height, width, out_height, out_width, channels;
  FillMode fill;
  bool bilinear;  // else the nearest pixel
  double value;   // of FillMode::constant
};

struct SampleKernels {
  // y (rows, n) dense: row r is the sum of weights[k] * x[offsets[k] .. offsets[k] + n) over
  // starts[r] <= k < starts[r + 1], zeros where there is none. Terms are added in that order.
  void (*sparse_rows)(const float* x, const std::int64_t* starts, const std::int64_t* offsets,
                      const float* weights, float* y, std::int64_t rows, std::int64_t n);

  // Rows [first, last) of y (out_height, out_width, channels) from x (height, width, channels):
  // output (u, v) is x at (m[0] u + m[1] v + m[2], m[3] u + m[4] v + m[5]).
  void (*affine)(const AffineShape& shape, const float* m, const float* x, float* y,
                 std::int64_t first, std::int64_t last);
  // The adjoint, of a whole image.
  void (*affine_backward)(const AffineShape& shape, const float* m, const float* dy, float* dx);
};

}  // namespace cnnfast
