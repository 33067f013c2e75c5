// The depthwise kernel's gradient from x and dy where they lie: memory is read once, in its own
// order, and the sums of a row of dy are added to dw, which stays in L1.
#pragma once

#include "kernels/conv_sum_tile.h"
#include "kernels/conv_taps.h"
#include "kernels/prefetch.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Pixels of one row of dy and the places of x under the first of some taps. Strides in floats.
struct DepthwiseRow {
  const float *x, *dy;
  int64_t x_col, tap, channels;
  float* dw;
  int lanes;  // of a part of a vector
};

// Channels taken together: two vectors, one, or a part of one, where pixels begin beside a boundary
// of vectors and so that the others lie between boundaries.
struct ChannelCut {
  int64_t lead, channels;
  // `aligned`: pixels that are loaded most.
  ChannelCut(const float* aligned, int64_t all)
      : lead(smaller(all, unaligned_floats(aligned, all))), channels(all) {}
  int64_t length(int64_t begin, int64_t most) const {
    if (begin < lead) return lead;
    const int64_t left = channels - begin;
    return left >= most ? most : left >= kLanes ? kLanes : left;
  }
};

// `lanes` channels at p: V vectors, or where not kWhole a part of one.
template <bool kWhole>
CNNFAST_INLINE vf load_part(const float* p, int lanes) {
  return kWhole ? load(p) : load_first(p, lanes);
}
template <bool kWhole>
CNNFAST_INLINE void add_part(float* p, vf value, int lanes) {
  if (kWhole)
    store(p, load(p) + value);
  else
    store_first(p, load_first(p, lanes) + value, lanes);
}

// T neighbouring taps of V vectors of channels: T V accumulators + V of dy + one of x.
template <int T, int V, bool kWhole>
CNNFAST_INLINE void depthwise_row_sum(const DepthwiseRow& row, int64_t begin, int64_t end) {
  vf acc[T][V];
  CNNFAST_UNROLL
  for (int i = 0; i < T; ++i) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) acc[i][v] = vf{};
  const int lanes = row.lanes;
  const float *x = row.x + begin * row.x_col, *dy = row.dy + begin * row.channels;
  for (int64_t q = end - begin; q > 0; --q, x += row.x_col, dy += row.channels) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) {
    const vf d = load_part<kWhole>(dy + v * kLanes, lanes);
    CNNFAST_UNROLL
    for (int i = 0; i < T; ++i)
      acc[i][v] += d * load_part<kWhole>(x + i * row.tap + v * kLanes, lanes);
  }
  CNNFAST_UNROLL
  for (int i = 0; i < T; ++i) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v)
    add_part<kWhole>(row.dw + i * row.channels + v * kLanes, acc[i][v], lanes);
}

// Pixels of a row of dy whose tap s is inside x.
CNNFAST_INLINE TapRange columns_of_tap(const ConvPass& p, int64_t s) {
  const TapRange inside =
      taps_inside(p.col_first + s * p.col_tap_step, p.col_step, p.dst_w, p.src_w);
  return {inside.begin, larger(inside.begin, inside.end)};
}

// T taps from `first` on: together over the columns that all of them reach, one by one beside.
template <int T, int V, bool kWhole>
void depthwise_row_taps(const ConvPass& p, const DepthwiseRow& from, int64_t first) {
  TapRange all = columns_of_tap(p, first);
  for (int64_t s = first + 1; s < first + T; ++s) {
    const TapRange each = columns_of_tap(p, s);
    all = {larger(all.begin, each.begin), smaller(all.end, each.end)};
  }
  all.end = larger(all.begin, all.end);
  DepthwiseRow row = from;
  row.x += first * row.tap;
  row.dw += first * row.channels;
  if (all.begin < all.end) depthwise_row_sum<T, V, kWhole>(row, all.begin, all.end);
  if (T == 1) return;
  for (int64_t s = first; s < first + T; ++s, row.x += row.tap, row.dw += row.channels) {
    const TapRange each = columns_of_tap(p, s);
    const int64_t left = smaller(each.end, all.begin), right = larger(each.begin, all.end);
    if (each.begin < left) depthwise_row_sum<1, V, kWhole>(row, each.begin, left);
    if (right < each.end) depthwise_row_sum<1, V, kWhole>(row, right, each.end);
  }
}

template <int V, bool kWhole = true>
void depthwise_row_all_taps(const ConvPass& p, const DepthwiseRow& row) {
  int64_t s = 0;
  for (; s + 3 <= p.col_taps; s += 3) depthwise_row_taps<3, V, kWhole>(p, row, s);
  for (; s < p.col_taps; ++s) depthwise_row_taps<1, V, kWhole>(p, row, s);
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

// Whole vectors of channels only.
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
  for (int64_t image = region.image_begin; image < region.image_end; ++image)
    for (int64_t out = region.row_begin; out < region.row_end; ++out) {
      const int64_t top = out * p.row_step + p.row_first;
      const TapRange taps = taps_inside(top, p.row_tap_step, p.row_taps, p.src_h);
      const float* gradient = dy + (image * p.dst_h + out) * p.dst_row;
      // The rows that the next row of dy reads and this one does not.
      const int64_t below = smaller(p.src_h, top + (p.row_taps - 1) * p.row_tap_step + 1);
      const float* next_x = x + (image * p.src_h + below) * row_floats;
      const float* next_dy = gradient + p.dst_row;
      const int64_t more_x = smaller(p.row_step * row_floats, x_end - next_x);
      const int64_t more_dy = smaller(p.dst_row, dy_end - next_dy);
      int64_t count = 0;
      for (int64_t c = 0; c < channels; c += count) {
        count = cut.length(c, kBlock);
        prefetch_share<2>(next_x, more_x, c, c + count, channels);
        prefetch_share<2>(next_dy, more_dy, c, c + count, channels);
        DepthwiseRow row{nullptr,  gradient + c, p.col_step * channels,  p.col_tap_step * channels,
                         channels, nullptr,      static_cast<int>(count)};
        const auto all_taps = count == kBlock   ? depthwise_row_all_taps<2>
                              : count == kLanes ? depthwise_row_all_taps<1>
                                                : depthwise_row_all_taps<1, false>;
        const auto bias = count == kBlock   ? depthwise_row_bias<2>
                          : count == kLanes ? depthwise_row_bias<1>
                                            : depthwise_row_bias<1, false>;
        for (int64_t r = taps.begin; r < taps.end; ++r) {
          row.x = x + (image * p.src_h + top + r * p.row_tap_step) * row_floats +
                  p.col_first * channels + c;
          row.dw = dw + r * p.col_taps * channels + c;
          all_taps(p, row);
        }
        if (db) bias(gradient + c, channels, p.dst_w, db + c, row.lanes);
      }
    }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
