// Depthwise convolution: rows of tiles, what they need, and what is done to them afterwards.
#pragma once

#include "kernels/conv_depthwise_tile.h"
#include "kernels/conv_direct.h"
#include "kernels/conv_taps.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE bool depthwise_folds(const ConvPass& p) { return p.group_c > 1; }

// Weights, then the copy with a row of repeated channels, then a row before it is folded.
struct DepthwiseScratch {
  int64_t weights, panel, copy, repeated, sums;
  explicit DepthwiseScratch(const ConvPass& p) {
    // In place one more: channels before a boundary of vectors in memory.
    const int64_t channels = p.src_c * p.group_k;
    const int64_t panels = panels_of(channels) + (p.copy ? 0 : 1);
    weights = panels * (1 + p.row_taps * p.col_taps) * kPanel;
    panel = p.copy ? panel_floats(p.copy_rows(p.block_rows) * p.copy_w) : 0;
    copy = panels * panel;
    repeated = p.copy && p.group_k > 1 ? p.copy_w * channels : 0;
    sums = depthwise_folds(p) ? p.dst_w * channels : 0;
  }
};

int64_t conv_depthwise_scratch(const ConvPass& p) {
  const DepthwiseScratch s(p);
  return s.weights + s.copy + s.repeated + s.sums;
}

// Bias (null: zeros) and taps of channels [begin, end): (1 + taps) * kPanel floats a panel.
void pack_depthwise_weights(const ConvPass& p, const float* w, int64_t w_row, int64_t w_col,
                            const float* bias, int64_t begin, int64_t end, float* to) {
  for (int64_t c = begin; c < end; c += kPanel) {
    const int64_t count = smaller(kPanel, end - c);
    if (bias) {
      split_pixels(bias + c, 0, count, 1, 0, to);
    } else {
      zero_floats(to, kPanel);
    }
    to += kPanel;
    for (int64_t r = 0; r < p.row_taps; ++r, to += p.col_taps * kPanel)
      split_pixels(w + r * w_row + c, w_col, count, p.col_taps, 0, to);
  }
}

// `columns` pixels of one row for channels [0, channels), from t.x, t.y, t.w and t.bias on; `panel`
// floats between x's panels, 0 where x is pixels.
void depthwise_columns(const DepthwiseTile& row, int64_t columns, int64_t channels, int64_t panel,
                       bool streams) {
  if (columns <= 0) return;
  const DepthwiseWalks walks = depthwise_walks(row, columns);
  const int64_t step = walks.vectors * kLanes, whole = channels / step * step;
  DepthwiseTile t = row;
  const auto move = [&](int64_t c) {
    const int64_t weights = c / kPanel * row.w_panel + c % kPanel;
    t.x = row.x + (panel ? c / kPanel * panel + c % kPanel : c);
    t.w = row.w + weights;
    t.bias = row.bias + weights;
    t.y = row.y + c;
  };
  t.last = kLanes;
  const int kind = static_cast<int>(streams ? Lanes::streamed : Lanes::whole);
  for (int64_t c = 0; c < whole; c += panel ? step : whole) {
    move(c);
    walks.walk[kind](t, columns, panel ? step : whole);
  }
  if (whole == channels) return;
  move(whole);
  const int64_t left = channels - whole;
  const bool one = left <= kLanes;
  t.last = static_cast<int>(one ? left : left - kLanes);
  const Lanes last = t.last == kLanes ? Lanes::whole : panel ? Lanes::panels : Lanes::ragged;
  (one ? walks.one : walks.walk)[static_cast<int>(last)](t, columns, one ? kLanes : step);
}

// Bias and activation are applied where the tile cannot: activations that take long, and sums over
// neighbouring channels.
void depthwise_finish_row(const ConvPass& p, const float* sums, int64_t channels, float* y,
                          int64_t columns, const float* bias) {
  for (int64_t col = 0; col < columns; ++col) {
    float* pixel = y + col * p.dst_col;
    if (!depthwise_folds(p)) {
      activate(pixel, channels, p.activation);
      continue;
    }
    fold_floats(pixel, sums + col * channels, p.groups, p.group_c);
    if (!bias && p.activation == ActivationKind::linear) continue;
    for (int64_t c = 0; c < p.groups; c += kLanes) {
      const int lanes = static_cast<int>(smaller(kLanes, p.groups - c));
      vf value = load_lanes(pixel + c, lanes);
      if (bias) value += load_lanes(bias + c, lanes);
      store_lanes(pixel + c, activated(value, p.activation, p.alpha), lanes);
    }
  }
}

CNNFAST_INLINE bool depthwise_finishes(const ConvPass& p) {
  return depthwise_folds(p) || p.activation == ActivationKind::tanh ||
         p.activation == ActivationKind::sigmoid;
}

DepthwiseTile depthwise_start(const ConvPass& p, int64_t pixel, int64_t row_floats) {
  DepthwiseTile t{};
  t.x_col = p.col_step * pixel;
  t.tap_col = p.col_taps == 1 ? t.x_col : p.col_tap_step * pixel;
  t.tap_row = p.row_tap_step * row_floats;
  t.rows = p.row_taps;
  t.cols = p.col_taps;
  t.w_row = p.col_taps * kPanel;
  t.w_panel = (1 + p.row_taps * p.col_taps) * kPanel;
  t.y_col = depthwise_folds(p) ? p.src_c * p.group_k : p.dst_col;
  t.activation = depthwise_folds(p) ? ActivationKind::linear : p.activation;
  t.alpha = p.alpha;
  return t;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
