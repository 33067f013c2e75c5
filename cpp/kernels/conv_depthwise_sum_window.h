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
  const float* x;            // first pixel
  const float* dy[kWindow];  // first pixels of the rows of dy that the tap rows meet
  int64_t channels, dy_pixel;
  int64_t cols, dy_cols, left;  // cols of x; left: zeros before it
  float* dw;                    // of the first tap row
  int lanes;                    // channels, if fewer than a vector's
};

template <int R, bool kWhole>
struct WindowSums {
  vf acc[R][kWindow], dy[R][kWindow];  // dy: column j stands in place j % kWindow

  // Column `col` of x, J = col % kWindow; the newest column of dy is col + left.
  template <int J, bool kInside>
  CNNFAST_INLINE void step(const WindowRow& t, int64_t col, WindowSums& s) {
    const vf x = load_part<kWhole>(t.x + col * t.channels, t.lanes);
    const int64_t newest = (col + t.left) * t.dy_pixel;
    CNNFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      s.dy[r][J] =
          kInside || col + t.left < t.dy_cols ? load_part<kWhole>(t.dy[r] + newest, t.lanes) : vf{};
      CNNFAST_UNROLL
      for (int tap = 0; tap < kWindow; ++tap)
        s.acc[r][tap] += x * s.dy[r][(J - tap + kWindow) % kWindow];
    }
  }
};

template <int R, bool kWhole>
void window_row(const WindowRow& row) {
  using Sums = WindowSums<R, kWhole>;
  const WindowRow t = row;
  Sums s;
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) CNNFAST_UNROLL
  for (int tap = 0; tap < kWindow; ++tap) {
    s.acc[r][tap] = vf{};
    // Columns left - 1 and left - 2 of dy, which meet x's first pixel under taps 1 and 2.
    const int64_t col = t.left - tap;
    s.dy[r][(kWindow - tap) % kWindow] =
        tap > 0 && col >= 0 && col < t.dy_cols
            ? load_part<kWhole>(t.dy[r] + col * t.dy_pixel, t.lanes)
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
  for (int tap = 0; tap < kWindow; ++tap)
    add_part<kWhole>(t.dw + (r * kWindow + tap) * t.channels, s.acc[r][tap], t.lanes);
}

template <bool kWhole>
void window_rows(const WindowRow& row, int64_t taps) {
  if (taps == 3)
    window_row<3, kWhole>(row);
  else if (taps == 2)
    window_row<2, kWhole>(row);
  else if (taps == 1)
    window_row<1, kWhole>(row);
}

// Rows of dy, which three rows of x meet, of pixels so wide that neighbours share a set or two of
// L1: some channels at a time are copied side by side, where L1 holds them, and beside a boundary
// of vectors as x's are (8x14x14x512 on two cores of a Zen 4: 310 to 140 us; copies of all
// channels, which L2 holds, on one core of a Zen 5: 182 instead of 163).
class WindowCopies {
 public:
  static bool copies(const ConvPass& p) { return p.src_c >= 512; }
  static int64_t floats(const ConvPass& p) {
    return copies(p) ? kWindow * p.dst_w * kPixel + kLanes : 0;
  }
  static int64_t channels(const ConvPass& p) { return copies(p) ? kChannels : p.src_c; }

  // For channels from `begin` on.
  WindowCopies(const ConvPass& p, const ChannelCut& cut, int64_t begin, float* room)
      : p_(p), cut_(cut), begin_(begin) {
    room_ = room + (begin == 0 && cut.lead > 0 ? kLanes - cut.lead : 0);
  }

  int64_t pixel() const { return copies(p_) ? kPixel : p_.src_c; }
  // Where channel 0 of the row's first pixel stands.
  const float* row(const float* dy, int64_t row) const {
    return copies(p_) ? at(row) - begin_ : dy + row * p_.dst_row;
  }
  void copy(const float* dy, int64_t row, int64_t end) const {
    if (!copies(p_)) return;
    const float* from = dy + row * p_.dst_row;
    float* to = at(row) - begin_;
    for (int64_t i = 0; i < p_.dst_w; ++i, from += p_.src_c, to += kPixel)
      for (int64_t c = begin_, count = 0; c < end; c += count) {
        count = cut_.length(c, kLanes);
        if (count == kLanes)
          store(to + c, load(from + c));
        else
          store_first(to + c, load_first(from + c, static_cast<int>(count)),
                      static_cast<int>(count));
      }
  }

