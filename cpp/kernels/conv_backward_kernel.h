// The kernel's gradient, directly, for any geometry: how dw falls into tiles and what they read.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_next_walk.h"
#include "kernels/conv_sum_panels.h"
#include "kernels/conv_sum_tile.h"
#include "kernels/conv_table.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// How the rows of dw fall into tiles. Few channels: groups of `bases` taps down, segments of
// neighbouring (kw, c), pieces of them, read where x lies or from a padded copy. Else pieces of the
// channels, which all taps read from one panel.
struct SumLayout {
  bool once;  // both operands are read where they lie
  bool panels;
  bool by_pieces;  // units are counted piece by piece, not block by block
  bool merged;     // one segment holds all kw and c: one group, adjoining taps
  int64_t segments;
  int64_t bases, base_groups;
  Pieces pieces;
  int64_t tiles() const { return base_groups * segments * pieces.count; }
};

CNNFAST_INLINE SumLayout sum_layout(const ConvPass& p) {
  constexpr int64_t kMostFloats = 16 << 20;  // of one row's panels: a window of thousands has more
  // A single tap reads every pixel once a block of dy: few blocks do not pay for a packed copy,
  // unless pixels so far apart share sets of L1 (256 to 64, 56x56: 256 to 312 GFLOP/s; 1024 to 256,
  // 14x14: 300 to 175).
  const bool once = kRegisters == 32 && p.row_taps == 1 && p.col_taps == 1 && !p.copy &&
                    p.col_step == 1 && p.src_c <= 256 && p.group_k <= 256;
  const bool panels = !once && p.group_c >= kTilePixels + kTilePixels / 3 &&
                      p.copy_rows(1) * p.copy_w * p.src_c <= kMostFloats;
  const bool merged = !panels && p.groups == 1 && (p.col_tap_step == 1 || p.col_taps == 1);
  const Pieces pieces(merged ? p.col_taps * p.group_c : p.group_c);
  int64_t bases = 1;
  const int64_t widest = kRegisters == 32 ? 3 : 2;
  while (bases < widest && bases < p.row_taps && (bases + 1) * pieces.length <= kTilePixels)
    ++bases;
  // Whoever makes a range of units packs what it reads: less if the larger operand is cut.
  const bool by_pieces =
      panels && SourcePanels(p, 1, p.dst_h).size() > p.dst_h * p.dst_w * p.group_k;
  return {once,
          panels,
          by_pieces,
          merged,
          merged ? 1 : p.col_taps,
          bases,
          (p.row_taps + bases - 1) / bases,
          pieces};
}

CNNFAST_INLINE int64_t sum_blocks(const ConvPass& p) {
  return ((p.group_k + kLanes - 1) / kLanes + 1) / 2;
}

int64_t conv_backward_kernel_units(const ConvPass& p) {
  return sum_layout(p).tiles() * sum_blocks(p) * p.groups;
}

// dy goes into panels where enough tiles read them, and where its last vector would reach behind
// the array. A pixel of two blocks of AVX-512 is four lines, which are read as well where they lie.
CNNFAST_INLINE bool packs_dy(const ConvPass& p) {
  if (p.group_k % kLanes != 0) return true;
  const SumLayout l = sum_layout(p);
  return !l.once && p.group_k > (kRegisters == 32 ? 2 : 1) * kBlock && l.tiles() >= 4;
}
CNNFAST_INLINE int64_t dy_panel(const ConvPass& p, int64_t block) {  // floats of a pixel
  return p.group_k - block * kBlock > kLanes ? kBlock : kLanes;
}
// Floats of all blocks of a group, of a pixel.
CNNFAST_INLINE int64_t dy_panels(const ConvPass& p) {
  return (p.group_k + kLanes - 1) / kLanes * kLanes;
}

