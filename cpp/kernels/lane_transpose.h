// Squares of kLanes x kLanes floats transposed in registers.
#pragma once

#include "kernels/shuffle.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// y = or, with kAdd, += the transposed square at x.
template <bool kAdd = false>
CNNFAST_INLINE void transpose_square(const float* x, int64_t x_stride, float* y, int64_t y_stride) {
  vf rows[kLanes];
  CNNFAST_UNROLL
  for (int i = 0; i < kLanes; ++i) rows[i] = load(x + i * x_stride);
  transpose(rows);
  CNNFAST_UNROLL
  for (int i = 0; i < kLanes; ++i)
    store(y + i * y_stride, kAdd ? load(y + i * y_stride) + rows[i] : rows[i]);
}

// A square of which only `height` rows and `width` columns exist.
template <bool kAdd = false>
void transpose_part(const float* x, int64_t x_stride, float* y, int64_t y_stride, int height,
                    int width) {
  if (height == 1 || width == 1) {
    for (int i = 0; i < height; ++i)
      for (int j = 0; j < width; ++j) {
        float& to = y[j * y_stride + i];
        to = kAdd ? to + x[i * x_stride + j] : x[i * x_stride + j];
      }
    return;
  }
  vf rows[kLanes] = {};
  for (int i = 0; i < height; ++i) rows[i] = load_first(x + i * x_stride, width);
  transpose(rows);
  for (int j = 0; j < width; ++j) {
    float* to = y + j * y_stride;
    store_first(to, kAdd ? load_first(to, height) + rows[j] : rows[j], height);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
