// Depthwise convolution: how a region falls into tiles, its borders, several outputs a channel.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_depthwise_tile.h"
#include "kernels/conv_direct.h"
#include "kernels/conv_repeat.h"
#include "kernels/conv_table.h"
#include "kernels/conv_taps.h"
#include "kernels/vector_activation.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Floats of the padded copy of `rows` destination rows' sources, every channel repeated.
CNNFAST_INLINE int64_t depthwise_copy_floats(const ConvPass& p, int64_t rows) {
  return p.copy ? p.copy_rows(rows) * p.copy_w * p.src_c * p.group_k : 0;
}

// The last steps of a row that was summed over neighbouring channels: bias and activation.
CNNFAST_INLINE void depthwise_finish(const ConvPass& p, float* y, const float* bias) {
  if (!bias && p.activation == ActivationKind::linear) return;
  for (int64_t c = 0; c < p.groups; c += kLanes) {
    const int lanes = static_cast<int>(smaller(kLanes, p.groups - c));
    vf value = load_lanes(y + c, lanes);
    if (bias) value += load_lanes(bias + c, lanes);
    store_lanes(y + c, activated(value, p.activation, p.alpha), lanes);
  }
}

// Columns [begin, end) of one row, all channels: t.x, t.y, t.w and t.bias stand at channel 0, t.x
// and t.y at column 0. Channels run innermost, so that memory is walked in its order.
void depthwise_columns(const DepthwiseTile& row, int64_t channels, int64_t begin, int64_t end) {
  const DepthwiseTiles tiles = depthwise_tiles(row);
  DepthwiseTile t = row;
  for (int64_t col = begin; col < end;) {
    int size = 0;
    while (tiles.width[size] > end - col) ++size;
    const int64_t step = tiles.vectors * kLanes;
    for (int64_t c = 0; c < channels; c += step) {
      const int64_t left = channels - c;
      t.last = static_cast<int>(smaller(kLanes, left - (left > kLanes ? step - kLanes : 0)));
      t.w = row.w + c;
      t.bias = row.bias ? row.bias + c : nullptr;
      t.x = row.x + col * t.x_col + c;
      t.y = row.y + col * t.y_col + c;
      (left >= step ? tiles.whole : left > kLanes ? tiles.ragged : tiles.last)[size](t);
    }
    col += tiles.width[size];
  }
}

// The same where some taps leave the source, `first` being the source column of column 0's first
// tap: a column at a time, with the taps that stay inside.
void depthwise_border(const ConvPass& p, const DepthwiseTile& row, int64_t channels, int64_t begin,
                      int64_t end) {
  for (int64_t col = begin; col < end; ++col) {
    const TapRange taps =
        taps_inside(col * p.col_step + p.col_first, p.col_tap_step, p.col_taps, p.src_w);
    DepthwiseTile t = row;
    t.cols = larger(0, taps.end - taps.begin);
    t.x += taps.begin * t.tap_col;
    t.w += taps.begin * t.w_col;
    depthwise_columns(t, channels, col, col + 1);
  }
}

// Bias and activation where depthwise_tile did not apply them; sums over neighbouring channels.
void depthwise_finish_row(const ConvPass& p, const float* sums, int64_t channels, float* y,
                          int64_t columns, const float* bias) {
  for (int64_t col = 0; col < columns; ++col) {
    float* pixel = y + col * p.dst_col;
    if (p.group_c > 1) {
      fold_floats(pixel, sums + col * channels, p.groups, p.group_c);
      depthwise_finish(p, pixel, bias);
    } else {
      activate(pixel, channels, p.activation);
    }
  }
}

// One output a channel reads the source where it lies. group_k outputs: the source's channels are
// repeated, in a padded copy. group_c sources of each output (the gradient of that): made by
// themselves in scratch, then summed.
void conv_depthwise(const ConvPass& p, const float* src, const float* w, int64_t w_row,
                    int64_t w_col, const float* bias, float* dst, float* scratch,
                    const ConvRegion& region) {
  const bool folds = p.group_c > 1;
  const bool after =
      folds || p.activation == ActivationKind::tanh || p.activation == ActivationKind::sigmoid;
  const int64_t channels = p.src_c * p.group_k;
  float* sums = scratch + depthwise_copy_floats(p, p.block_rows);
  const int64_t begin = region.col_begin, end = region.col_end;
  // Columns all of whose taps are inside.
  const int64_t reach = p.src_w - 1 - (p.col_taps - 1) * p.col_tap_step - p.col_first;
  int64_t from = p.col_first < 0 ? (p.col_step - 1 - p.col_first) / p.col_step : 0;
  int64_t to = reach < 0 ? 0 : reach / p.col_step + 1;
  from = p.copy ? begin : smaller(larger(from, begin), end);
  to = p.copy ? end : larger(smaller(to, end), from);
  DepthwiseTile t{};
  t.x_col = p.col_step * channels;
  t.tap_col = p.col_tap_step * channels;
  t.cols = p.col_taps;
  t.w_row = w_row;
  t.w_col = w_col;
  t.y_col = folds ? channels : p.dst_col;
  t.bias = folds ? nullptr : bias;
  t.activation = folds ? ActivationKind::linear : p.activation;
  t.alpha = p.alpha;
  const int64_t row_floats = (p.copy ? p.copy_w : p.src_w) * channels;
  t.tap_row = p.row_tap_step * row_floats;
  for (int64_t row = region.row_begin; row < region.row_end; row += p.block_rows) {
    const int64_t rows = smaller(p.block_rows, region.row_end - row);
    const int64_t first_row = row * p.row_step + p.row_first;
    if (p.copy)
      copy_repeated(src, p.src_h, p.src_w, p.src_c, first_row, p.copy_rows(rows), p.col_first,
                    p.copy_w, p.group_k, scratch);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t top = first_row + r * p.row_step;
      TapRange taps{0, p.row_taps};
      t.x = scratch + r * p.row_step * row_floats;
      if (!p.copy) {
        taps = taps_inside(top, p.row_tap_step, p.row_taps, p.src_h);
        t.x = src + (top * p.src_w + p.col_first) * channels + taps.begin * t.tap_row;
      }
      t.rows = larger(0, taps.end - taps.begin);
      t.w = w + taps.begin * w_row;
      // The next row's last taps: source rows that this row does not read.
      t.fresh = smaller(p.row_step, p.row_taps);
      t.ahead = (p.row_taps - t.fresh - taps.begin) * t.tap_row + p.row_step * row_floats;
      if (r + 1 == rows || top + p.row_step + (p.row_taps - 1) * p.row_tap_step >= p.src_h)
        t.fresh = 0;
      float* y = dst + (row + r) * p.dst_row;
      t.y = folds ? sums - begin * channels : y;
      depthwise_border(p, t, channels, begin, from);
      depthwise_columns(t, channels, from, to);
      depthwise_border(p, t, channels, to, end);
      if (after) depthwise_finish_row(p, sums, channels, y + begin * p.dst_col, end - begin, bias);
    }
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
