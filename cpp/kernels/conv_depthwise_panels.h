// Depthwise convolution reads pixels in panels of two vectors of channels, [row][col][kPanel], zero
// padding included: wide pixels in their own order share a few cache sets and lie a line here and
// a line there. A kernel's weights are panels too, the bias in front of its taps.
#pragma once

#include "kernels/conv_repeat.h"
#include "kernels/conv_table.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int64_t kPanel = 2 * kLanes;

CNNFAST_INLINE int64_t panels_of(int64_t channels) { return (channels + kPanel - 1) / kPanel; }
// Floats of a panel of so many pixels: one line more than them, or the panels' stores would share
// a cache set.
CNNFAST_INLINE int64_t panel_floats(int64_t pixels) { return pixels * kPanel + 16; }

// The pixels of `count` channels from `from` on, `pixel` floats apart, into panels.
CNNFAST_INLINE void split_pixels(const float* from, int64_t pixel, int64_t count, int64_t pixels,
                                 int64_t panel, float* to) {
  const int64_t whole = count / kPanel;
  const int last = static_cast<int>(count % kPanel);
  for (int64_t i = 0; i < pixels; ++i, from += pixel, to += kPanel) {
    const float* x = from;
    float* y = to;
    for (int64_t c = 0; c < whole; ++c, x += kPanel, y += panel) {
      store(y, load(x));
      store(y + kLanes, load(x + kLanes));
    }
    if (last) {
      const int first = last < kLanes ? last : kLanes;
      store(y, load_first(x, first));
      store(y + kLanes, last > kLanes ? load_first(x + kLanes, last - kLanes) : vf{});
    }
  }
}

// A part of an image for panels: rows and columns may lie outside, where they are zero; channels
// [channel_begin, channel_end) are counted after each of the image's has been repeated.
struct PanelSource {
  const float* image;
  int64_t h, w, c, times;
  int64_t first_row, rows, first_col, cols;
  int64_t channel_begin, channel_end;
};

// `repeated`: cols * c * times floats where times > 1.
void pack_pixels(const PanelSource& s, int64_t panel, float* to, float* repeated) {
  const int64_t channels = s.c * s.times, count = s.channel_end - s.channel_begin;
  const int64_t left = smaller(s.cols, larger(0, -s.first_col));
  const int64_t begin = larger(s.first_col, 0);
  const int64_t inside = larger(0, smaller(s.first_col + s.cols, s.w) - begin);
  const int64_t right = s.cols - left - inside;
  for (int64_t r = 0; r < s.rows; ++r, to += s.cols * kPanel) {
    const int64_t row = s.first_row + r;
    const bool outside = row < 0 || row >= s.h || inside == 0;
    for (int64_t i = 0; i < panels_of(count); ++i) {
      float* y = to + i * panel;
      zero_floats(y, (outside ? s.cols : left) * kPanel);
      if (!outside) zero_floats(y + (left + inside) * kPanel, right * kPanel);
    }
    if (outside) continue;
    const float* pixels = s.image + (row * s.w + begin) * s.c;
    if (s.times > 1) {
      repeat_floats(repeated, pixels, inside * s.c, s.times);
      pixels = repeated;
    }
    split_pixels(pixels + s.channel_begin, channels, count, inside, panel, to + left * kPanel);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
