// Depthwise convolution: through padded panels, or where the source lies.
#pragma once

#include "kernels/conv_depthwise_in_place.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Through padded panels, for all columns.
void depthwise_copied(const ConvPass& p, const float* src, const float* w, int64_t w_row,
                      int64_t w_col, const float* bias, float* dst, float* scratch,
                      const ConvRegion& region) {
  const DepthwiseScratch room(p);
  float *copy = scratch + room.weights, *repeated = copy + room.copy;
  float* sums = repeated + room.repeated;
  const int64_t channels = p.src_c * p.group_k;
  DepthwiseTile t = depthwise_start(p, kPanel, p.copy_w * kPanel);
  t.w = scratch + kPanel;
  t.bias = scratch;
  PanelSource from{src, p.src_h,     p.src_w,  p.src_c, p.group_k, 0,
                   0,   p.col_first, p.copy_w, 0,       channels};
  pack_depthwise_weights(p, w, w_row, w_col, depthwise_folds(p) ? nullptr : bias, 0, channels,
                         scratch);
  for (int64_t row = region.row_begin; row < region.row_end; row += p.block_rows) {
    const int64_t rows = smaller(p.block_rows, region.row_end - row);
    from.first_row = row * p.row_step + p.row_first;
    from.rows = p.copy_rows(rows);
    pack_pixels(from, room.panel, copy, repeated);
    for (int64_t r = 0; r < rows; ++r) {
      float* y = dst + (row + r) * p.dst_row;
      t.x = copy + r * p.row_step * p.copy_w * kPanel;
      t.y = depthwise_folds(p) ? sums : y;
      depthwise_columns(t, p.dst_w, channels, room.panel, false);
      if (depthwise_finishes(p)) depthwise_finish_row(p, sums, channels, y, p.dst_w, bias);
    }
  }
}

void conv_depthwise(const ConvPass& p, const float* src, const float* w, int64_t w_row,
                    int64_t w_col, const float* bias, float* dst, float* scratch,
                    const ConvRegion& region) {
  (p.copy ? depthwise_copied : depthwise_in_place)(p, src, w, w_row, w_col, bias, dst, scratch,
                                                   region);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
