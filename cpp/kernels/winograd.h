// Winograd convolution, forward and (with flipped weights) backward-input. A block of tiles is
// transformed, multiplied by the transformed weights in 36 small products, and transformed back,
// all in cache:
//   V[36][tiles][C]  x  U[channel block][36][C][32]  ->  M[36][tiles][32]  ->  m x m outputs a tile
// A point's plane is followed by one vector of padding, or its power-of-two stride would put all 36
// into the same cache set.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_table.h"
#include "kernels/vector_math.h"
#include "kernels/winograd_transform.h"
#include "kernels/winograd_weights.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Strides in floats between points.
CNNFAST_INLINE int64_t v_plane(const WinogradPass& p, int64_t channels) {
  return p.block_tiles * whole_vectors(channels) + kLanes;
}
CNNFAST_INLINE int64_t m_plane(const WinogradPass& p) {
  return p.block_tiles * block_channels(p) + kLanes;
}

int64_t winograd_scratch(const WinogradPass& p) {
  return kTileValues * (v_plane(p, p.src_c) + m_plane(p)) + whole_vectors(p.src_c) +
         (p.raw_channels > 0 ? u_block(p.raw_channels, block_channels(p)) : 0);
}

// 6x6 source pixels of one vector of channels -> 36 points; at(i, j) is where pixel (i, j) stands.
template <class At>
CNNFAST_INLINE void input_points(At at, int lanes, float* to, int64_t plane) {
  vf d[kTileValues];
  CNNFAST_UNROLL
  for (int j = 0; j < kPoints; ++j) {
    CNNFAST_UNROLL
    for (int i = 0; i < kPoints; ++i)
      d[i * kPoints + j] = lanes == kLanes ? load(at(i, j)) : load_first(at(i, j), lanes);
    transform_input(d + j, kPoints);
  }
  SixPoints points = point_rows(to, plane);
  CNNFAST_UNROLL
  for (int i = 0; i < kPoints; ++i, points.next()) {
    transform_input(d + i * kPoints, 1);
    CNNFAST_UNROLL
    for (int j = 0; j < kPoints; ++j) store(points[j], d[i * kPoints + j]);
  }
}

// What the next tile will read and this one does not: in each row a run of pixels, asked for in the
// order of their addresses, `share` cache lines with every vector of channels.
struct NextPixels {
  const float* x;
  int64_t row, lines;
  int share;
  NextPixels(const float* first, int64_t row, int64_t pixel, int pixels)
      : x(first), row(row), lines(pixels * pixel / 16), share(pixels) {}
  template <int kRows>
  __attribute__((always_inline)) void prefetch() {
    for (int j = 0; j < share && lines > 0; ++j, --lines, x += 16) {
      CNNFAST_UNROLL
      for (int i = 0; i < kRows; ++i) __builtin_prefetch(x + i * row, 0, 2);
    }
  }
};

template <class At>
CNNFAST_INLINE void input_channels(int64_t channels, At at, float* to, int64_t plane,
                                   NextPixels next) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    next.prefetch<kPoints>();
    input_points([=](int i, int j) __attribute__((always_inline)) { return at(i, j) + c; }, kLanes,
                 to + c, plane);
  }
  if (c < channels)
    input_points([=](int i, int j) __attribute__((always_inline)) { return at(i, j) + c; },
                 static_cast<int>(channels - c), to + c, plane);
}

// Tiles counted through columns, rows, grids without a division each.
struct TilePlace {
  int64_t grid, row, col;  // grid: of all images; row and col in tiles
  void next(const WinogradPass& p) __attribute__((always_inline)) {
    if (++col < p.tile_cols) return;
    col = 0;
    if (++row < p.tile_rows) return;
    row = 0;
    ++grid;
  }
};
CNNFAST_INLINE TilePlace tile_place(const WinogradPass& p, int64_t tile) {
  const int64_t per_grid = p.tile_rows * p.tile_cols;
  const int64_t in_grid = tile % per_grid;
  return {tile / per_grid, in_grid / p.tile_cols, in_grid % p.tile_cols};
}

// The outputs of a tile: the first one's place, and how many the destination has of them.
struct TileOutputs {
  int64_t image, row, col;
  int rows, cols;
};
CNNFAST_INLINE int64_t places_from(int64_t first, int64_t step, int64_t end) {
  return first >= end ? 0 : (end - first + step - 1) / step;
}
CNNFAST_INLINE TileOutputs tile_outputs(const WinogradPass& p, const TilePlace& at) {
  TileOutputs o{at.grid, at.row * p.m, at.col * p.m, 0, 0};
  if (p.grids() > 1) {
    const int64_t grid = at.grid % p.grids();
    o.image = at.grid / p.grids();
    o.row = o.row * p.row_tap_step + grid / p.col_tap_step;
    o.col = o.col * p.col_tap_step + grid % p.col_tap_step;
  }
  o.rows = static_cast<int>(smaller(p.m, places_from(o.row, p.row_tap_step, p.dst_h)));
  o.cols = static_cast<int>(smaller(p.m, places_from(o.col, p.col_tap_step, p.dst_w)));
  return o;
}

