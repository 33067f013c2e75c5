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
    const int64_t line = p.copy_w * kLanes;
    rows = smaller(kValues / (width * channels), kPanelFloats / (line * p.row_step));
    rows = smaller(larger(1, rows), height);
    panel_rows = p.copy_rows(rows);
    cols = p.copy_w;
    images = 1;
    if (rows == height)
      images = larger(1, smaller(kValues / (width * height * channels), kPanelFloats / floats()));
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

// ---- backward-input ----------------------------------------------------------------------------

int64_t sparse_weights(const ConvPass& p) {
  return sparse_vectors(p) * kLanes * sparse_taps(p) * p.group_k;
}

// [vector of channels][group of taps][k][tap of the group][lane]
void sparse_pack(const ConvPass& p, const float* w, float* packed, int64_t vector_begin,
                 int64_t vector_end) {
  const SparseGroups groups(sparse_taps(p));
  const int64_t all_k = p.group_k;
  float* to = packed + vector_begin * groups.total * all_k * kLanes;
  for (int64_t v = vector_begin; v < vector_end; ++v)
    for (int64_t group = 0; group < groups.count; ++group) {
      const int64_t size = groups.size(group);
      for (int64_t tap = 0; tap < size; ++tap) {
        const float* from = w + ((groups.begin(group) + tap) * p.src_c + v * kLanes) * all_k;
        for (int64_t k = 0; k < all_k; k += kLanes)
          transpose_channels<false>(from + k, all_k, to + (k * size + tap) * kLanes, size * kLanes,
                                    p.src_c - v * kLanes, all_k - k);
      }
      to += all_k * size * kLanes;
    }
}

// The values of some images' rows: of a block of kSparseChannels, all places', then of the next.
// `ends`: behind the last value of each.
void sparse_lists_by_place(const ConvPass& p, const float* dy, int64_t images, int64_t rows,
                           SparseValue* values, int32_t* ends) {
  int32_t count = 0;
  for (int64_t k = 0; k < p.group_k; k += kSparseChannels) {
    const int64_t channels = smaller(kSparseChannels, p.group_k - k);
    for (int64_t image = 0; image < images; ++image)
      for (int64_t row = 0; row < rows; ++row) {
        const float* from = dy + (image * p.dst_h + row) * p.dst_row + k;
        for (int64_t col = 0; col < p.dst_w; ++col, from += p.dst_col) {
          for (uint64_t bits = nonzero_bits(from, channels); bits; bits &= bits - 1) {
            const int i = __builtin_ctzll(bits);
            values[count++] = {i, from[i]};
          }
          *ends++ = count;
        }
      }
  }
}

// Adds a block of channels' values times the weights of N taps to what they read. `begin`: where
// the first place's values do.
template <int N>
void sparse_scatter(const ConvPass& p, const SparseBlock& block, int64_t images, int64_t rows,
                    const SparseValue* values, int32_t begin, const int32_t* ends, const float* w,
                    const int64_t* taps, float* panel) {
  int64_t places[N];
  for (int i = 0; i < N; ++i) places[i] = taps[i];
  const int64_t step = block.col(p);
  const SparseValue* each = values + begin;
  for (int64_t image = 0; image < images; ++image)
    for (int64_t row = 0; row < rows; ++row) {
      float* to = panel + image * block.floats() + row * block.row(p);
      for (int64_t col = 0; col < p.dst_w; ++col, to += step) {
        const SparseValue* end = values + *ends++;
        if (each == end) continue;
        vf acc[N];
        CNNFAST_UNROLL
        for (int i = 0; i < N; ++i) acc[i] = load(to + places[i]);
        for (; each < end; ++each) {
          const vf value = broadcast(each->value);
          const float* weights = w + each->at * static_cast<int64_t>(N * kLanes);
          CNNFAST_UNROLL
          for (int i = 0; i < N; ++i) acc[i] += value * load(weights + i * kLanes);
        }
        CNNFAST_UNROLL
        for (int i = 0; i < N; ++i) store(to + places[i], acc[i]);
      }
    }
}

