// Direct convolution of a region of one image: copy padded source rows where a tap leaves the
// source, then walk the channel blocks over register tiles of pixels.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_pitch.h"
#include "kernels/conv_table.h"
#include "kernels/conv_tile.h"
#include "kernels/prefetch.h"
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

// What one block of destination channels adds to a tile.
struct ChannelBlock {
  int64_t x, y;  // floats from the first channel of source and destination
  const float* w;
  const float* bias;
};

// Blocks of equal width that are made together: a tile's source stays in L1 while their weights
// come from L2, as in a product whose columns are the channels.
constexpr int kMostBlocks = 32;
constexpr int64_t kTogetherBytes = kLanes == 16 ? 512 << 10 : 192 << 10;
struct ChannelBlocks {
  ChannelBlock at[kMostBlocks];
  int count = 0;
  int vectors = 0;
};

// Pixels that the next tile will read, asked for ahead: a share of their floats with each block.
struct Ahead {
  const float* x = nullptr;  // null: nothing
  int64_t pixels = 0, pixel = 0;
};

void run_blocks(TileFunction tile, Tile& t, const ChannelBlocks& blocks, const float* x, float* y,
                const Ahead& ahead) {
  for (int i = 0; i < blocks.count; ++i) {
    const ChannelBlock& b = blocks.at[i];
    if (t.next_step > 0) {
      t.next = ahead.x + i * t.next_step * t.length;
    } else if (ahead.x) {
      prefetch_rows(ahead.x, ahead.pixel, ahead.pixels, t.length, i, blocks.count);
    }
    t.x = x + b.x;
    t.y = y + b.y;
    t.w = b.w;
    t.bias = b.bias;
    tile(t);
  }
}

// All tiles of some channel blocks over `rows` x [col_begin, col_end). x and y stand at row 0,
// column 0 of the destination rows.
void conv_blocks(const ConvPass& p, Tile t, const ChannelBlocks& blocks, const float* x, float* y,
                 int64_t pixel_floats, int64_t row_floats, int64_t rows, int64_t col_begin,
                 int64_t col_end) {
  const int64_t x_col = p.col_step * pixel_floats, x_row = p.row_step * row_floats;
  const int64_t cols = col_end - col_begin;
  const int vectors = blocks.vectors;
  x += col_begin * x_col;
  y += col_begin * p.dst_col;

  const NarrowTile narrow = narrow_tile(cols);
  int64_t row = 0;
  if (narrow.rows > 1 && rows >= narrow.rows) {
    t.pixel = narrow.across ? x_row : x_col;
    t.base = narrow.across ? x_col : x_row;
    t.y_pixel = narrow.across ? p.dst_row : p.dst_col;
    t.y_base = narrow.across ? p.dst_col : p.dst_row;
    // The last tile steps back over rows that are already made rather than run half empty, unless
    // one row is left that fills half of it.
    const bool alone = rows % narrow.rows == 1 && narrow.rows == 2;
    for (; row + alone < rows; row += narrow.rows) {
      const int64_t first = smaller(row, rows - narrow.rows);
      run_blocks(narrow.run[vectors - 1], t, blocks, x + first * x_row, y + first * p.dst_row, {});
    }
    if (alone)
      run_blocks(row_tile(static_cast<int>(cols), vectors), t, blocks, x + row * x_row,
                 y + row * p.dst_row, {});
    return;
  }
  const int64_t widest = tile_pixels(vectors);
  const int64_t tiles = (cols + widest - 1) / widest;
  const int64_t each = cols / tiles, more = cols % tiles;
  // A single tap reads every pixel once: the next tile's are asked for ahead.
  const bool once = p.row_taps == 1 && p.col_taps == 1 && p.groups == 1;
  const bool asks = kAsksBitByBit && once && x_col == t.length;  // they are one run of floats
  const TileFunction wide = row_tile(static_cast<int>(each + 1), vectors, asks);
  const TileFunction slim = row_tile(static_cast<int>(each), vectors, asks);
  t.next_step = asks ? (each + blocks.count - 1) / blocks.count : 0;
  t.pixel = x_col;
  t.y_pixel = p.dst_col;
  for (; row < rows; ++row) {
    const float* tile_x = x + row * x_row;
    float* tile_y = y + row * p.dst_row;
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t made = each + (i < more);
      const float* next = tile_x + made * x_col;
      run_blocks(i < more ? wide : slim, t, blocks, tile_x, tile_y,
                 {once && (asks || i + 1 < tiles) ? next : nullptr, each, x_col});
      tile_x = next;
      tile_y += made * p.dst_col;
    }
  }
}

