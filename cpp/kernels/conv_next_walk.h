// Reading ahead while sums run in cache.
#pragma once

#include "kernels/conv_sum_tile.h"
#include "kernels/conv_table.h"
#include "kernels/prefetch.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// What the next walk most likely reads, the rows or images behind this one's: asked for while this
// walk sums, which itself reads panels only. Where there is nothing, nothing is fetched.
class NextWalk {
 public:
  NextWalk(const ConvPass& p, const float* x, const float* dy, const ConvSumRegion& region) {
    const int64_t images = region.image_end - region.image_begin;
    const int64_t rows = region.row_end - region.row_begin;
    const int64_t x_row = p.src_w * p.src_c * static_cast<int64_t>(sizeof(float));
    const int64_t dy_row = p.dst_row * static_cast<int64_t>(sizeof(float));
    const bool all_rows = rows == p.dst_h;
    at_[0] = reinterpret_cast<uintptr_t>(x) +
             static_cast<uintptr_t>(
                 x_row * (all_rows ? region.image_end * p.src_h
                                   : region.image_begin * p.src_h + region.row_end * p.row_step));
    lines_[0] = images * x_row * (all_rows ? p.src_h : rows * p.row_step) / 64;
    at_[1] = reinterpret_cast<uintptr_t>(dy) +
             static_cast<uintptr_t>(dy_row * (region.image_begin * p.dst_h + images * rows +
                                              (all_rows ? 0 : region.row_begin)));
    lines_[1] = images * rows * dy_row / 64;
  }
  // A share of it; the larger operand's bit by bit with the steps of the tile, if they suffice.
  void prefetch(int64_t share, int64_t of, SumTile& t) const {
    const int large = lines_[1] >= lines_[0];
    const int64_t floats = lines_[large] * 16 / of, steps = t.images * t.rows * t.cols;
    const bool asks = kAsksBitByBit && floats <= 16 * steps;
    t.next = nullptr;
    t.next_step = 0;
    if (asks && steps > 0) {
      t.next = reinterpret_cast<const float*>(at_[large]) + share * floats;
      t.next_step = (floats + steps - 1) / steps;
    }
    for (int i = 0; i < 2; ++i)
      if (!asks || i != large)
        prefetch_share<2>(reinterpret_cast<const float*>(at_[i]), lines_[i] * 16, share, of);
  }

 private:
  uintptr_t at_[2];
  int64_t lines_[2];
};

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
