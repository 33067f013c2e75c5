// Depthwise convolution: every channel has a window of its own, so vectors run over channels and
// nothing is broadcast. Six pixels times two vectors of channels share the two weights of a tap:
// 12 accumulators + 2 weights of 16 registers.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_direct.h"
#include "kernels/conv_table.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct DepthwiseTile {
  const float* x;
  int64_t x_col, tap_row, tap_col;  // floats between pixels, taps down, taps across
  int64_t rows, cols;               // taps
  const float* w;
  int64_t w_row, w_col;
  float* y;
  int64_t y_col;
  const float* bias;
  int last;  // lanes of the last vector
  ActivationKind activation;
  float alpha;
};

template <int Q, int V>
void depthwise_tile(const DepthwiseTile& t) {
  vf acc[Q][V];
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) {
    const vf bias = t.bias ? load_lanes(t.bias + v * kLanes, v == V - 1 ? t.last : kLanes) : vf{};
    CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) acc[q][v] = bias;
  }
  for (int64_t r = 0; r < t.rows; ++r)
    for (int64_t s = 0; s < t.cols; ++s) {
      const float* x = t.x + r * t.tap_row + s * t.tap_col;
      const float* w = t.w + r * t.w_row + s * t.w_col;
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) {
        const int lanes = v == V - 1 ? t.last : kLanes;
        const vf weight = load_lanes(w + v * kLanes, lanes);
        CNNFAST_UNROLL
        for (int q = 0; q < Q; ++q)
          acc[q][v] += weight * load_lanes(x + q * t.x_col + v * kLanes, lanes);
      }
    }
  CNNFAST_UNROLL
  for (int q = 0; q < Q; ++q) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) {
    vf value = acc[q][v];
    if (t.activation == ActivationKind::relu) {
      value = max(vf{}, value);
    } else if (t.activation == ActivationKind::leaky_relu) {
      value = select(value < vf{}, value * broadcast(t.alpha), value);
    }
    store_lanes(t.y + q * t.y_col + v * kLanes, value, v == V - 1 ? t.last : kLanes);
  }
}

void conv_depthwise(const ConvPass& p, const float* src, const float* w, int64_t w_row,
                    int64_t w_col, const float* bias, float* dst, float* scratch,
                    const ConvRegion& region) {
  const bool after =
      p.activation == ActivationKind::tanh || p.activation == ActivationKind::sigmoid;
  DepthwiseTile t{};
  t.x_col = p.col_step * p.src_c;
  t.tap_col = p.col_tap_step * p.src_c;
  t.rows = p.row_taps;
  t.cols = p.col_taps;
  t.w_row = w_row;
  t.w_col = w_col;
  t.y_col = p.dst_col;
  t.activation = p.activation;
  t.alpha = p.alpha;
  for (int64_t row = region.row_begin; row < region.row_end; row += p.block_rows) {
    const int64_t rows = smaller(p.block_rows, region.row_end - row);
    const int64_t first_row = row * p.row_step + p.row_first;
    const float* x = src + (first_row * p.src_w + p.col_first) * p.src_c;
    int64_t row_floats = p.src_w * p.src_c;
    if (p.copy) {
      row_floats = p.copy_w * p.src_c;
      copy_padded(src, p.src_h, p.src_w, p.src_c, first_row, p.copy_rows(rows), p.col_first,
                  p.copy_w, scratch);
      x = scratch;
    }
    t.tap_row = p.row_tap_step * row_floats;
    for (int64_t r = 0; r < rows; ++r) {
      float* y = dst + (row + r) * p.dst_row;
      for (int64_t c = 0; c < p.src_c; c += kBlock) {
        const int64_t left = p.src_c - c;
        const bool two = left > kLanes;
        t.last = static_cast<int>(smaller(kLanes, left - (two ? kLanes : 0)));
        t.w = w + c;
        t.bias = bias ? bias + c : nullptr;
        t.x = x + r * p.row_step * row_floats + region.col_begin * t.x_col + c;
        t.y = y + region.col_begin * p.dst_col + c;
        int64_t col = region.col_begin;
        for (; col + 6 <= region.col_end; col += 6, t.x += 6 * t.x_col, t.y += 6 * t.y_col)
          (two ? depthwise_tile<6, 2> : depthwise_tile<6, 1>)(t);
        for (; col < region.col_end; ++col, t.x += t.x_col, t.y += t.y_col)
          (two ? depthwise_tile<1, 2> : depthwise_tile<1, 1>)(t);
      }
      if (!after) continue;
      for (int64_t col = region.col_begin; col < region.col_end; ++col)
        activate(y + col * p.dst_col, p.src_c, p.activation);
    }
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
