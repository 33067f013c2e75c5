// The depthwise kernel's gradient: vectors over channels, up to five taps of a row side by side.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_sum_tile.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// T neighbouring taps of one row of taps, one vector of channels.
template <int T>
void depthwise_sum(const SumTile& t, int64_t tap) {
  vf acc[T];
  CNNFAST_UNROLL
  for (int i = 0; i < T; ++i) acc[i] = vf{};
  for (int64_t image = 0; image < t.images; ++image)
    for (int64_t row = 0; row < t.rows; ++row) {
      const float* x = t.x + image * t.x_image + row * t.x_row;
      const float* dy = t.dy + image * t.dy_image + row * t.dy_row;
      for (int64_t col = t.cols; col > 0; --col, x += t.x_col, dy += t.dy_col) {
        const vf d = load_lanes(dy, t.last);
        CNNFAST_UNROLL
        for (int i = 0; i < T; ++i) acc[i] += d * load_lanes(x + i * tap, t.last);
      }
    }
  CNNFAST_UNROLL
  for (int i = 0; i < T; ++i) {
    const vf before = t.first ? vf{} : load_lanes(t.dw + i * t.dw_row, t.last);
    store_lanes(t.dw + i * t.dw_row, before + acc[i], t.last);
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

void conv_depthwise_backward_kernel(const ConvPass& p, const float* x, const float* dy, float* dw,
                                    float* db, float* scratch, const ConvSumRegion& region,
                                    bool first) {
  const int64_t rows = region.row_end - region.row_begin;
  const int64_t first_row = region.row_begin * p.row_step + p.row_first;
  const int64_t x_image = p.src_h * p.src_w * p.src_c;
  SumTile t{};
  t.images = region.image_end - region.image_begin;
  t.rows = rows;
  t.cols = p.dst_w;
  t.first = first;
  t.dw_row = p.src_c;
  t.x_col = p.col_step * p.src_c;
  t.x_image = x_image;
  const float* source =
      x + region.image_begin * x_image + (first_row * p.src_w + p.col_first) * p.src_c;
  int64_t row_floats = p.src_w * p.src_c;
  if (p.copy) {
    row_floats = p.copy_w * p.src_c;
    t.x_image = p.copy_rows(rows) * row_floats;
    for (int64_t i = 0; i < t.images; ++i)
      copy_padded(x + (region.image_begin + i) * x_image, p.src_h, p.src_w, p.src_c, first_row,
                  p.copy_rows(rows), p.col_first, p.copy_w, scratch + i * t.x_image);
    source = scratch;
  }
  t.x_row = p.row_step * row_floats;
  t.dy_col = p.dst_col;
  t.dy_row = p.dst_row;
  t.dy_image = p.dst_h * p.dst_row;
  const float* gradient = dy + region.image_begin * t.dy_image + region.row_begin * p.dst_row;
  const int64_t tap = p.col_tap_step * p.src_c;
  for (int64_t c = 0; c < p.src_c; c += kLanes) {
    t.last = static_cast<int>(smaller(kLanes, p.src_c - c));
    t.dy = gradient + c;
    for (int64_t r = 0; r < p.row_taps; ++r) {
      t.x = source + r * p.row_tap_step * row_floats + c;
      t.dw = dw + r * p.col_taps * p.src_c + c;
      int64_t s = 0;
      const auto advance = [&](int64_t taps) {
        s += taps;
        t.x += taps * tap;
        t.dw += taps * t.dw_row;
      };
      for (; s + 5 <= p.col_taps; advance(5)) depthwise_sum<5>(t, tap);
      for (; s + 3 <= p.col_taps; advance(3)) depthwise_sum<3>(t, tap);
      for (; s < p.col_taps; advance(1)) depthwise_sum<1>(t, tap);
    }
    if (db) depthwise_sum_bias(t, db + c);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