using SparseScatter = void (*)(const ConvPass&, const SparseBlock&, int64_t, int64_t,
                               const SparseValue*, int32_t, const int32_t*, const float*,
                               const int64_t*, float*);
CNNFAST_INLINE SparseScatter sparse_scatter_function(int taps) {
  static constexpr SparseScatter functions[kSparseSums] = {
      sparse_scatter<1>, sparse_scatter<2>, sparse_scatter<3>, sparse_scatter<4>, sparse_scatter<5>,
      sparse_scatter<6>, sparse_scatter<7>, sparse_scatter<8>, sparse_scatter<9>};
  return functions[taps - 1];
}

// Lists, the ends of places, a panel.
struct SparseInputScratch {
  int64_t values, ends, panel;
  SparseInputScratch(const ConvPass& p, const SparseBlock& block)
      : values(2 * block.places(p) * p.group_k),
        ends(block.places(p) * sparse_channel_blocks(p)),
        panel(block.images * block.floats()) {}
};
int64_t sparse_backward_input_scratch(const ConvPass& p) {
  const SparseInputScratch s(p, SparseBlock(p));
  return s.values + s.ends + s.panel + 2 * kLanes;
}

// Of `images` images the rows [row, row + rows) of dy: dx from where earlier rows' windows end.
// Rows that both reach are taken up from dx and put back there.
void sparse_scatter_rows(const ConvPass& p, const SparseBlock& block, const float* packed,
                         float* dx, int64_t images, int64_t row, int64_t rows,
                         const SparseValue* values, const int32_t* ends, int64_t v, float* panel) {
  const SparseGroups groups(sparse_taps(p));
  const int lanes = static_cast<int>(smaller(kLanes, p.src_c - v * kLanes));
  const int64_t image_floats = p.src_h * p.src_w * p.src_c, places = images * rows * p.dst_w;
  const int64_t first_row = row * p.row_step + p.row_first;
  const int64_t shared = row > 0 ? larger(0, p.copy_rows(1) - p.row_step) : 0;
  for (int64_t image = 0; image < images; ++image) {
    float* to = panel + image * block.floats();
    sparse_panel_in(p, dx + image * image_floats, first_row, 0, shared, lanes, to);
    const int64_t taken = shared * block.cols * kLanes;
    zero_floats(to + taken, block.floats() - taken);
  }
  for (int64_t group = 0; group < groups.count; ++group) {
    const int64_t begin = groups.begin(group);
    const int size = groups.size(group);
    int64_t taps[kSparseSums];
    for (int i = 0; i < size; ++i) taps[i] = block.tap(p, begin + i);
    const float* w = packed + (v * groups.total + begin) * p.group_k * kLanes;
    for (int64_t b = 0; b < sparse_channel_blocks(p); ++b)
      sparse_scatter_function(size)(p, block, images, rows, values,
                                    b > 0 ? ends[b * places - 1] : 0, ends + b * places,
                                    w + b * kSparseChannels * size * kLanes, taps, panel);
  }
  const int64_t next = (row + rows) * p.row_step + p.row_first;
  const int64_t begin = row > 0 ? smaller(larger(first_row, 0), p.src_h) : 0;
  const int64_t end = row + rows < p.dst_h ? larger(first_row + p.copy_rows(rows), next) : p.src_h;
  for (int64_t image = 0; image < images; ++image)
    sparse_panel_out(p, block, panel + image * block.floats(), first_row, begin,
                     smaller(end, p.src_h), lanes, dx + image * image_floats);
}