// Source channels of one tile, from the one that src points at, -> V. `zeros`: as many, for what
// lies outside the source.
void transform_tile(const WinogradPass& p, const float* src, int64_t channels,
                    const TileOutputs& tile, float* to, int64_t plane, const float* zeros) {
  const int64_t row = tile.row + p.row_first, col = tile.col + p.col_first;
  const int64_t row_floats = p.row_tap_step * p.src_w * p.src_c, pixel = p.col_tap_step * p.src_c;
  const float* x = src + ((tile.image * p.src_h + row) * p.src_w + col) * p.src_c;
  const int64_t last_row = row + (kPoints - 1) * p.row_tap_step;
  const int64_t last_col = col + (kPoints - 1) * p.col_tap_step;
  const bool turns = tile.col + p.m * p.col_tap_step >= p.dst_w;  // the next row of tiles is next
  const NextPixels next = turns ? NextPixels(x + p.m * row_floats - (p.tile_cols - 1) * p.m * pixel,
                                             row_floats, pixel, kPoints)
                                : NextPixels(x + kPoints * pixel, row_floats, pixel, p.m);
  if (row >= 0 && col >= 0 && last_row < p.src_h && last_col < p.src_w) {
    const auto at = [=](int i, int j)
                        __attribute__((always_inline)) { return x + i * row_floats + j * pixel; };
    input_channels(channels, at, to, plane, next);
    return;
  }
  const float* pixels[kTileValues];
  for (int i = 0; i < kPoints; ++i)
    for (int j = 0; j < kPoints; ++j) {
      const int64_t r = row + i * p.row_tap_step, c = col + j * p.col_tap_step;
      const bool inside = r >= 0 && r < p.src_h && c >= 0 && c < p.src_w;
      pixels[i * kPoints + j] = inside ? x + i * row_floats + j * pixel : zeros;
    }
  input_channels(
      channels,
      [&](int i, int j) __attribute__((always_inline)) { return pixels[i * kPoints + j]; }, to,
      plane, next);
}

// May vectors of the destination go past the caches? Only where they are lines of them: half a line
// waits for the other half, which a block's second vector writes 16 pixels later.
CNNFAST_INLINE bool streams_to(const WinogradPass& p, const float* dst) {
  return p.uncached && sizeof(vf) == 64 && p.dst_c % kLanes == 0 &&
         reinterpret_cast<uintptr_t>(dst) % sizeof(vf) == 0;
}

// 36 points of one vector of channels -> M x M outputs, of which rows x cols are real.
template <int M, class Activate>
CNNFAST_INLINE void output_points(const float* from, int64_t plane, vf bias, Activate activate,
                                  float* y, int64_t row, int64_t pixel, int rows, int cols,
                                  int lanes, bool streams) {
  vf m[kTileValues];
  SixPoints points = point_columns(from, plane);
  CNNFAST_UNROLL
  for (int j = 0; j < kPoints; ++j, points.next()) {
    CNNFAST_UNROLL
    for (int i = 0; i < kPoints; ++i) m[i * kPoints + j] = load(points[i]);
    transform_output<M>(m + j, kPoints);
  }
  const bool whole = rows == M && cols == M && lanes == kLanes;
  CNNFAST_UNROLL
  for (int i = 0; i < M; ++i) {
    transform_output<M>(m + i * kPoints, 1);
    CNNFAST_UNROLL
    for (int j = 0; j < M; ++j) {
      const vf value = activate(m[i * kPoints + j] + bias);
      float* to = y + i * row + j * pixel;
      if (streams && i < rows && j < cols) {
        stream(to, value);
      } else if (whole) {
        store(to, value);
      } else if (i < rows && j < cols) {
        store_lanes(to, value, lanes);
      }
    }
  }
}

// M of one channel block -> destination.
template <int M, class Activate>
void transform_back(const WinogradPass& p, const float* products, const float* bias, float* dst,
                    int64_t tile_begin, int64_t tiles, int64_t k, int vectors, int last,
                    Activate activate) {
  const int64_t plane = m_plane(p), step = vectors * kLanes;
  const int64_t row = p.row_tap_step * p.dst_w * p.dst_c, pixel = p.col_tap_step * p.dst_c;
  const bool streams = streams_to(p, dst);
  TilePlace at = tile_place(p, tile_begin);
  vf b[2] = {vf{}, vf{}};
  for (int v = 0; bias && v < vectors; ++v)
    b[v] = load_lanes(bias + k + v * kLanes, v == vectors - 1 ? last : kLanes);
  for (int64_t i = 0; i < tiles; ++i, at.next(p)) {
    const TileOutputs o = tile_outputs(p, at);
    float* y = dst + ((o.image * p.dst_h + o.row) * p.dst_w + o.col) * p.dst_c + k;
    for (int v = 0; v < vectors; ++v)
      output_points<M>(products + i * step + v * kLanes, plane, b[v], activate, y + v * kLanes, row,
                       pixel, o.rows, o.cols, v == vectors - 1 ? last : kLanes, streams);
  }
  if (streams) fence_streams();
}