int64_t conv_backward_kernel_scratch(const ConvPass& p, int64_t images, int64_t rows) {
  int64_t floats = 0;
  if (sum_layout(p).panels)
    floats += p.groups * SourcePanels(p, images, rows).size();
  else if (p.copy)
    floats += images * p.copy_rows(rows) * p.copy_w * p.src_c + kLanes;
  if (packs_dy(p)) floats += images * rows * p.dst_w * dy_panels(p) * p.groups;
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

// Which units of dw a call makes, in the order in which they are counted: of each group blocks of
// dy's channels and pieces of x's, or the other way round; in each the taps, so that a panel's
// piece stays in L1 for them.
struct SumUnit {
  int64_t group, block, piece, tap_row, segment;
};
CNNFAST_INLINE SumUnit sum_unit(const SumLayout& l, int64_t blocks, int64_t unit) {
  const int64_t taps = l.base_groups * l.segments, tap = unit % taps, pieces = l.pieces.count;
  unit /= taps;
  const int64_t inner = l.by_pieces ? blocks : pieces, outer = l.by_pieces ? pieces : blocks;
  const int64_t i = unit % inner, o = unit / inner % outer;
  return {unit / inner / outer, l.by_pieces ? i : o, l.by_pieces ? o : i,
          tap / l.segments * l.bases, tap % l.segments};
}

// Blocks or pieces that a range of units needs.
struct SumRange {
  int64_t begin, end;
};

void conv_backward_kernel(const ConvPass& p, const float* x, const float* dy, float* dw, float* db,
                          float* scratch, const ConvSumRegion& region, bool first) {
  if (region.unit_end <= region.unit_begin) return;
  const SumLayout l = sum_layout(p);
  const int64_t blocks = sum_blocks(p), all_k = p.groups * p.group_k;
  const int64_t images = region.image_end - region.image_begin;
  const int64_t rows = region.row_end - region.row_begin;
  const int64_t first_row = region.row_begin * p.row_step + p.row_first;
  const int64_t x_image = p.src_h * p.src_w * p.src_c, dy_image = p.dst_h * p.dst_row;
  const SumUnit from = sum_unit(l, blocks, region.unit_begin);
  const SumUnit to = sum_unit(l, blocks, region.unit_end - 1);
  const bool one_group = from.group == to.group;
  const bool one_block = one_group && from.block == to.block;
  const bool one_piece = one_group && from.piece == to.piece;
  const bool cut_pieces = l.by_pieces ? one_group : one_block;
  const bool cut_blocks = l.by_pieces ? one_piece : one_group;
  const SumRange my_pieces = {cut_pieces ? from.piece : 0,
                              cut_pieces ? to.piece + 1 : l.pieces.count};
  const SumRange my_blocks = {cut_blocks ? from.block : 0, cut_blocks ? to.block + 1 : blocks};
  SumTile t;
  t.images = images;
  t.rows = rows;
  t.cols = p.dst_w;
  t.first = first;
  t.dw_row = all_k;
  t.dw_base = p.col_taps * p.group_c * all_k;

  const SourcePanels panels(p, images, rows);
  const float* source = x + region.image_begin * x_image;
  int64_t row_floats = p.src_w * p.src_c, col_floats = p.src_c;
  t.x_image = x_image;
  if (l.panels) {
    for (int64_t group = from.group; group <= to.group; ++group)
      pack_source_panels(p, source + group * p.group_c, images, first_row, panels, my_pieces.begin,
                         my_pieces.end, scratch + group * panels.size());
    source = scratch;
    scratch += p.groups * panels.size();
  } else if (p.copy) {
    row_floats = p.copy_w * p.src_c;
    t.x_image = p.copy_rows(rows) * row_floats;
    for (int64_t i = 0; i < images; ++i)
      copy_padded(source + i * x_image, p.src_h, p.src_w, p.src_c, first_row, p.copy_rows(rows),
                  p.col_first, p.copy_w, scratch + i * t.x_image);
    source = scratch;
    scratch += images * t.x_image + kLanes;
  } else {
    source += (first_row * p.src_w + p.col_first) * p.src_c;
  }

  const float* gradient = dy + region.image_begin * dy_image + region.row_begin * p.dst_row;
  t.dy_col = p.dst_col;
  t.dy_row = p.dst_row;
  t.dy_image = dy_image;
  const bool packs = packs_dy(p);
  const int64_t pixels = images * rows * p.dst_w;
  if (packs) {
    // Several images come with all their rows: their pixels follow each other.
    for (int64_t group = from.group; group <= to.group; ++group)
      pack_gradient_panels(gradient + group * p.group_k, p.dst_col, pixels, p.group_k,
                           my_blocks.begin, my_blocks.end, scratch + pixels * group * dy_panels(p));
    gradient = scratch;
  }
  // A single tap reads as many pixels as dy has, in the same order.
  const bool flat = l.panels && packs && p.row_taps == 1 && p.col_taps == 1;
  if (flat) {
    t.cols = pixels;
    t.rows = t.images = pixels > 0 ? 1 : 0;
  }

  const NextWalk next(p, x, dy, region);
  const int64_t units = region.unit_end - region.unit_begin;
  for (int64_t unit = region.unit_begin; unit < region.unit_end; ++unit) {
    const SumUnit u = sum_unit(l, blocks, unit);
    const int64_t begin = l.pieces.begin(u.piece);
    const int count = static_cast<int>(l.pieces.width(u.piece));
    const int bases = static_cast<int>(smaller(l.bases, p.row_taps - u.tap_row));
    const int64_t k = u.block * kBlock, left = p.group_k - k;
    const int vectors = left > kLanes ? 2 : 1;
    t.last = static_cast<int>(smaller(kLanes, left - (vectors - 1) * kLanes));
    if (l.panels) {
      col_floats = count;
      row_floats = panels.across.places * count;
      t.x_image = panels.down.places * row_floats;
      t.x = source + panels.begin(u.group, u.piece);
      t.x_col = panels.across.stride(p.col_step) * col_floats;
      t.x_row = panels.down.stride(p.row_step) * row_floats;
    } else {
      t.x = source + u.group * p.group_c + begin;
      t.x_col = p.col_step * col_floats;
      t.x_row = p.row_step * row_floats;
    }
    t.x_base = p.row_tap_step * row_floats;
    t.x += u.tap_row * t.x_base + u.segment * p.col_tap_step * col_floats;
    if (packs) {
      t.dy = gradient + pixels * (u.group * dy_panels(p) + k);
      t.dy_col = dy_panel(p, u.block);
      t.dy_row = p.dst_w * t.dy_col;
      t.dy_image = rows * t.dy_row;
    } else {
      t.dy = gradient + u.group * p.group_k + k;
    }
    t.dw = dw + ((u.tap_row * p.col_taps + u.segment) * p.group_c + begin) * all_k +
           u.group * p.group_k + k;
    next.prefetch(unit - region.unit_begin, units, t);
    (vectors == 1 ? sum_function<1>(bases, count) : sum_function<2>(bases, count))(t);
    if (db && u.piece == 0 && u.tap_row == 0 && u.segment == 0)
      (vectors == 1 ? sum_bias<1> : sum_bias<2>)(t, db + u.group * p.group_k + k);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