 private:
  static constexpr int64_t kChannels = 128;  // 3 rows of 14 pixels: 27 KiB
  static constexpr int64_t kPixel = kChannels + 2 * 16;

  float* at(int64_t row) const { return room_ + row % kWindow * p_.dst_w * kPixel; }

  const ConvPass& p_;
  const ChannelCut& cut_;
  int64_t begin_;
  float* room_;
};

// Whole vectors of channels only. Sums rows [row_begin, row_end) of dy.
void conv_depthwise_sum_windows(const ConvPass& p, const float* x, const float* dy, float* dw,
                                float* db, float* scratch, const ConvSumRegion& region,
                                bool first) {
  const int64_t channels = p.src_c, row_floats = p.src_w * channels;
  if (first) {
    zero_floats(dw, kWindow * kWindow * channels);
    if (db) zero_floats(db, channels);
  }
  WindowRow t{};
  t.channels = channels;
  t.cols = p.src_w;
  t.dy_cols = p.dst_w;
  t.left = -p.col_first;
  const ChannelCut cut(WindowCopies::copies(p) ? x : dy, channels);  // dy is loaded three times
  // The rows of x that these rows of dy meet.
  const int64_t begin = larger(0, region.row_begin + p.row_first);
  const int64_t end = smaller(p.src_h, region.row_end - 1 + p.row_first + kWindow);
  for (int64_t c_begin = 0, c_end = 0; c_begin < channels; c_begin = c_end) {
    c_end = smaller(channels, larger(c_begin, cut.lead) + WindowCopies::channels(p));
    const WindowCopies copies(p, cut, c_begin, scratch);
    t.dy_pixel = copies.pixel();
    for (int64_t image = region.image_begin; image < region.image_end; ++image) {
      const float* source = x + image * p.src_h * row_floats;
      const float* gradient = dy + image * p.dst_h * p.dst_row;
      for (int64_t row = begin; row < end; ++row) {
        // Tap row r meets row `out - r` of dy.
        const int64_t out = row - p.row_first;
        const int64_t r_begin = larger(0, out - region.row_end + 1);
        const int64_t r_end = smaller(kWindow, out - region.row_begin + 1);
        // The rows behind these: asked for where caches do not hold them.
        const bool more_x = region.uncached && row + 1 < end;
        const bool more_dy = region.uncached && out + 1 < region.row_end && out + 1 >= 0;
        for (int64_t r = r_begin; r < r_end; ++r)  // the others met the row of x before
          if (r == 0 || row == begin) copies.copy(gradient, out - r, c_end);
        const float* rows[kWindow] = {gradient, gradient, gradient};
        for (int64_t r = r_begin; r < r_end; ++r) rows[r - r_begin] = copies.row(gradient, out - r);
        for (int64_t c = c_begin, count = 0; c < c_end; c += count) {
          count = cut.length(c, kLanes);
          prefetch_share<2>(source + (row + 1) * row_floats, more_x ? row_floats : 0, c, c + count,
                            channels);
          prefetch_share<2>(gradient + (out + 1) * p.dst_row, more_dy ? p.dst_row : 0, c, c + count,
                            channels);
          t.x = source + row * row_floats + c;
          for (int r = 0; r < kWindow; ++r) t.dy[r] = rows[r] + c;
          t.dw = dw + r_begin * kWindow * channels + c;
          t.lanes = static_cast<int>(count);
          (count == kLanes ? window_rows<true> : window_rows<false>)(t, r_end - r_begin);
        }
      }
    }
  }
  if (!db) return;
  for (int64_t image = region.image_begin; image < region.image_end; ++image)
    for (int64_t row = region.row_begin; row < region.row_end; ++row)
      for (int64_t c = 0; c < channels; c += kLanes)
        depthwise_row_bias<1>(dy + (image * p.dst_h + row) * p.dst_row + c, channels, p.dst_w,
                              db + c, kLanes);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
