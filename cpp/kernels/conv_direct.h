// Direct convolution of a region of one image: copy padded source rows where a tap leaves the
// source, then walk the channel blocks over register tiles of pixels.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_pitch.h"
#include "kernels/conv_table.h"
#include "kernels/conv_tile.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

void activate(float* y, int64_t count, ActivationKind kind) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const int n = static_cast<int>(smaller(kLanes, count - i));
    if (n == kLanes) {
      const vf x = load(y + i);
      store(y + i, kind == ActivationKind::tanh ? tanh(x) : sigmoid(x));
    } else {
      const vf x = load_first(y + i, n);
      store_first(y + i, kind == ActivationKind::tanh ? tanh(x) : sigmoid(x), n);
    }
  }
}

// All tiles of one channel block over `rows` x [col_begin, col_end). t.x and t.y stand at row 0,
// column 0 of the destination rows.
void conv_block(const ConvPass& p, Tile t, int vectors, int64_t pixel_floats, int64_t row_floats,
                int64_t rows, int64_t col_begin, int64_t col_end) {
  const int64_t x_col = p.col_step * pixel_floats, x_row = p.row_step * row_floats;
  const int64_t cols = col_end - col_begin;
  const float* x = t.x + col_begin * x_col;
  float* y = t.y + col_begin * p.dst_col;

  const NarrowTile narrow = narrow_tile(cols);
  int64_t row = 0;
  if (narrow.rows > 1 && rows >= narrow.rows) {
    Tile n = t;
    n.pixel = narrow.across ? x_row : x_col;
    n.base = narrow.across ? x_col : x_row;
    n.y_pixel = narrow.across ? p.dst_row : p.dst_col;
    n.y_base = narrow.across ? p.dst_col : p.dst_row;
    // The last tile steps back over rows that are already made rather than run half empty.
    for (; row < rows; row += narrow.rows) {
      const int64_t first = smaller(row, rows - narrow.rows);
      n.x = x + first * x_row;
      n.y = y + first * p.dst_row;
      narrow.run[vectors - 1](n);
    }
    return;
  }
  const int64_t widest = tile_pixels(vectors);
  const int64_t tiles = (cols + widest - 1) / widest;
  const int64_t each = cols / tiles, more = cols % tiles;
  const TileFunction wide = row_tile(static_cast<int>(each + 1), vectors);
  const TileFunction slim = row_tile(static_cast<int>(each), vectors);
  t.pixel = x_col;
  t.y_pixel = p.dst_col;
  for (; row < rows; ++row) {
    t.x = x + row * x_row;
    t.y = y + row * p.dst_row;
    for (int64_t i = 0; i < tiles; ++i) {
      (i < more ? wide : slim)(t);
      const int64_t made = each + (i < more);
      t.x += made * x_col;
      t.y += made * p.dst_col;
    }
  }
}

void conv_direct(const ConvPass& p, const float* src, const float* weights, const float* bias,
                 float* dst, float* scratch, const ConvRegion& region) {
  if (region.col_end <= region.col_begin) return;
  const int64_t group_vectors = (p.group_k + kLanes - 1) / kLanes;
  const int64_t group_blocks = (group_vectors + 1) / 2;
  const int64_t all_blocks = group_blocks * p.groups;
  const bool whole = region.block_begin == 0 && region.block_end == all_blocks;
  const bool after =
      p.activation == ActivationKind::tanh || p.activation == ActivationKind::sigmoid;
  // With one group and adjoining taps a row of taps is one run of floats.
  const int64_t pixel = p.copy ? conv_pitch(p.src_c) : p.src_c;
  const bool merged =
      p.groups == 1 && (p.col_taps == 1 || (p.col_tap_step == 1 && pixel == p.src_c));
  // Source columns this region touches.
  const int64_t copy_w =
      (region.col_end - region.col_begin - 1) * p.col_step + (p.col_taps - 1) * p.col_tap_step + 1;

  Tile t;
  t.rows = p.row_taps;
  t.cols = merged ? 1 : p.col_taps;
  t.col_step = p.col_tap_step * pixel;
  t.length = merged ? p.col_taps * p.group_c : p.group_c;
  t.activation = p.activation;
  t.alpha = p.alpha;
  t.pixel = t.base = t.y_pixel = t.y_base = 0;

  for (int64_t row = region.row_begin; row < region.row_end; row += p.block_rows) {
    const int64_t rows = smaller(p.block_rows, region.row_end - row);
    const int64_t first_row = row * p.row_step + p.row_first;
    int64_t row_floats = p.src_w * p.src_c;
    const float* x = src + (first_row * p.src_w + p.col_first) * p.src_c;
    if (p.copy) {
      row_floats = copy_w * pixel;
      copy_pitched(src, p.src_h, p.src_w, p.src_c, first_row, p.copy_rows(rows),
                   p.col_first + region.col_begin * p.col_step, copy_w, pixel, scratch);
      x = scratch - region.col_begin * p.col_step * pixel;  // where column 0 would stand
    }
    t.row_step = p.row_tap_step * row_floats;
    float* y = dst + row * p.dst_row;
    for (int64_t block = region.block_begin; block < region.block_end; ++block) {
      const int64_t group = block / group_blocks, k = (block % group_blocks) * kBlock;
      const int64_t left = p.group_k - k;
      const int vectors = left > kLanes ? 2 : 1;
      t.last = static_cast<int>(smaller(kLanes, left - (vectors - 1) * kLanes));
      t.x = x + group * p.group_c;
      t.y = y + group * p.group_k + k;
      t.bias = bias ? bias + group * p.group_k + k : nullptr;
      if (p.packed) {
        t.w = weights + (group * group_vectors * kLanes + k) * p.reduction();
        t.w_step = vectors * kLanes;
      } else {
        t.w = weights + k;
        t.w_step = p.weight_step;
      }
      conv_block(p, t, vectors, pixel, row_floats, rows, region.col_begin, region.col_end);
    }
    if (!after) continue;
    const int64_t channels = p.groups * p.group_k;
    for (int64_t r = 0; r < rows; ++r) {
      float* row_y = y + r * p.dst_row;
      if (whole && p.dst_col == channels) {
        activate(row_y + region.col_begin * channels,
                 (region.col_end - region.col_begin) * channels, p.activation);
        continue;
      }
      for (int64_t block = region.block_begin; block < region.block_end; ++block) {
        const int64_t k = (block % group_blocks) * kBlock;
        float* block_y = row_y + block / group_blocks * p.group_k + k;
        for (int64_t col = region.col_begin; col < region.col_end; ++col)
          activate(block_y + col * p.dst_col, smaller(kBlock, p.group_k - k), p.activation);
      }
    }
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
