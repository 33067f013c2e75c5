// Rows that are weighted sums of a few other rows.
#pragma once

#include "kernels/sample_table.h"
#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Rows of one element (grey images, the last axis itself): no vector has two of them to hold.
void sparse_elements(const float* x, const int64_t* starts, const int64_t* offsets,
                     const float* weights, float* y, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    float total = 0.0f;
    for (int64_t k = starts[r]; k < starts[r + 1]; ++k) total += weights[k] * x[offsets[k]];
    y[r] = total;
  }
}

void sparse_rows_kernel(const float* x, const int64_t* starts, const int64_t* offsets,
                        const float* weights, float* y, int64_t rows, int64_t n) {
  if (n == 1) return sparse_elements(x, starts, offsets, weights, y, rows);
  for (int64_t r = 0; r < rows; ++r, y += n) {
    const int64_t first = starts[r], last = starts[r + 1];
    int64_t j = 0;
    // Two vectors at a time hide half of the additions' latency where a row has many terms.
    for (; j + 2 * kLanes <= n; j += 2 * kLanes) {
      vf a = {}, b = {};
      for (int64_t k = first; k < last; ++k) {
        const float* from = x + offsets[k] + j;
        const vf w = broadcast(weights[k]);
        a += w * load(from);
        b += w * load(from + kLanes);
      }
      store(y + j, a);
      store(y + j + kLanes, b);
    }
    for (; j < n; j += kLanes) {
      const int count = n - j < kLanes ? static_cast<int>(n - j) : kLanes;
      vf a = {};
      for (int64_t k = first; k < last; ++k) {
        const float* from = x + offsets[k] + j;
        a += broadcast(weights[k]) * (count == kLanes ? load(from) : load_first(from, count));
      }
      if (count == kLanes)
        store(y + j, a);
      else
        store_first(y + j, a, count);
    }
  }
}

void fill_sparse_rows(SampleKernels& table) { table.sparse_rows = sparse_rows_kernel; }

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
