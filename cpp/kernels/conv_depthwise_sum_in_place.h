// The depthwise kernel's gradient from x and dy where they lie: memory is read once, in its own
// order, and the sums of a row of dy are added to dw, which stays in L1.
#pragma once

#include "kernels/channel_cut.h"
#include "kernels/conv_sum_tile.h"
#include "kernels/conv_taps.h"
#include "kernels/prefetch.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Pixels of one row of dy and the places of x under the first of some taps. Strides in floats.
struct DepthwiseRow {
  const float *x, *dy;
  int64_t x_col, tap, tap_row, channels;  // tap, tap_row: between neighbouring taps in x
  float* dw;
  int64_t dw_row;
  int lanes;  // of a part of a vector
};

// R rows of T neighbouring taps, V vectors of channels.
//   AVX-512: 2 x 5 x 2 or 3 x 3 x 2 accumulators + 2 of dy + 1 of x = 23 of 32 registers
//   AVX2, SSE2: 1 x 5 x 2 or 2 x 3 x 2 + 2 + 1 = 15 of 16
constexpr int kSumTaps = 5, kSumRows = kRegisters == 32 ? 3 : 2;
CNNFAST_INLINE int64_t sum_taps(int64_t left) { return left >= 5 ? 5 : smaller(left, 3); }
CNNFAST_INLINE int64_t sum_rows(int64_t left, int64_t taps) {
  return smaller(left, taps == 5 ? kSumRows - 1 : kSumRows);
}

template <int R, int T, int V, bool kWhole>
CNNFAST_INLINE void depthwise_row_sum(const DepthwiseRow& row, int64_t first, TapRange columns) {
  vf acc[R][T][V];
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) CNNFAST_UNROLL
  for (int i = 0; i < T; ++i) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) acc[r][i][v] = vf{};
  const int lanes = row.lanes;
  const float* x = row.x + first * row.tap + columns.begin * row.x_col;
  const float* dy = row.dy + columns.begin * row.channels;
  for (int64_t q = columns.end - columns.begin; q > 0; --q, x += row.x_col, dy += row.channels) {
    vf d[V];
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) d[v] = load_part<kWhole>(dy + v * kLanes, lanes);
    CNNFAST_UNROLL
    for (int r = 0; r < R; ++r) CNNFAST_UNROLL
    for (int i = 0; i < T; ++i) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v)
      acc[r][i][v] +=
          d[v] * load_part<kWhole>(x + r * row.tap_row + i * row.tap + v * kLanes, lanes);
  }
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) CNNFAST_UNROLL
  for (int i = 0; i < T; ++i) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v)
    add_part<kWhole>(row.dw + r * row.dw_row + (first + i) * row.channels + v * kLanes,
                     acc[r][i][v], lanes);
}

// Pixels of a row of dy that meet the taps of a row inside x: all of T neighbours, and each.
struct TapColumns {
  TapRange all, each[kSumTaps];
  TapColumns(const ConvPass& p, int64_t first, int64_t count) : all{0, p.dst_w} {
    for (int64_t s = 0; s < count; ++s) {
      const TapRange inside =
          taps_inside(p.col_first + (first + s) * p.col_tap_step, p.col_step, p.dst_w, p.src_w);
      each[s] = {inside.begin, larger(inside.begin, inside.end)};
      all = {larger(all.begin, each[s].begin), smaller(all.end, each[s].end)};
    }
    all.end = larger(all.begin, all.end);
  }
};

// T taps of R rows: together over the columns that all of them reach, one by one beside.
template <int R, int T, int V, bool kWhole>
void depthwise_row_taps(const DepthwiseRow& row, const TapColumns& columns) {
  const TapRange all = columns.all;
  if (all.begin < all.end) depthwise_row_sum<R, T, V, kWhole>(row, 0, all);
  if (T == 1) return;
  for (int64_t s = 0; s < T; ++s) {
    const TapRange left = {columns.each[s].begin, smaller(columns.each[s].end, all.begin)};
    const TapRange right = {larger(columns.each[s].begin, all.end), columns.each[s].end};
    if (left.begin < left.end) depthwise_row_sum<R, 1, V, kWhole>(row, s, left);
    if (right.begin < right.end) depthwise_row_sum<R, 1, V, kWhole>(row, s, right);
  }
}