void sparse_backward_input(const ConvPass& p, const float* dy, const float* packed, float* dx,
                           float* scratch, int64_t image_begin, int64_t image_end,
                           int64_t vector_begin, int64_t vector_end) {
  const SparseBlock block(p);
  const SparseInputScratch room(p, block);
  SparseValue* values = reinterpret_cast<SparseValue*>(scratch);
  int32_t* ends = reinterpret_cast<int32_t*>(scratch + room.values);
  float* panel = scratch + (room.values + room.ends + kLanes - 1) / kLanes * kLanes;
  for (int64_t image = image_begin; image < image_end; image += block.images) {
    const int64_t images = smaller(block.images, image_end - image);
    for (int64_t row = 0; row < p.dst_h; row += block.rows) {
      const int64_t rows = smaller(block.rows, p.dst_h - row);
      sparse_lists_by_place(p, dy + (image * p.dst_h + row) * p.dst_row, images, rows, values,
                            ends);
      for (int64_t v = vector_begin; v < vector_end; ++v)
        sparse_scatter_rows(p, block, packed, dx + image * p.src_h * p.src_w * p.src_c + v * kLanes,
                            images, row, rows, values, ends, v, panel);
    }
  }
}

// ---- the kernel's gradient ---------------------------------------------------------------------

// The values of some images' rows by channel, `capacity` each at most, at their places of a panel.
// `ends`: behind the last value of each.
void sparse_lists_by_channel(const ConvPass& p, const SparseBlock& block, const float* dy,
                             int64_t images, int64_t rows, int64_t capacity, SparseValue* lists,
                             SparseValue** ends) {
  for (int64_t k = 0; k < p.group_k; ++k) ends[k] = lists + k * capacity;
  for (int64_t image = 0; image < images; ++image)
    for (int64_t row = 0; row < rows; ++row) {
      const float* from = dy + (image * p.dst_h + row) * p.dst_row;
      int64_t place = image * block.floats() + row * block.row(p);
      for (int64_t col = 0; col < p.dst_w; ++col, from += p.dst_col, place += block.col(p))
        for (int64_t k = 0; k < p.group_k; k += kSparseChannels) {
          uint64_t bits = nonzero_bits(from + k, smaller(kSparseChannels, p.group_k - k));
          for (; bits; bits &= bits - 1) {
            const int64_t i = k + __builtin_ctzll(bits);
            *ends[i]++ = {static_cast<int32_t>(place), from[i]};
          }
        }
    }
}

// Sums [k][tap][lane] over the lists of some channels, for N taps `taps` from a value's place.
template <int N>
void sparse_sums(const SparseValue* lists, SparseValue* const* ends, int64_t channels,
                 int64_t capacity, const float* panel, const int64_t* taps, float* sums) {
  const float* from[N];
  for (int i = 0; i < N; ++i) from[i] = panel + taps[i];
  for (int64_t k = 0; k < channels; ++k, lists += capacity, sums += N * kLanes) {
    vf acc[N] = {};
    const SparseValue* end = ends[k];
    for (const SparseValue* each = lists; each < end; ++each) {
      const vf value = broadcast(each->value);
      const int64_t place = each->at;
      CNNFAST_UNROLL
      for (int i = 0; i < N; ++i) acc[i] += value * load(from[i] + place);
    }
    CNNFAST_UNROLL
    for (int i = 0; i < N; ++i) store(sums + i * kLanes, acc[i]);
  }
}

using SparseSums = void (*)(const SparseValue*, SparseValue* const*, int64_t, int64_t, const float*,
                            const int64_t*, float*);
CNNFAST_INLINE SparseSums sparse_sum_function(int taps) {
  static constexpr SparseSums functions[kSparseSums] = {
      sparse_sums<1>, sparse_sums<2>, sparse_sums<3>, sparse_sums<4>, sparse_sums<5>,
      sparse_sums<6>, sparse_sums<7>, sparse_sums<8>, sparse_sums<9>};
  return functions[taps - 1];
}

// Lists, their ends, a panel, the sums of a walk.
struct SparseKernelScratch {
  int64_t lists, ends, panel, sums;
  SparseKernelScratch(const ConvPass& p, const SparseBlock& block)
      : lists(2 * block.places(p) * p.group_k),
        ends((2 * p.group_k + kLanes - 1) / kLanes * kLanes),
        panel(block.images * block.floats()),
        sums(kSparseChannels * kSparseSums * kLanes) {}
};
int64_t sparse_backward_kernel_units(const ConvPass& p) {
  return sparse_vectors(p) * sparse_taps(p);
}
int64_t sparse_backward_kernel_scratch(const ConvPass& p) {
  const SparseKernelScratch s(p, SparseBlock(p));
  return s.lists + s.ends + s.panel + s.sums;
}

