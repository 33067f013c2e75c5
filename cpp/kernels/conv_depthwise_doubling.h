// The input's gradient of a depthwise convolution of 3x3 taps at strides of 2: a map twice as high
// and wide as dy. Four passes, one for each remainder of row and column, would read dy four times;
// here every pixel of dy is read once or twice and makes four of dx. With p = place + padding:
//   p = 2q:      w[0] dy[q] + w[2] dy[q - 1]
//   p = 2q + 1:  w[1] dy[q]
// down and across, so that nine products make the four places of cell (q down, q across).
#pragma once

#include "kernels/channel_cut.h"
#include "kernels/conv_table.h"
#include "kernels/conv_tile.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int kDoublingTaps = 9;
constexpr int64_t kDoublingColumns = 8;  // cells of all channels, then the next ones

// A row of cells, one vector of channels. A row that does not exist is one place that all columns
// share, of zeros in dy, of what nobody reads in dx.
struct DoublingRow {
  const float *above, *dy;           // rows q - 1, q of dy
  int64_t above_pixel, dy_pixel;     // floats between their pixels
  float *even, *odd;                 // rows p = 2q, 2q + 1 of dx
  int64_t even_pixel, odd_pixel;     // likewise
  int64_t dy_cols, dx_cols, before;  // before: columns of padding
  int lanes;                         // of a part of a vector
};

// Cells [begin, end) across. w: taps of one vector of channels, `tap` floats apart.
template <bool kWhole>
void doubling_run(const DoublingRow& row, const float* taps, int64_t tap, int64_t begin,
                  int64_t end) {
  const DoublingRow t = row;
  vf w[kDoublingTaps];
  CNNFAST_UNROLL
  for (int i = 0; i < kDoublingTaps; ++i) w[i] = load_part<kWhole>(taps + i * tap, t.lanes);
  const auto load_dy = [&](const float* from, int64_t pixel,
                           int64_t q) __attribute__((always_inline)) {
    return q >= 0 && q < t.dy_cols ? load_part<kWhole>(from + q * pixel, t.lanes) : vf{};
  };
  // Column q of dy, above and in the row, and the one before.
  vf a = {}, d = {}, a0 = load_dy(t.above, t.above_pixel, begin - 1),
     d0 = load_dy(t.dy, t.dy_pixel, begin - 1);
  // From the last tap to the first, from zero on: as the four passes sum, so that a result does not
  // depend on which way it was made.
  const auto put_even = [&](int64_t place) __attribute__((always_inline)) {
    vf even = {}, odd = {};
    even += a0 * w[8];
    even += a * w[6];
    even += d0 * w[2];
    even += d * w[0];
    odd += d0 * w[5];
    odd += d * w[3];
    store_part<kWhole>(t.even + place * t.even_pixel, even, t.lanes);
    store_part<kWhole>(t.odd + place * t.odd_pixel, odd, t.lanes);
  };
  const auto put_odd = [&](int64_t place) __attribute__((always_inline)) {
    vf even = {}, odd = {};
    even += a * w[7];
    even += d * w[1];
    odd += d * w[4];
    store_part<kWhole>(t.even + place * t.even_pixel, even, t.lanes);
    store_part<kWhole>(t.odd + place * t.odd_pixel, odd, t.lanes);
  };
  const auto edge = [&](int64_t q) __attribute__((always_inline)) {
    a = load_dy(t.above, t.above_pixel, q);
    d = load_dy(t.dy, t.dy_pixel, q);
    const int64_t place = 2 * q - t.before;
    if (place >= 0 && place < t.dx_cols) put_even(place);
    if (place + 1 >= 0 && place + 1 < t.dx_cols) put_odd(place + 1);
    a0 = a;
    d0 = d;
  };
  const int64_t inside = smaller(end, smaller(t.dy_cols, (t.dx_cols + t.before) / 2));
  int64_t q = begin;
  for (; q < end && 2 * q < t.before; ++q) edge(q);
  for (; q < inside; ++q) {
    a = load_part<kWhole>(t.above + q * t.above_pixel, t.lanes);
    d = load_part<kWhole>(t.dy + q * t.dy_pixel, t.lanes);
    put_even(2 * q - t.before);
    put_odd(2 * q + 1 - t.before);
    a0 = a;
    d0 = d;
  }
  for (; q < end; ++q) edge(q);
}

// Cells of places [0, places) of an axis whose first one has p = before.
CNNFAST_INLINE int64_t first_cell(int64_t before) { return before / 2; }
CNNFAST_INLINE int64_t cell_count(int64_t before, int64_t places) {
  return places > 0 ? (before + places - 1) / 2 - first_cell(before) + 1 : 0;
}

int64_t conv_depthwise_doubling_cells(const ConvPass& p) {
  return cell_count(-p.row_first, p.src_h);
}

// Rows of cells [begin, end) of one image. `p` is the forward direction's.
void conv_depthwise_doubling(const ConvPass& p, const float* dy, const float* w, float* dx,
                             int64_t begin, int64_t end) {
  static constexpr float kZeros[kLanes] = {};
  float unread[2 * kLanes];
  float* nowhere = unread + unaligned_floats(unread, kLanes);
  const int64_t channels = p.src_c, row_before = -p.row_first;
  const ChannelCut cut(dx, channels);  // more is stored than loaded
  DoublingRow row{};
  row.dy_cols = p.dst_w;
  row.dx_cols = p.src_w;
  row.before = -p.col_first;
  const int64_t cols = cell_count(row.before, p.src_w);
  for (int64_t cell = begin; cell < end; ++cell) {
    const int64_t q = first_cell(row_before) + cell, place = 2 * q - row_before;
    const bool is_above = q >= 1 && q - 1 < p.dst_h, is_dy = q < p.dst_h;
    const bool is_even = place >= 0 && place < p.src_h;
    const bool is_odd = place + 1 >= 0 && place + 1 < p.src_h;
    row.above_pixel = is_above ? channels : 0;
    row.dy_pixel = is_dy ? channels : 0;
    row.even_pixel = is_even ? channels : 0;
    row.odd_pixel = is_odd ? channels : 0;
    for (int64_t col = 0; col < cols; col += kDoublingColumns) {
      const int64_t first = first_cell(row.before) + col;
      const int64_t last = first + smaller(kDoublingColumns, cols - col);
      for (int64_t c = 0, count = 0; c < channels; c += count) {
        count = cut.length(c, kLanes);
        row.lanes = static_cast<int>(count);
        row.above = is_above ? dy + (q - 1) * p.dst_row + c : kZeros;
        row.dy = is_dy ? dy + q * p.dst_row + c : kZeros;
        row.even = is_even ? dx + place * p.src_w * channels + c : nowhere;
        row.odd = is_odd ? dx + (place + 1) * p.src_w * channels + c : nowhere;
        (count == kLanes ? doubling_run<true> : doubling_run<false>)(row, w + c, channels, first,
                                                                     last);
      }
    }
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
