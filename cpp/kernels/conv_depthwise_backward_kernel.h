// The depthwise kernel's gradient: vectors over channels, several taps side by side.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_next_walk.h"
#include "kernels/conv_repeat.h"
#include "kernels/conv_sum_tile.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// R rows of T neighbouring taps, one vector of channels: R T accumulators + dy + one of x, 11 of 16
// registers for 3x3. Fewer than eight would wait for each other's sums.
template <int R, int T, bool kWhole>
void depthwise_sum_of(const SumTile& t, int64_t tap_row, int64_t tap, int64_t dw_row) {
  vf acc[R][T];
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) CNNFAST_UNROLL
  for (int i = 0; i < T; ++i) acc[r][i] = vf{};
  for (int64_t image = 0; image < t.images; ++image)
    for (int64_t row = 0; row < t.rows; ++row) {
      const float* x = t.x + image * t.x_image + row * t.x_row;
      const float* dy = t.dy + image * t.dy_image + row * t.dy_row;
      for (int64_t col = t.cols; col > 0; --col, x += t.x_col, dy += t.dy_col) {
        const vf d = kWhole ? load(dy) : load_first(dy, t.last);
        CNNFAST_UNROLL
        for (int r = 0; r < R; ++r) CNNFAST_UNROLL
        for (int i = 0; i < T; ++i) acc[r][i] += d * load(x + r * tap_row + i * tap);
      }
    }
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) CNNFAST_UNROLL
  for (int i = 0; i < T; ++i) {
    float* dw = t.dw + r * dw_row + i * t.dw_row;
    const vf before = t.first ? vf{} : load_lanes(dw, t.last);
    store_lanes(dw, before + acc[r][i], t.last);
  }
}

template <int R, int T>
void depthwise_sum(const SumTile& t, int64_t tap_row, int64_t tap, int64_t dw_row) {
  (t.last == kLanes ? depthwise_sum_of<R, T, true> : depthwise_sum_of<R, T, false>)(t, tap_row, tap,
                                                                                    dw_row);
}

using DepthwiseSum = void (*)(const SumTile&, int64_t, int64_t, int64_t);

DepthwiseSum depthwise_sum_function(int rows, int taps) {
  switch (8 * rows + taps) {
    case 8 + 1:
      return depthwise_sum<1, 1>;
    case 8 + 3:
      return depthwise_sum<1, 3>;
    case 8 + 5:
      return depthwise_sum<1, 5>;
    case 16 + 1:
      return depthwise_sum<2, 1>;
    case 16 + 3:
      return depthwise_sum<2, 3>;
    case 16 + 5:
      return depthwise_sum<2, 5>;
    default:
      return depthwise_sum<3, 3>;
  }
}

// db[c] (+)= sum over the tile's pixels of dy, one vector of channels.
void depthwise_sum_bias(const SumTile& t, float* db) {
  vf acc = {};
  for (int64_t image = 0; image < t.images; ++image)
    for (int64_t row = 0; row < t.rows; ++row)
      for (int64_t col = 0; col < t.cols; ++col)
        acc += load_lanes(t.dy + image * t.dy_image + row * t.dy_row + col * t.dy_col, t.last);
  store_lanes(db, (t.first ? vf{} : load_lanes(db, t.last)) + acc, t.last);
}

// The source in panels of one vector of channels, [row][col][kLanes], padding included: a walk over
// NHWC pixels would read half a line of each, and wide pixels share a few cache sets.
CNNFAST_INLINE int64_t depthwise_panel(const ConvPass& p, int64_t images, int64_t rows) {
  return images * p.copy_rows(rows) * p.copy_w * kLanes;
}
CNNFAST_INLINE int64_t depthwise_panels(const ConvPass& p) {
  return (p.src_c * p.group_k + kLanes - 1) / kLanes;
}

int64_t conv_depthwise_backward_kernel_scratch(const ConvPass& p, int64_t images, int64_t rows) {
  return depthwise_panels(p) * depthwise_panel(p, images, rows) + p.copy_w * p.src_c * p.group_k;
}

// `row`: copy_w pixels, all channels.
void pack_depthwise_panels(const ConvPass& p, const float* x, int64_t images, int64_t first_row,
                           int64_t rows, float* to, float* row) {
  const int64_t channels = p.src_c * p.group_k, panel = depthwise_panel(p, images, rows);
  const int64_t whole = channels / kLanes;
  const int last = static_cast<int>(channels % kLanes);
  for (int64_t i = 0; i < images; ++i, x += p.src_h * p.src_w * p.src_c)
    for (int64_t r = 0; r < p.copy_rows(rows); ++r) {
      copy_repeated(x, p.src_h, p.src_w, p.src_c, first_row + r, 1, p.col_first, p.copy_w,
                    p.group_k, row);
      const float* pixel = row;
      for (int64_t col = 0; col < p.copy_w; ++col, pixel += channels, to += kLanes) {
        for (int64_t c = 0; c < whole; ++c) store(to + c * panel, load(pixel + c * kLanes));
        if (last) store(to + whole * panel, load_first(pixel + whole * kLanes, last));
      }
    }
}

void conv_depthwise_backward_kernel(const ConvPass& p, const float* x, const float* dy, float* dw,
                                    float* db, float* scratch, const ConvSumRegion& region,
                                    bool first) {
  const int64_t channels = p.src_c * p.group_k;  // the source's are repeated
  SumTile t{};
  t.images = region.image_end - region.image_begin;
  t.rows = region.row_end - region.row_begin;
  t.cols = p.dst_w;
  t.first = first;
  t.dw_row = channels;
  const int64_t row_floats = p.copy_w * kLanes, panel = depthwise_panel(p, t.images, t.rows);
  pack_depthwise_panels(p, x + region.image_begin * p.src_h * p.src_w * p.src_c, t.images,
                        region.row_begin * p.row_step + p.row_first, t.rows, scratch,
                        scratch + depthwise_panels(p) * panel);
  t.x_col = p.col_step * kLanes;
  t.x_row = p.row_step * row_floats;
  t.x_image = p.copy_rows(t.rows) * row_floats;
  t.dy_col = p.dst_col;
  t.dy_row = p.dst_row;
  t.dy_image = p.dst_h * p.dst_row;
  const float* gradient = dy + region.image_begin * t.dy_image + region.row_begin * p.dst_row;
  const NextWalk next(p, x, dy, region);
  const int64_t tap = p.col_tap_step * kLanes, tap_row = p.row_tap_step * row_floats;
  const int64_t dw_row = p.col_taps * channels;
  for (int64_t c = 0; c < channels; c += kLanes) {
    next.prefetch(c / kLanes, depthwise_panels(p));
    t.last = static_cast<int>(smaller(kLanes, channels - c));
    t.dy = gradient + c;
    for (int64_t r = 0; r < p.row_taps;) {
      const int rows_left = static_cast<int>(smaller(3, p.row_taps - r));
      const int taken = p.col_taps == 3 || rows_left < 2 ? rows_left : 2;
      t.x = scratch + c / kLanes * panel + r * tap_row;
      t.dw = dw + r * dw_row + c;
      for (int64_t s = 0; s < p.col_taps;) {
        const int64_t left = p.col_taps - s;
        const int taps = left >= 5 ? 5 : left >= 3 ? 3 : 1;
        depthwise_sum_function(taken, taps)(t, tap_row, tap, dw_row);
        s += taps;
        t.x += taps * tap;
        t.dw += taps * t.dw_row;
      }
      r += taken;
    }
    if (db) depthwise_sum_bias(t, db + c);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
