// The kernel's gradient by Winograd: F(3x3, 4x4) and F(5x5, 2x2) on the forward pass's 6x6 tiles.
//   dW = Gt (sum over tiles of (Bt d B) * (A dY At)) G
// The sum of products runs in the transformed domain, one small product a point:
//   V[36][tiles][C]t  x  D[36][tiles][K]  ->  sums [channel block][36][C][32]
#pragma once

#include "kernels/conv_sum_tile.h"
#include "kernels/winograd.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE int64_t d_plane(const WinogradPass& p, int64_t blocks) {
  return p.block_tiles * blocks * kBlock + kLanes;
}

int64_t winograd_sums_scratch(const WinogradPass& p, const WinogradPanel& panel) {
  return kTileValues * (v_plane(p, panel.channels()) + d_plane(p, panel.blocks())) +
         whole_vectors(panel.channels());
}

int64_t winograd_panel_floats(const WinogradPanel& panel) {
  return panel.blocks() * u_block(panel.channels());
}

// rows x cols gradients (the rest of the M x M tile lies outside: zeros) -> 36 points; their sum is
// given back.
template <int M, bool kWhole>
CNNFAST_INLINE vf gradient_points(const float* dy, int64_t row, int64_t col, int rows, int cols,
                                  int lanes, float* to, int64_t plane) {
  vf d[kTileValues];
  vf total = {};
  CNNFAST_UNROLL
  for (int j = 0; j < M; ++j) {
    CNNFAST_UNROLL
    for (int i = 0; i < M; ++i) {
      const float* from = dy + i * row + j * col;
      if constexpr (kWhole)
        d[i * kPoints + j] = load(from);
      else
        d[i * kPoints + j] = i < rows && j < cols ? load_lanes(from, lanes) : vf{};
      total += d[i * kPoints + j];
    }
    transform_gradient<M>(d + j, kPoints);
  }
  SixPoints points = point_rows(to, plane);
  CNNFAST_UNROLL
  for (int i = 0; i < kPoints; ++i, points.next()) {
    transform_gradient<M>(d + i * kPoints, 1);
    CNNFAST_UNROLL
    for (int j = 0; j < kPoints; ++j) store(points[j], d[i * kPoints + j]);
  }
  return total;
}

template <int M>
void transform_gradient_tile(const WinogradPass& p, const float* dy, const TileOutputs& o,
                             int64_t ks, float* to, int64_t plane, float* db) {
  const int rows = o.rows, cols = o.cols;
  const float* from = dy + ((o.image * p.dst_h + o.row) * p.dst_w + o.col) * p.dst_c;
  const int64_t row = p.row_tap_step * p.dst_w * p.dst_c, col = p.col_tap_step * p.dst_c;
  const bool turns = o.col + M * p.col_tap_step >= p.dst_w;
  NextPixels next(from + M * (turns ? row - (p.tile_cols - 1) * col : col), row, col, M);
  for (int64_t k = 0; k < ks; k += kLanes) {
    next.prefetch<M>();
    const int lanes = static_cast<int>(smaller(kLanes, ks - k));
    const bool whole = rows == M && cols == M && lanes == kLanes;
    const vf total =
        (whole ? gradient_points<M, true> : gradient_points<M, false>)(from + k, row, col, rows,
                                                                       cols, lanes, to + k, plane);
    if (db) store_lanes(db + k, load_lanes(db + k, lanes) + total, lanes);
  }
}

