// The gradient of a 3x3 depthwise kernel at strides of 1, from x and dy where they lie: a pixel of
// x is loaded once for the nine products it takes part in, while the three columns of dy that meet
// it wander through registers.
//   AVX-512: 9 accumulators + 9 of dy + 1 of x of 32
#pragma once

#include "kernels/conv_depthwise_sum_in_place.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int kWindow = 3;
constexpr bool kSumsWindows = kRegisters == 32;

CNNFAST_INLINE bool sums_windows(const ConvPass& p) {
  return kSumsWindows && p.row_taps == kWindow && p.col_taps == kWindow && p.row_step == 1 &&
         p.col_step == 1 && p.row_tap_step == 1 && p.col_tap_step == 1;
}

// One row of x against R rows of dy, one vector of channels. Strides in floats.
struct WindowRow {
  const float *x, *dy;  // x's first pixel; the first pixel of the row of dy that tap row 0 meets
  int64_t dy_row;       // dy is passed upwards: tap row r meets the row r before it
  int64_t channels, cols, dy_cols, left;  // cols of x; left: zeros before it
  float* dw;                              // of the first tap row
};

template <int R>
struct WindowSums {
  vf acc[R][kWindow], dy[R][kWindow];  // dy: column j stands in place j % kWindow

  // Column `col` of x, J = col % kWindow; the newest column of dy is col + left.
  template <int J, bool kInside>
  CNNFAST_INLINE void step(const WindowRow& t, int64_t col, WindowSums& s) {
    const vf x = load(t.x + col * t.channels);
    const float* dy = t.dy + (col + t.left) * t.channels;
    CNNFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      s.dy[r][J] = kInside || col + t.left < t.dy_cols ? load(dy - r * t.dy_row) : vf{};
      CNNFAST_UNROLL
      for (int tap = 0; tap < kWindow; ++tap)
        s.acc[r][tap] += x * s.dy[r][(J - tap + kWindow) % kWindow];
    }
  }
};

template <int R>
void window_row(const WindowRow& row) {
  using Sums = WindowSums<R>;
  const WindowRow t = row;
  Sums s;
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) CNNFAST_UNROLL
  for (int tap = 0; tap < kWindow; ++tap) {
    s.acc[r][tap] = vf{};
    // Columns left - 1 and left - 2 of dy, which meet x's first pixel under taps 1 and 2.
    const int64_t col = t.left - tap;
    s.dy[r][(kWindow - tap) % kWindow] = tap > 0 && col >= 0 && col < t.dy_cols
                                             ? load(t.dy - r * t.dy_row + col * t.channels)
                                             : vf{};
  }
  const int64_t inside = smaller(t.cols, t.dy_cols - t.left);
  int64_t col = 0;
  for (; col + kWindow <= inside; col += kWindow) {
    Sums::template step<0, true>(t, col, s);
    Sums::template step<1, true>(t, col + 1, s);
    Sums::template step<2, true>(t, col + 2, s);
  }
  while (col < t.cols) {
    Sums::template step<0, false>(t, col++, s);
    if (col < t.cols) Sums::template step<1, false>(t, col++, s);
    if (col < t.cols) Sums::template step<2, false>(t, col++, s);
  }
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) CNNFAST_UNROLL
  for (int tap = 0; tap < kWindow; ++tap) {
    float* dw = t.dw + (r * kWindow + tap) * t.channels;
    store(dw, load(dw) + s.acc[r][tap]);
  }
}

// Whole vectors of channels only. Sums rows [row_begin, row_end) of dy.
void conv_depthwise_sum_windows(const ConvPass& p, const float* x, const float* dy, float* dw,
                                float* db, const ConvSumRegion& region, bool first) {
  const int64_t channels = p.src_c, row_floats = p.src_w * channels;
  if (first) {
    zero_floats(dw, kWindow * kWindow * channels);
    if (db) zero_floats(db, channels);
  }
  WindowRow t{};
  t.dy_row = p.dst_row;
  t.channels = channels;
  t.cols = p.src_w;
  t.dy_cols = p.dst_w;
  t.left = -p.col_first;
  const int64_t parts = (channels + kLanes - 1) / kLanes;
  // The rows of x that these rows of dy meet.
  const int64_t begin = larger(0, region.row_begin + p.row_first);
  const int64_t end = smaller(p.src_h, region.row_end - 1 + p.row_first + kWindow);
  for (int64_t image = region.image_begin; image < region.image_end; ++image) {
    const float* source = x + image * p.src_h * row_floats;
    const float* gradient = dy + image * p.dst_h * p.dst_row;
    for (int64_t row = begin; row < end; ++row) {
      // Tap row r meets row `out - r` of dy.
      const int64_t out = row - p.row_first;
      const int64_t r_begin = larger(0, out - region.row_end + 1);
      const int64_t r_end = smaller(kWindow, out - region.row_begin + 1);
      const bool last = row + 1 == end;
      for (int64_t c = 0; c < channels; c += kLanes) {
        prefetch_share<2>(source + (row + 1) * row_floats, last ? 0 : row_floats, c / kLanes,
                          parts);
        prefetch_share<2>(gradient + (out + 1) * p.dst_row,
                          out + 1 < region.row_end && out + 1 >= 0 ? p.dst_row : 0, c / kLanes,
                          parts);
        t.x = source + row * row_floats + c;
        t.dy = gradient + (out - r_begin) * p.dst_row + c;
        t.dw = dw + r_begin * kWindow * channels + c;
        if (r_end - r_begin == 3) {
          window_row<3>(t);
        } else if (r_end - r_begin == 2) {
          window_row<2>(t);
        } else if (r_end - r_begin == 1) {
          window_row<1>(t);
        }
      }
    }
    if (!db) continue;
    for (int64_t row = region.row_begin; row < region.row_end; ++row)
      for (int64_t c = 0; c < channels; c += kLanes)
        depthwise_row_bias<1>(gradient + row * p.dst_row + c, channels, p.dst_w, db + c);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
