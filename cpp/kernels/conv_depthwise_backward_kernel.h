// The depthwise kernel's gradient: vectors over channels, several taps side by side.
#pragma once

#include "kernels/conv_depthwise_panels.h"
#include "kernels/conv_depthwise_sum_in_place.h"
#include "kernels/conv_depthwise_sum_window.h"
#include "kernels/conv_sum_tile.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// R rows of T neighbouring taps, one vector of channels: R T accumulators + dy + one of x, 11 of 16
// registers for 3x3. Fewer than eight would wait for each other's sums.
template <int R, int T>
void depthwise_sum(const SumTile& t, int64_t tap_row, int64_t tap, int64_t dw_row) {
  vf acc[R][T];
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) CNNFAST_UNROLL
  for (int i = 0; i < T; ++i) acc[r][i] = vf{};
  for (int64_t image = 0; image < t.images; ++image)
    for (int64_t row = 0; row < t.rows; ++row) {
      const float* x = t.x + image * t.x_image + row * t.x_row;
      const float* dy = t.dy + image * t.dy_image + row * t.dy_row;
      for (int64_t col = t.cols; col > 0; --col, x += t.x_col, dy += t.dy_col) {
        const vf d = load(dy);
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
        acc += load(t.dy + image * t.dy_image + row * t.dy_row + col * t.dy_col);
  store_lanes(db, (t.first ? vf{} : load_lanes(db, t.last)) + acc, t.last);
}

// Channels taken at a time; repeated ones all together.
CNNFAST_INLINE int64_t depthwise_sum_block(const ConvPass& p) {
  const int64_t channels = p.src_c * p.group_k;
  return p.group_k > 1 ? channels : smaller(channels, p.block_channels);
}

// The source's panels, dy's, and a row of repeated channels.
struct DepthwiseSumScratch {
  int64_t x_panel, dy_panel, x, dy, repeated;
  DepthwiseSumScratch(const ConvPass& p, int64_t images, int64_t rows) {
    const int64_t panels = panels_of(depthwise_sum_block(p));
    x_panel = panel_floats(images * p.copy_rows(rows) * p.copy_w);
    dy_panel = panel_floats(images * rows * p.dst_w);
    x = panels * x_panel;
    dy = panels * dy_panel;
    repeated = p.group_k > 1 ? p.copy_w * p.src_c * p.group_k : 0;
  }
};

CNNFAST_INLINE int64_t depthwise_kernel_floats(const ConvPass& p) {
  return p.row_taps * p.col_taps * p.src_c;
}

int64_t conv_depthwise_backward_kernel_scratch(const ConvPass& p, int64_t images, int64_t rows) {
  if (!p.copy)
    return (sums_windows(p) ? WindowCopies::floats(p) : 0) + depthwise_kernel_floats(p) + kLanes;
  const DepthwiseSumScratch s(p, images, rows);
  return s.x + s.dy + s.repeated;
}

// Without panels. Every row is added to all sums, so that these stand beside a boundary of vectors
// as the operand does by which channels are cut, wherever dw begins.
void depthwise_sum_where_it_lies(const ConvPass& p, const float* x, const float* dy, float* dw,
                                 float* db, float* scratch, const ConvSumRegion& region,
                                 bool first) {
  const bool windows = sums_windows(p);
  const int64_t floats = depthwise_kernel_floats(p);
  const int64_t lead = unaligned_floats(windows && !WindowCopies::copies(p) ? dy : x, p.src_c);
  float* sums = scratch + (windows ? WindowCopies::floats(p) : 0);
  sums += unaligned_floats(sums + lead, kLanes);
  if (!first) copy_floats(sums, dw, floats);
  if (windows)
    conv_depthwise_sum_windows(p, x, dy, sums, db, scratch, region, first);
  else
    conv_depthwise_sum_in_place(p, x, dy, sums, db, region, first);
  copy_floats(dw, sums, floats);
}

void conv_depthwise_backward_kernel(const ConvPass& p, const float* x, const float* dy, float* dw,
                                    float* db, float* scratch, const ConvSumRegion& region,
                                    bool first) {
  if (!p.copy) return depthwise_sum_where_it_lies(p, x, dy, dw, db, scratch, region, first);
  const int64_t channels = p.src_c * p.group_k, block = depthwise_sum_block(p);
  const int64_t row_floats = p.copy_w * kPanel;
  SumTile t{};
  t.images = region.image_end - region.image_begin;
  t.rows = region.row_end - region.row_begin;
  t.cols = p.dst_w;
  t.first = first;
  t.dw_row = channels;
  t.x_col = p.col_step * kPanel;
  t.x_row = p.row_step * row_floats;
  t.x_image = p.copy_rows(t.rows) * row_floats;
  t.dy_col = kPanel;
  t.dy_row = p.dst_w * kPanel;
  t.dy_image = t.rows * t.dy_row;
  const DepthwiseSumScratch room(p, t.images, t.rows);
  float *gradients = scratch + room.x, *repeated = gradients + room.dy;
  PanelSource source{nullptr,
                     p.src_h,
                     p.src_w,
                     p.src_c,
                     p.group_k,
                     region.row_begin * p.row_step + p.row_first,
                     p.copy_rows(t.rows),
                     p.col_first,
                     p.copy_w,
                     0,
                     0};
  PanelSource gradient{nullptr, p.dst_h, p.dst_w, channels, 1, region.row_begin,
                       t.rows,  0,       p.dst_w, 0,        0};
  const int64_t tap = p.col_tap_step * kPanel, tap_row = p.row_tap_step * row_floats;
  const int64_t dw_row = p.col_taps * channels;
  for (int64_t begin = 0; begin < channels; begin += block) {
    const int64_t end = smaller(channels, begin + block);
    source.channel_begin = gradient.channel_begin = begin;
    source.channel_end = gradient.channel_end = end;
    for (int64_t i = 0; i < t.images; ++i) {
      source.image = x + (region.image_begin + i) * p.src_h * p.src_w * p.src_c;
      gradient.image = dy + (region.image_begin + i) * p.dst_h * p.dst_row;
      pack_pixels(source, room.x_panel, scratch + i * t.x_image, repeated);
      pack_pixels(gradient, room.dy_panel, gradients + i * t.dy_image, nullptr);
    }
    for (int64_t c = begin; c < end; c += kLanes) {
      const int64_t panel = (c - begin) / kPanel, inside = (c - begin) % kPanel;
      t.last = static_cast<int>(smaller(kLanes, end - c));
      t.dy = gradients + panel * room.dy_panel + inside;
      for (int64_t r = 0; r < p.row_taps;) {
        const int rows_left = static_cast<int>(smaller(3, p.row_taps - r));
        const int taken = p.col_taps == 3 || rows_left < 2 ? rows_left : 2;
        t.x = scratch + panel * room.x_panel + inside + r * tap_row;
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
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
