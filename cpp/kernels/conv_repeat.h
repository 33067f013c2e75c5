// Depthwise convolution with several outputs a channel works on sources whose channels are
// repeated, and its gradient on sums of neighbouring channels: (..., C) <-> (..., C M).
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/lane_transpose.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Vector P of the M that one vector becomes: lane j holds what lane (P kLanes + j) / M held.
template <int M, int P, int... J>
CNNFAST_INLINE vf repeated_lanes(vf v, LaneList<J...>) {
  return CNNFAST_SHUFFLE(v, v, ((P * kLanes + J) / M)...);
}

template <int M>
CNNFAST_INLINE void repeat_vector(float* to, vf v) {
  store(to, repeated_lanes<M, 0>(v, AllLanes{}));
  store(to + kLanes, repeated_lanes<M, 1>(v, AllLanes{}));
  if constexpr (M > 2) store(to + 2 * kLanes, repeated_lanes<M, 2>(v, AllLanes{}));
  if constexpr (M > 3) store(to + 3 * kLanes, repeated_lanes<M, 3>(v, AllLanes{}));
}

// to[i M + m] = from[i].
CNNFAST_INLINE void repeat_floats(float* to, const float* from, int64_t count, int64_t times) {
  int64_t i = 0;
  switch (times) {
    case 2:
      for (; i + kLanes <= count; i += kLanes) repeat_vector<2>(to + 2 * i, load(from + i));
      break;
    case 3:
      for (; i + kLanes <= count; i += kLanes) repeat_vector<3>(to + 3 * i, load(from + i));
      break;
    case 4:
      for (; i + kLanes <= count; i += kLanes) repeat_vector<4>(to + 4 * i, load(from + i));
      break;
    default:
      break;
  }
  for (; i < count; ++i) {
    const vf v = broadcast(from[i]);
    int64_t m = 0;
    for (; m + kLanes <= times; m += kLanes) store(to + i * times + m, v);
    for (; m < times; ++m) to[i * times + m] = from[i];
  }
}

template <int... J>
CNNFAST_INLINE vf pair_sums(vf a, vf b, LaneList<J...>) {
  return CNNFAST_SHUFFLE(a, b, (2 * J)...) + CNNFAST_SHUFFLE(a, b, (2 * J + 1)...);
}
CNNFAST_INLINE vf pair_sums(const float* from) {
  return pair_sums(load(from), load(from + kLanes), AllLanes{});
}

// to[i] = sum over m of from[i M + m]. Pairs of pairs: the same order for every i but the last
// ones.
CNNFAST_INLINE void fold_floats(float* to, const float* from, int64_t count, int64_t times) {
  int64_t i = 0;
  if (times == 2)
    for (; i + kLanes <= count; i += kLanes) store(to + i, pair_sums(from + 2 * i));
  if (times == 4)
    for (; i + kLanes <= count; i += kLanes)
      store(to + i,
            pair_sums(pair_sums(from + 4 * i), pair_sums(from + 4 * i + 2 * kLanes), AllLanes{}));
  for (; i < count; ++i) {
    float sum = from[i * times];
    for (int64_t m = 1; m < times; ++m) sum += from[i * times + m];
    to[i] = sum;
  }
}

// copy_padded with every channel repeated.
CNNFAST_INLINE void copy_repeated(const float* src, int64_t src_h, int64_t src_w, int64_t channels,
                                  int64_t first_row, int64_t rows, int64_t first_col, int64_t cols,
                                  int64_t times, float* to) {
  if (times == 1) {
    copy_padded(src, src_h, src_w, channels, first_row, rows, first_col, cols, to);
    return;
  }
  const int64_t left = smaller(cols, larger(0, -first_col));
  const int64_t begin = larger(first_col, 0);
  const int64_t inside = larger(0, smaller(first_col + cols, src_w) - begin);
  const int64_t pixel = channels * times;
  for (int64_t r = 0; r < rows; ++r, to += cols * pixel) {
    const int64_t row = first_row + r;
    if (row < 0 || row >= src_h || inside == 0) {
      zero_floats(to, cols * pixel);
      continue;
    }
    zero_floats(to, left * pixel);
    repeat_floats(to + left * pixel, src + (row * src_w + begin) * channels, inside * channels,
                  times);
    zero_floats(to + (left + inside) * pixel, (cols - left - inside) * pixel);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