void winograd_sums(const WinogradPass& p, const float* x, const float* dy,
                   const WinogradPanel& panel, float* sums, float* db, float* scratch,
                   int64_t tile_begin, int64_t tile_end, bool first, bool kept) {
  const int64_t c = panel.channels(), channels = whole_vectors(c);
  const int64_t out_channels = panel.blocks() * kBlock;
  const int64_t plane = v_plane(p, c), gradient_plane = d_plane(p, panel.blocks());
  float* points = scratch;
  float* gradients = points + kTileValues * plane;
  float* zeros = gradients + kTileValues * gradient_plane;
  zero_floats(zeros, channels);
  const int64_t first_k = panel.block_begin * kBlock;
  const int64_t ks = smaller(panel.block_end * kBlock, p.dst_c) - first_k;
  x += panel.c_begin;
  dy += first_k;
  if (db) db += first_k;
  if (first && db) zero_floats(db, ks);
  const int64_t pieces = (c + kTilePixels - 1) / kTilePixels;
  const int64_t each = c / pieces, more = c % pieces;
  TilePlace at = tile_place(p, tile_begin);
  for (int64_t begin = tile_begin; begin < tile_end || first; begin += p.block_tiles) {
    const int64_t tiles = larger(0, smaller(p.block_tiles, tile_end - begin));
    for (int64_t i = 0; i < tiles; ++i, at.next(p)) {
      const TileOutputs o = tile_outputs(p, at);
      if (!kept) transform_tile(p, x, c, o, points + i * channels, plane, zeros);
      (p.m == 4 ? transform_gradient_tile<4>
                : transform_gradient_tile<2>)(p, dy, o, ks, gradients + i * out_channels,
                                              gradient_plane, db);
    }
    // Points outermost: a point's V and D stay in cache for all pairs of channel blocks.
    SumTile t{};
    t.images = t.rows = 1;
    t.cols = tiles;
    t.x_col = channels;
    t.dy_col = out_channels;
    t.last = kLanes;
    t.first = first;
    for (int point = 0; point < kTileValues; ++point)
      for (int64_t block = 0; block < panel.blocks(); ++block) {
        const int64_t k = block * kBlock;
        const int vectors = ks - k > kLanes ? 2 : 1;
        const int64_t step = vectors * kLanes;
        const SumFunction wide = vectors == 1 ? row_sum_function<1>(static_cast<int>(each + 1))
                                              : row_sum_function<2>(static_cast<int>(each + 1));
        const SumFunction slim = vectors == 1 ? row_sum_function<1>(static_cast<int>(each))
                                              : row_sum_function<2>(static_cast<int>(each));
        t.dw_row = step;
        t.x = points + point * plane;
        t.dy = gradients + point * gradient_plane + k;
        t.dw = sums + block * u_block(c) + point * u_plane(c, step);
        for (int64_t i = 0; i < pieces; ++i) {
          const int64_t made = each + (i < more);
          if (!first) {
            t.next = t.dw + made * step;
            t.next_step = larger(1, smaller(16, made * step / larger(1, tiles)));
          }
          (i < more ? wide : slim)(t);
          t.x += made;
          t.dw += made * step;
        }
      }
    first = false;
  }
}

template <int R, bool kOne>
void winograd_finish_r(const WinogradPanel& panel, const float* sums, int64_t count, int64_t stride,
                       float* dw, int64_t c, int64_t k, int64_t block_begin, int64_t block_end) {
  const int64_t block_floats = u_block(panel.channels());
  dw += panel.c_begin * k;
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t first = block * kBlock;
    const int vectors = k - first > kLanes ? 2 : 1;
    const int64_t step = vectors * kLanes, plane = u_plane(panel.channels(), step);
    const float* block_sums = sums + (block - panel.block_begin) * block_floats;
    for (int64_t i = 0; i < panel.channels(); ++i)
      for (int v = 0; v < vectors; ++v) {
        vf u[kTileValues];
        SixPoints points = point_columns(block_sums + i * step + v * kLanes, plane);
        CNNFAST_UNROLL
        for (int j = 0; j < kPoints; ++j, points.next()) {
          CNNFAST_UNROLL
          for (int r = 0; r < kPoints; ++r) {
            vf value = load(points[r]);
            if constexpr (!kOne)
              for (int64_t s = 1; s < count; ++s) value += load(points[r] + s * stride);
            u[r * kPoints + j] = value;
          }
          transform_weights_back<R>(u + j, kPoints);
        }
        const int64_t at_k = first + v * kLanes;
        const int lanes = static_cast<int>(smaller(kLanes, k - at_k));
        CNNFAST_UNROLL
        for (int r = 0; r < R; ++r) {
          transform_weights_back<R>(u + r * kPoints, 1);
          CNNFAST_UNROLL
          for (int s = 0; s < R; ++s)
            store_lanes(dw + ((r * R + s) * c + i) * k + at_k, u[r * kPoints + s], lanes);
        }
      }
  }
}

void winograd_finish(const WinogradPanel& panel, const float* sums, int64_t count, int64_t stride,
                     float* dw, int m, int64_t c, int64_t k, int64_t block_begin,
                     int64_t block_end) {
  const auto finish = m == 4
                          ? (count == 1 ? winograd_finish_r<3, true> : winograd_finish_r<3, false>)
                          : (count == 1 ? winograd_finish_r<5, true> : winograd_finish_r<5, false>);
  finish(panel, sums, count, stride, dw, c, k, block_begin, block_end);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
