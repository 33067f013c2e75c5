// Rectifiers whose slope below zero is an operand, and the gradient of elu.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// slope.step is 1 (a slope for each element) or 0 (one for the row).
void prelu_kernel(Grid x, Grid slope, float* y, int64_t y_row, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) {
    const float *p = x.data + r * x.row, *q = slope.data + r * slope.row;
    float* to = y + r * y_row;
    const vf fixed = broadcast(*q);
    for (int64_t i = 0; i < n; i += kLanes) {
      const int count = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
      const bool whole = count == kLanes;
      const vf v = whole ? load(p + i) : load_first(p + i, count);
      const vf a = slope.step == 0 ? fixed : whole ? load(q + i) : load_first(q + i, count);
      const vf result = select(v < 0.0f, v * a, v);
      if (whole)
        store(to + i, result);
      else
        store_first(to + i, result, count);
    }
  }
}

// dx = dy, or slope * dy where x < 0; dslope = x * dy there, else 0, of every element (it may be
// null). Both operands are read before anything is stored, so either may be written over.
void prelu_backward_kernel(Grid x, Grid slope, Grid dy, float* dx, float* dslope, int64_t dx_row,
                           int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) {
    const float *p = x.data + r * x.row, *q = slope.data + r * slope.row;
    const float* g = dy.data + r * dy.row;
    const vf fixed = broadcast(*q);
    for (int64_t i = 0; i < n; i += kLanes) {
      const int count = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
      const bool whole = count == kLanes;
      const vf v = whole ? load(p + i) : load_first(p + i, count);
      const vf d = whole ? load(g + i) : load_first(g + i, count);
      const vf a = slope.step == 0 ? fixed : whole ? load(q + i) : load_first(q + i, count);
      const vi below = v < 0.0f;
      const vf to_x = select(below, d * a, d), to_slope = select(below, v * d, vf{});
      if (whole) {
        store(dx + r * dx_row + i, to_x);
        if (dslope) store(dslope + r * dx_row + i, to_slope);
      } else {
        store_first(dx + r * dx_row + i, to_x, count);
        if (dslope) store_first(dslope + r * dx_row + i, to_slope, count);
      }
    }
  }
}

void fill_prelu(ElementwiseKernels& table) {
  table.prelu = prelu_kernel;
  table.prelu_backward = prelu_backward_kernel;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