template <int M>
void transform_back_as(const WinogradPass& p, const float* products, const float* bias, float* dst,
                       int64_t tile_begin, int64_t tiles, int64_t k, int vectors, int last) {
  switch (p.activation) {
    case ActivationKind::linear:
    case ActivationKind::relu: {
      // One code for both: max(least, x) is x for -infinity, and NaN stays NaN.
      const vf least = broadcast(p.activation == ActivationKind::relu ? 0.0f : -__builtin_inff());
      return transform_back<M>(p, products, bias, dst, tile_begin, tiles, k, vectors, last,
                               [=](vf x) __attribute__((always_inline)) { return max(least, x); });
    }
    case ActivationKind::leaky_relu: {
      const vf alpha = broadcast(p.alpha);
      return transform_back<M>(
          p, products, bias, dst, tile_begin, tiles, k, vectors, last,
          [=](vf x) __attribute__((always_inline)) { return select(x < vf{}, x * alpha, x); });
    }
    case ActivationKind::tanh:
      return transform_back<M>(p, products, bias, dst, tile_begin, tiles, k, vectors, last,
                               [](vf x) __attribute__((always_inline)) { return tanh(x); });
    case ActivationKind::sigmoid:
      return transform_back<M>(p, products, bias, dst, tile_begin, tiles, k, vectors, last,
                               [](vf x) __attribute__((always_inline)) { return sigmoid(x); });
  }
}

// M of one channel block: the 36 products of the tiles' points with weights u, [36][length][step]
// for source channels [begin, begin + length); added to M unless they are the first.
void multiply_points(const WinogradPass& p, const float* points, const float* u, float* products,
                     int64_t tiles, int64_t begin, int64_t length, int vectors) {
  const int64_t channels = whole_vectors(p.src_c), step = vectors * kLanes;
  const int64_t pieces = (tiles + kTilePixels - 1) / kTilePixels;
  const int64_t each = tiles / pieces, more = tiles % pieces;
  const TileFunction wide = row_tile(static_cast<int>(each + 1), vectors);
  const TileFunction slim = row_tile(static_cast<int>(each), vectors);
  Tile t{};
  t.pixel = channels;
  t.rows = t.cols = 1;
  t.length = length;
  t.w_step = t.y_pixel = step;
  t.last = kLanes;
  t.activation = ActivationKind::linear;
  t.add = begin > 0;
  for (int point = 0; point < kTileValues; ++point) {
    t.w = u + point * u_plane(length, step);
    t.x = points + point * v_plane(p, p.src_c) + begin;
    t.y = products + point * m_plane(p);
    for (int64_t i = 0; i < pieces; ++i) {
      (i < more ? wide : slim)(t);
      const int64_t made = each + (i < more);
      t.x += made * channels;
      t.y += made * step;
    }
  }
}

void winograd(const WinogradPass& p, const float* src, const float* weights, const float* bias,
              float* dst, float* scratch, int64_t tile_begin, int64_t tile_end, int64_t block_begin,
              int64_t block_end) {
  const int64_t channels = whole_vectors(p.src_c), plane = v_plane(p, p.src_c);
  float* points = scratch;
  float* products = points + kTileValues * plane;
  float* zeros = products + kTileValues * m_plane(p);
  float* transformed = zeros + channels;
  zero_floats(zeros, channels);
  const int64_t block_floats = u_block(p.src_c, block_channels(p));
  TilePlace at = tile_place(p, tile_begin);
  for (int64_t begin = tile_begin; begin < tile_end; begin += p.block_tiles) {
    const int64_t tiles = smaller(p.block_tiles, tile_end - begin);
    for (int64_t i = 0; i < tiles; ++i, at.next(p))
      transform_tile(p, src, p.src_c, tile_outputs(p, at), points + i * channels, plane, zeros);
    for (int64_t index = block_begin; index < block_end; ++index) {
      const BlockChannels block(p, index);
      if (p.raw_channels == 0)
        multiply_points(p, points, weights + index * block_floats, products, tiles, 0, p.src_c,
                        block.vectors);
      for (int64_t from = 0; p.raw_channels > 0 && from < p.src_c; from += p.raw_channels) {
        const int64_t length = smaller(p.raw_channels, p.src_c - from);
        (p.m == 4 ? pack_block<3> : pack_block<5>)(p, weights, transformed,
                                                   u_plane(length, block.step()), block, from,
                                                   from + length);
        multiply_points(p, points, transformed, products, tiles, from, length, block.vectors);
      }
      (p.m == 4 ? transform_back_as<4> : transform_back_as<2>)(p, products, bias, dst, begin, tiles,
                                                               block.first, block.vectors,
                                                               block.lanes(block.vectors - 1));
    }
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
