// Rows of the source with their zero padding made explicit, so that no kernel tests a border.
#pragma once

#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
CNNFAST_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

CNNFAST_INLINE vf load_lanes(const float* p, int lanes) {
  return lanes == kLanes ? load(p) : load_first(p, lanes);
}
CNNFAST_INLINE void store_lanes(float* p, vf v, int lanes) {
  if (lanes == kLanes) {
    store(p, v);
  } else {
    store_first(p, v, lanes);
  }
}

// So few floats, a row of a small map or its padding, are there before memset or memcpy begins.
constexpr int64_t kFewFloats = 4 * kLanes;

CNNFAST_INLINE void zero_floats(float* p, int64_t count) {
  if (count > kFewFloats) {
    __builtin_memset(p, 0, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < count; i += kLanes)
    store_lanes(p + i, vf{}, static_cast<int>(smaller(kLanes, count - i)));
}
CNNFAST_INLINE void copy_floats(float* to, const float* from, int64_t count) {
  if (count > kFewFloats) {
    __builtin_memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < count; i += kLanes) {
    const int lanes = static_cast<int>(smaller(kLanes, count - i));
    store_lanes(to + i, load_lanes(from + i, lanes), lanes);
  }
}

// Source rows [first_row, first_row + rows) and columns [first_col, first_col + cols), zeros where
// they lie outside the source.
CNNFAST_INLINE void copy_padded(const float* src, int64_t src_h, int64_t src_w, int64_t channels,
                                int64_t first_row, int64_t rows, int64_t first_col, int64_t cols,
                                float* to) {
  const int64_t left = smaller(cols, larger(0, -first_col));
  const int64_t begin = larger(first_col, 0);
  const int64_t inside = larger(0, smaller(first_col + cols, src_w) - begin);
  const int64_t right = larger(0, cols - left - inside);
  for (int64_t r = 0; r < rows; ++r, to += cols * channels) {
    const int64_t row = first_row + r;
    if (row < 0 || row >= src_h || inside == 0) {
      zero_floats(to, cols * channels);
      continue;
    }
    zero_floats(to, left * channels);
    copy_floats(to + left * channels, src + (row * src_w + begin) * channels, inside * channels);
    zero_floats(to + (left + inside) * channels, right * channels);
  }
}

// The same with `pitch` >= channels floats between pixels.
CNNFAST_INLINE void copy_pitched(const float* src, int64_t src_h, int64_t src_w, int64_t channels,
                                 int64_t first_row, int64_t rows, int64_t first_col, int64_t cols,
                                 int64_t pitch, float* to) {
  if (pitch == channels) {
    copy_padded(src, src_h, src_w, channels, first_row, rows, first_col, cols, to);
    return;
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c, to += pitch) {
      const int64_t row = first_row + r, col = first_col + c;
      if (row < 0 || row >= src_h || col < 0 || col >= src_w) {
        zero_floats(to, channels);
      } else {
        copy_floats(to, src + (row * src_w + col) * channels, channels);
      }
    }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