void sparse_bias(const ConvPass& p, const float* dy, int64_t rows, float* db) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < p.dst_w; ++col) {
      const float* from = dy + row * p.dst_row + col * p.dst_col;
      for (int64_t k = 0; k < p.group_k; k += kLanes) {
        const int lanes = static_cast<int>(smaller(kLanes, p.group_k - k));
        store_lanes(db + k, load_lanes(db + k, lanes) + load_lanes(from + k, lanes), lanes);
      }
    }
}

void sparse_backward_kernel(const ConvPass& p, const float* x, const float* dy, float* dw,
                            float* db, float* scratch, const ConvSumRegion& region, bool first) {
  const int64_t vectors = sparse_vectors(p), all_k = p.group_k;
  const int64_t image_floats = p.src_h * p.src_w * p.src_c;
  const SparseBlock block(p);
  const SparseKernelScratch room(p, block);
  const int64_t capacity = block.places(p);
  SparseValue* lists = reinterpret_cast<SparseValue*>(scratch);
  SparseValue** ends = reinterpret_cast<SparseValue**>(scratch + room.lists);
  float *panel = scratch + room.lists + room.ends, *sums = panel + room.panel;
  if (region.unit_begin > 0) db = nullptr;  // the first unit's
  if (db && first) zero_floats(db, all_k);

  // Nothing to sum still makes zeros.
  const int64_t image_end = larger(region.image_end, region.image_begin + (first ? 1 : 0));
  const int64_t row_end = larger(region.row_end, region.row_begin + (first ? 1 : 0));
  for (int64_t image = region.image_begin; image < image_end; image += block.images)
    for (int64_t row = region.row_begin; row < row_end; row += block.rows) {
      const int64_t images = larger(0, smaller(block.images, region.image_end - image));
      const int64_t rows = larger(0, smaller(block.rows, region.row_end - row));
      const float* gradient = dy + (image * p.dst_h + row) * p.dst_row;
      sparse_lists_by_channel(p, block, gradient, images, rows, capacity, lists, ends);
      for (int64_t i = 0; db && i < images; ++i)
        sparse_bias(p, gradient + i * p.dst_h * p.dst_row, rows, db);
      for (int64_t v = 0; v < vectors; ++v) {
        const int64_t lanes = smaller(kLanes, p.src_c - v * kLanes);
        // Taps of this vector among the units, unit = tap * vectors + v.
        const int64_t tap_begin = larger(0, region.unit_begin - v + vectors - 1) / vectors;
        const int64_t tap_end = larger(0, region.unit_end - v + vectors - 1) / vectors;
        if (tap_begin >= tap_end) continue;
        for (int64_t i = 0; i < images && rows > 0; ++i)
          sparse_panel_in(p, x + (image + i) * image_floats + v * kLanes,
                          row * p.row_step + p.row_first, 0, p.copy_rows(rows),
                          static_cast<int>(lanes), panel + i * block.floats());
        const SparseGroups groups(tap_end - tap_begin);
        for (int64_t group = 0; group < groups.count; ++group) {
          const int size = groups.size(group);
          const int64_t first_tap = tap_begin + groups.begin(group);
          int64_t taps[kSparseSums];
          for (int i = 0; i < size; ++i) taps[i] = block.tap(p, first_tap + i);
          for (int64_t b = 0; b < all_k; b += kSparseChannels) {
            const int64_t channels = smaller(kSparseChannels, all_k - b);
            sparse_sum_function(size)(lists + b * capacity, ends + b, channels, capacity, panel,
                                      taps, sums);
            for (int i = 0; i < size; ++i) {
              float* to = dw + ((first_tap + i) * p.src_c + v * kLanes) * all_k + b;
              for (int64_t k = 0; k < channels; k += kLanes)
                (first ? transpose_channels<false>
                       : transpose_channels<true>)(sums + (k * size + i) * kLanes, size * kLanes,
                                                   to + k, all_k, channels - k, lanes);
            }
          }
        }
      }
      first = false;
    }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
