// The gradient of the kernel: of each channel of dy the values, times what their taps read.
#pragma once

#include "kernels/conv_sparse.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

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
