// The gradient of the input: each value times its weights, added to the places that it read.
#pragma once

#include "kernels/conv_sparse.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

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

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