using DepthwiseRowTaps = void (*)(const DepthwiseRow&, const TapColumns&);
template <int R, int T>
DepthwiseRowTaps depthwise_row_function(int64_t channels) {
  return channels == kBlock   ? depthwise_row_taps<R, T, 2, true>
         : channels == kLanes ? depthwise_row_taps<R, T, 1, true>
                              : depthwise_row_taps<R, T, 1, false>;
}
template <int T, int R = T == 5 ? kSumRows - 1 : kSumRows>
DepthwiseRowTaps depthwise_row_function(int64_t channels, int64_t rows) {
  if constexpr (R > 1)
    if (rows < R) return depthwise_row_function<T, R - 1>(channels, rows);
  return depthwise_row_function<R, T>(channels);
}
// For sum_taps() taps of sum_rows() rows.
DepthwiseRowTaps depthwise_row_function(int64_t channels, int64_t rows, int64_t taps) {
  return taps == 5   ? depthwise_row_function<5>(channels, rows)
         : taps == 3 ? depthwise_row_function<3>(channels, rows)
         : taps == 2 ? depthwise_row_function<2>(channels, rows)
                     : depthwise_row_function<1>(channels, rows);
}

template <int V, bool kWhole = true>
void depthwise_row_bias(const float* dy, int64_t channels, int64_t cols, float* db, int lanes) {
  vf acc[V];
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) acc[v] = vf{};
  for (; cols > 0; --cols, dy += channels) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) acc[v] += load_part<kWhole>(dy + v * kLanes, lanes);
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) add_part<kWhole>(db + v * kLanes, acc[v], lanes);
}

void conv_depthwise_sum_in_place(const ConvPass& p, const float* x, const float* dy, float* dw,
                                 float* db, const ConvSumRegion& region, bool first) {
  const int64_t channels = p.src_c, row_floats = p.src_w * channels;
  if (first) {
    zero_floats(dw, p.row_taps * p.col_taps * channels);
    if (db) zero_floats(db, channels);
  }
  const ChannelCut cut(x, channels);
  const float* x_end = x + region.image_end * p.src_h * row_floats;
  const float* dy_end = dy + region.image_end * p.dst_h * p.dst_row;
  DepthwiseRow row{};
  row.x_col = p.col_step * channels;
  row.tap = p.col_tap_step * channels;
  row.tap_row = p.row_tap_step * row_floats;
  row.channels = channels;
  row.dw_row = p.col_taps * channels;
  for (int64_t image = region.image_begin; image < region.image_end; ++image)
    for (int64_t out = region.row_begin; out < region.row_end; ++out) {
      const int64_t top = out * p.row_step + p.row_first;
      const TapRange taps = taps_inside(top, p.row_tap_step, p.row_taps, p.src_h);
      const float* gradient = dy + (image * p.dst_h + out) * p.dst_row;
      // The rows that the next row of dy reads and this one does not: asked for where caches do not
      // hold them.
      const int64_t below = smaller(p.src_h, top + (p.row_taps - 1) * p.row_tap_step + 1);
      const float* next_x = x + (image * p.src_h + below) * row_floats;
      const float* next_dy = gradient + p.dst_row;
      const int64_t more_x = region.uncached ? smaller(p.row_step * row_floats, x_end - next_x) : 0;
      const int64_t more_dy = region.uncached ? smaller(p.dst_row, dy_end - next_dy) : 0;
      for (int64_t s = 0, count = 0; s < p.col_taps; s += count) {
        count = sum_taps(p.col_taps - s);
        const TapColumns columns(p, s, count);
        const float* source = x + (p.col_first + s * p.col_tap_step) * channels +
                              (image * p.src_h + top + taps.begin * p.row_tap_step) * row_floats;
        for (int64_t c = 0, length = 0; c < channels; c += length) {
          length = cut.length(c, kBlock);
          if (s == 0) {
            prefetch_share<2>(next_x, more_x, c, c + length, channels);
            prefetch_share<2>(next_dy, more_dy, c, c + length, channels);
          }
          row.lanes = static_cast<int>(length);
          row.dy = gradient + c;
          row.x = source + c;
          row.dw = dw + taps.begin * row.dw_row + s * channels + c;
          for (int64_t left = taps.end - taps.begin, rows = 0; left > 0; left -= rows) {
            rows = sum_rows(left, count);
            depthwise_row_function(length, rows, count)(row, columns);
            row.x += rows * row.tap_row;
            row.dw += rows * row.dw_row;
          }
          if (!db || s > 0) continue;
          const auto bias = length == kBlock   ? depthwise_row_bias<2>
                            : length == kLanes ? depthwise_row_bias<1>
                                               : depthwise_row_bias<1, false>;
          bias(gradient + c, channels, p.dst_w, db + c, row.lanes);
        }
      }
    }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
