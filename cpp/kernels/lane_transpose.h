// Squares of kLanes x kLanes floats transposed in registers.
#pragma once

#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

template <int... J>
struct LaneList {};
#if defined(__AVX512F__)
using AllLanes = LaneList<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#elif defined(__AVX2__)
using AllLanes = LaneList<0, 1, 2, 3, 4, 5, 6, 7>;
#else
using AllLanes = LaneList<0, 1, 2, 3>;
#endif

// Swaps the off-diagonal S x S blocks of the 2S x 2S blocks in rows i and i + S.
template <int S, int... J>
CNNFAST_INLINE void exchange(vf& a, vf& b, LaneList<J...>) {
  const vf low = __builtin_shufflevector(a, b, ((J & S) == 0 ? J : kLanes + J - S)...);
  const vf high = __builtin_shufflevector(a, b, ((J & S) == 0 ? J + S : kLanes + J)...);
  a = low;
  b = high;
}
template <int S>
CNNFAST_INLINE void transpose_step(vf (&rows)[kLanes]) {
  CNNFAST_UNROLL
  for (int i = 0; i < kLanes; ++i)
    if ((i & S) == 0) exchange<S>(rows[i], rows[i + S], AllLanes{});
}
// In registers, log2(kLanes) rounds (Eklundh 1972).
CNNFAST_INLINE void transpose(vf (&rows)[kLanes]) {
  transpose_step<1>(rows);
  transpose_step<2>(rows);
#if defined(__AVX2__)
  transpose_step<4>(rows);
#endif
#if defined(__AVX512F__)
  transpose_step<8>(rows);
#endif
}

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
