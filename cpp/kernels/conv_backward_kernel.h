// The kernel's gradient, directly, for any geometry: how dw falls into tiles and what they read.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_sum_tile.h"
#include "kernels/conv_table.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// How the rows of dw fall into tiles: groups of `bases` taps down, segments of neighbouring
// (kw, c), `pieces` tiles a segment.
struct SumLayout {
  bool merged;  // one segment holds all kw and c: one group, adjoining taps
  int64_t length, segments;
  int64_t bases, base_groups;
  int64_t pieces;
  int64_t tiles() const { return base_groups * segments * pieces; }
};

CNNFAST_INLINE SumLayout sum_layout(const ConvPass& p) {
  SumLayout l;
  l.merged = p.groups == 1 && (p.col_tap_step == 1 || p.col_taps == 1);
  l.length = l.merged ? p.col_taps * p.group_c : p.group_c;
  l.segments = l.merged ? 1 : p.col_taps;
  l.bases = 1;
  const int64_t widest = kRegisters == 32 ? 3 : 2;
  while (l.bases < widest && l.bases < p.row_taps && (l.bases + 1) * l.length <= kTilePixels)
    ++l.bases;
  l.base_groups = (p.row_taps + l.bases - 1) / l.bases;
  l.pieces = (l.length + kTilePixels - 1) / kTilePixels;
  return l;
}

CNNFAST_INLINE int64_t sum_blocks(const ConvPass& p) {
  return ((p.group_k + kLanes - 1) / kLanes + 1) / 2;
}

int64_t conv_backward_kernel_units(const ConvPass& p) {
  return sum_layout(p).tiles() * sum_blocks(p) * p.groups;
}

// dy is copied where its last vector would reach behind the array.
CNNFAST_INLINE bool copies_dy(const ConvPass& p) { return p.group_k % kLanes != 0; }

int64_t conv_backward_kernel_scratch(const ConvPass& p, int64_t images, int64_t rows) {
  int64_t floats = 0;
  if (p.copy) floats += images * p.copy_rows(rows) * p.copy_w * p.src_c + kLanes;
  if (copies_dy(p)) floats += images * rows * p.dst_row + kLanes;
  return floats;
}

// db[k] (+)= sum over the tile's pixels of dy, V vectors of channels; four pixels side by side.
template <int V>
void sum_bias(const SumTile& t, float* db) {
  vf acc[4][V] = {};
  for (int64_t image = 0; image < t.images; ++image)
    for (int64_t row = 0; row < t.rows; ++row) {
      const float* dy = t.dy + image * t.dy_image + row * t.dy_row;
      int64_t col = 0;
      for (; col + 4 <= t.cols; col += 4, dy += 4 * t.dy_col) CNNFAST_UNROLL
      for (int i = 0; i < 4; ++i) CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) acc[i][v] += load(dy + i * t.dy_col + v * kLanes);
      for (; col < t.cols; ++col, dy += t.dy_col)
        for (int v = 0; v < V; ++v) acc[0][v] += load(dy + v * kLanes);
    }
  for (int v = 0; v < V; ++v) {
    const int lanes = v == V - 1 ? t.last : kLanes;
    const vf before = t.first ? vf{} : load_first(db + v * kLanes, lanes);
    store_first(db + v * kLanes, before + ((acc[0][v] + acc[1][v]) + (acc[2][v] + acc[3][v])),
                lanes);
  }
}

void conv_backward_kernel(const ConvPass& p, const float* x, const float* dy, float* dw, float* db,
                          float* scratch, const ConvSumRegion& region, bool first) {
  const int64_t all_k = p.groups * p.group_k;
  const int64_t rows = region.row_end - region.row_begin;
  const int64_t first_row = region.row_begin * p.row_step + p.row_first;
  const int64_t x_image = p.src_h * p.src_w * p.src_c, dy_image = p.dst_h * p.dst_row;
  SumTile t;
  t.images = region.image_end - region.image_begin;
  t.rows = rows;
  t.cols = p.dst_w;
  t.first = first;
  t.dw_row = all_k;
  t.x_col = p.col_step * p.src_c;

  const float* source =
      x + region.image_begin * x_image + (first_row * p.src_w + p.col_first) * p.src_c;
  int64_t row_floats = p.src_w * p.src_c;
  t.x_image = x_image;
  if (p.copy) {
    row_floats = p.copy_w * p.src_c;
    t.x_image = p.copy_rows(rows) * row_floats;
    for (int64_t i = 0; i < t.images; ++i)
      copy_padded(x + (region.image_begin + i) * x_image, p.src_h, p.src_w, p.src_c, first_row,
                  p.copy_rows(rows), p.col_first, p.copy_w, scratch + i * t.x_image);
    source = scratch;
    scratch += t.images * t.x_image + kLanes;
  }
  t.x_row = p.row_step * row_floats;
  t.x_base = p.row_tap_step * row_floats;

  const float* gradient = dy + region.image_begin * dy_image + region.row_begin * p.dst_row;
  t.dy_col = p.dst_col;
  t.dy_row = p.dst_row;
  t.dy_image = dy_image;
  if (copies_dy(p)) {
    t.dy_image = rows * p.dst_row;
    for (int64_t i = 0; i < t.images; ++i)
      copy_floats(scratch + i * t.dy_image, gradient + i * dy_image, t.dy_image);
    zero_floats(scratch + t.images * t.dy_image, kLanes);
    gradient = scratch;
  }

  const SumLayout l = sum_layout(p);
  const int64_t blocks = sum_blocks(p);
  for (int64_t unit = region.unit_begin; unit < region.unit_end; ++unit) {
    const int64_t tile = unit % l.tiles(), block = unit / l.tiles() % blocks,
                  group = unit / l.tiles() / blocks;
    const int64_t piece = tile % l.pieces, segment = tile / l.pieces % l.segments,
                  tap_row = tile / l.pieces / l.segments * l.bases;
    const int64_t each = l.length / l.pieces, more = l.length % l.pieces;
    const int64_t begin = piece * each + smaller(piece, more);
    const int count = static_cast<int>(each + (piece < more));
    const int bases = static_cast<int>(smaller(l.bases, p.row_taps - tap_row));
    const int64_t k = block * kBlock, left = p.group_k - k;
    const int vectors = left > kLanes ? 2 : 1;
    t.last = static_cast<int>(smaller(kLanes, left - (vectors - 1) * kLanes));
    t.x = source + tap_row * t.x_base + segment * p.col_tap_step * p.src_c + group * p.group_c +
          begin;
    t.dy = gradient + group * p.group_k + k;
    t.dw_base = p.col_taps * p.group_c * all_k;
    t.dw = dw + (tap_row * p.col_taps + segment) * p.group_c * all_k + begin * all_k +
           group * p.group_k + k;
    (vectors == 1 ? sum_function<1>(bases, count) : sum_function<2>(bases, count))(t);
    if (db && tile == 0) (vectors == 1 ? sum_bias<1> : sum_bias<2>)(t, db + group * p.group_k + k);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
