// Gradients of a convolution from a dy that is mostly zeros, as behind max pooling, where one place
// of each window has a value: direct sums over the values. dy is read once, into lists; what is
// read from x or added to dx lies in panels of one vector of channels, borders of zeros around, so
// that all taps of a value are vectors at fixed distances from its place.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_sparse_table.h"
#include "kernels/lane_transpose.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int kSparseSums = 9;           // vectors of a walk: a 3x3 window, more than an FMA waits
constexpr int64_t kSparseChannels = 64;  // of dy, taken together: a bit for each

struct SparseValue {
  int32_t at;  // a channel of dy, or a place in a panel, in floats
  float value;
};

CNNFAST_INLINE int64_t sparse_vectors(const ConvPass& p) { return (p.src_c + kLanes - 1) / kLanes; }
CNNFAST_INLINE int64_t sparse_taps(const ConvPass& p) { return p.row_taps * p.col_taps; }
CNNFAST_INLINE int64_t sparse_channel_blocks(const ConvPass& p) {
  return (p.group_k + kSparseChannels - 1) / kSparseChannels;
}

// Bit i: p[i] is not zero, of at most 64 floats.
CNNFAST_INLINE uint64_t nonzero_bits(const float* p, int64_t count) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < count; i += kLanes) {
    const int lanes = static_cast<int>(smaller(kLanes, count - i));
    bits |= static_cast<uint64_t>(nonzero_lanes(load_lanes(p + i, lanes))) << i;
  }
  return bits;
}

// A square of some channels: all that there are from x on, `height` x `width`, if less.
template <bool kAdd>
CNNFAST_INLINE void transpose_channels(const float* x, int64_t x_stride, float* y, int64_t y_stride,
                                       int64_t height, int64_t width) {
  if (height >= kLanes && width >= kLanes)
    transpose_square<kAdd>(x, x_stride, y, y_stride);
  else
    transpose_part<kAdd>(x, x_stride, y, y_stride, static_cast<int>(smaller(height, kLanes)),
                         static_cast<int>(smaller(width, kLanes)));
}

// `total` taps in nearly equal groups of at most kSparseSums.
struct SparseGroups {
  int64_t total, count;
  explicit SparseGroups(int64_t taps)
      : total(taps), count((taps + kSparseSums - 1) / kSparseSums) {}
  int64_t begin(int64_t group) const { return total * group / count; }
  int size(int64_t group) const { return static_cast<int>(begin(group + 1) - begin(group)); }
};

// What is taken at a time: some images, or some rows of dy of one. Their values fit the lists even
// if none is zero, and a vector of channels of x or dx stays in L2 beside them.
struct SparseBlock {
  int64_t images, rows, panel_rows, cols;
  explicit SparseBlock(const ConvPass& p) {
    constexpr int64_t kValues = 512 << 10, kPanelFloats = 32 << 10;
    const int64_t width = larger(1, p.dst_w), height = larger(1, p.dst_h);
    const int64_t channels = larger(1, p.group_k);
    const int64_t line = larger(1, p.copy_w * kLanes);
    rows = smaller(kValues / (width * channels), kPanelFloats / (line * p.row_step));
    rows = smaller(larger(1, rows), height);
    panel_rows = p.copy_rows(rows);
    cols = p.copy_w;
    images = 1;
    if (rows == height)
      images = larger(
          1, smaller(kValues / (width * height * channels), kPanelFloats / larger(1, floats())));
  }
  int64_t floats() const { return panel_rows * cols * kLanes; }  // an image's panel
  int64_t tap(const ConvPass& p, int64_t tap) const {
    return (tap / p.col_taps * p.row_tap_step * cols + tap % p.col_taps * p.col_tap_step) * kLanes;
  }
  int64_t row(const ConvPass& p) const { return p.row_step * cols * kLanes; }
  int64_t col(const ConvPass& p) const { return p.col_step * kLanes; }
  int64_t places(const ConvPass& p) const { return images * rows * p.dst_w; }
};

// Rows [begin, end) of a panel, whose first one is row `first_row` of x: a vector of x's channels.
void sparse_panel_in(const ConvPass& p, const float* x, int64_t first_row, int64_t begin,
                     int64_t end, int lanes, float* to) {
  const int64_t line = p.copy_w * kLanes;
  for (int64_t r = begin; r < end; ++r) {
    const int64_t row = first_row + r;
    if (row < 0 || row >= p.src_h) {
      zero_floats(to + r * line, line);
      continue;
    }
    for (int64_t c = 0; c < p.copy_w; ++c) {
      const int64_t col = p.col_first + c;
      const bool inside = col >= 0 && col < p.src_w;
      store(to + r * line + c * kLanes,
            inside ? load_lanes(x + (row * p.src_w + col) * p.src_c, lanes) : vf{});
    }
  }
}

// Rows [begin, end) of dx from a panel, whose first one is row `first_row`; zeros around it.
void sparse_panel_out(const ConvPass& p, const SparseBlock& block, const float* from,
                      int64_t first_row, int64_t begin, int64_t end, int lanes, float* dx) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t r = row - first_row;
    const bool reached = r >= 0 && r < block.panel_rows;
    const float* line = from + (r * block.cols - p.col_first) * kLanes;
    float* to = dx + row * p.src_w * p.src_c;
    for (int64_t col = 0; col < p.src_w; ++col, to += p.src_c) {
      const int64_t c = col - p.col_first;
      const bool inside = reached && c >= 0 && c < block.cols;
      store_lanes(to, inside ? load(line + col * kLanes) : vf{}, lanes);
    }
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