// A channel block by its number, which counts joint passes, groups and the blocks of a group.
struct BlockPlace {
  int64_t joint, group, k;
  BlockPlace(const ConvPass& p, int64_t group_blocks, int64_t block)
      : joint(block / group_blocks / p.groups),
        group(block / group_blocks % p.groups),
        k(block % group_blocks * kBlock) {}
  int64_t destination(const ConvPass& p) const {
    return joint / p.joint_cols * p.joint_row + joint % p.joint_cols * p.joint_col +
           group * p.group_k + k;
  }
};

// Are all vectors of the destination whole and aligned?
CNNFAST_INLINE bool streams_to(const ConvPass& p, const float* dst) {
  return (p.group_k | p.dst_col | p.dst_row | p.joint_row | p.joint_col) % kLanes == 0 &&
         reinterpret_cast<uintptr_t>(dst) % sizeof(vf) == 0;
}

void conv_direct(const ConvPass& p, const float* src, const float* weights, const float* bias,
                 float* dst, float* scratch, const ConvRegion& region) {
  if (region.col_end <= region.col_begin) return;
  const int64_t group_vectors = (p.group_k + kLanes - 1) / kLanes;
  const int64_t group_blocks = (group_vectors + 1) / 2;
  const bool whole =
      p.joint() == 1 && region.block_begin == 0 && region.block_end == group_blocks * p.groups;
  const bool after =
      p.activation == ActivationKind::tanh || p.activation == ActivationKind::sigmoid;
  // With one group and adjoining taps a row of taps is one run of floats.
  const int64_t pixel = p.copy ? conv_pitch(p.src_c, kTilePixels) : p.src_c;
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
  t.streams = region.uncached && !after && streams_to(p, dst);
  const int64_t block_bytes = p.reduction() * kBlock * static_cast<int64_t>(sizeof(float));
  const int64_t together = larger(1, smaller(kMostBlocks, kTogetherBytes / larger(1, block_bytes)));

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
    ChannelBlocks blocks;
    for (int64_t block = region.block_begin; block < region.block_end; ++block) {
      const BlockPlace place(p, group_blocks, block);
      const int64_t left = p.group_k - place.k;
      blocks.vectors = left > kLanes ? 2 : 1;
      t.last = static_cast<int>(smaller(kLanes, left - (blocks.vectors - 1) * kLanes));
      ChannelBlock& b = blocks.at[blocks.count++];
      b.x = place.group * p.group_c;
      b.y = place.destination(p);
      b.bias = bias ? bias + place.group * p.group_k + place.k : nullptr;
      if (p.packed) {
        const int64_t vectors = (place.joint * p.groups + place.group) * group_vectors;
        b.w = weights + (vectors * kLanes + place.k) * p.reduction();
        t.w_step = blocks.vectors * kLanes;
      } else {
        b.w = weights + place.k;
        t.w_step = p.weight_step;
      }
      const bool next_is_whole =
          block + 1 < region.block_end && (block + 1) % group_blocks * kBlock + kBlock <= p.group_k;
      if (left >= kBlock && next_is_whole && blocks.count < together) continue;
      conv_blocks(p, t, blocks, x, y, pixel, row_floats, rows, region.col_begin, region.col_end);
      blocks.count = 0;
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
        const BlockPlace place(p, group_blocks, block);
        float* block_y = row_y + place.destination(p);
        for (int64_t col = region.col_begin; col < region.col_end; ++col)
          activate(block_y + col * p.dst_col, smaller(kBlock, p.group_k - place.k), p.activation);
      }
    }
  }
  if (t.streams) fence_streams();
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
