// Transposes a matrix of 4-byte elements in square blocks that live in registers.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/lane_transpose.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Blocks of 4 x 4 squares (64 x 64 floats at most, 32 KiB with both sides) are done before the next
// so that every cache line of either side is used up while it is there.
void transpose_kernel(const float* x, int64_t x_stride, float* y, int64_t y_stride, int64_t rows,
                      int64_t columns) {
  constexpr int64_t kTile = 4 * kLanes;
  for (int64_t i0 = 0; i0 < rows; i0 += kTile) {
    const int64_t i1 = i0 + kTile < rows ? i0 + kTile : rows;
    for (int64_t j0 = 0; j0 < columns; j0 += kTile) {
      const int64_t j1 = j0 + kTile < columns ? j0 + kTile : columns;
      for (int64_t j = j0; j < j1; j += kLanes) {
        for (int64_t i = i0; i < i1; i += kLanes) {
          const float* from = x + i * x_stride + j;
          float* to = y + j * y_stride + i;
          if (i + kLanes <= i1 && j + kLanes <= j1) {
            transpose_square(from, x_stride, to, y_stride);
          } else {
            const int64_t height = i1 - i < kLanes ? i1 - i : kLanes;
            const int64_t width = j1 - j < kLanes ? j1 - j : kLanes;
            transpose_part(from, x_stride, to, y_stride, static_cast<int>(height),
                           static_cast<int>(width));
          }
        }
      }
    }
  }
}

void fill_transpose(ElementwiseKernels& table) { table.transpose = transpose_kernel; }

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
