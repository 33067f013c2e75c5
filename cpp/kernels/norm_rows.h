// Normalisation of rows: layer normalisation and its gradient. A row is read several times, all
// but the first from the cache.
#pragma once

#include "kernels/norm_table.h"
#include "kernels/train_rows.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Sum over a row of f(first column, lanes), a vector that is 0 behind its lanes. Blocks of 1,024
// columns are added in double, so that the error does not grow with the row.
template <class F>
CNNFAST_INLINE double row_total(int64_t columns, F f) {
  double total = 0;
  for (int64_t begin = 0; begin < columns; begin += 1024) {
    const int64_t size = columns - begin < 1024 ? columns - begin : 1024;
    vf a = {}, b = {};  // two chains of additions hide their latency
    int64_t c = 0;
    for (; c + 2 * kLanes <= size; c += 2 * kLanes) {
      a += f(begin + c, kLanes);
      b += f(begin + c + kLanes, kLanes);
    }
    for (; c < size; c += kLanes)
      a += f(begin + c, size - c < kLanes ? static_cast<int>(size - c) : kLanes);
    total += static_cast<double>(sum(a + b));
  }
  return total;
}

CNNFAST_INLINE double row_inverse_deviation(float variance, double epsilon) {
  return 1 / __builtin_sqrt(static_cast<double>(variance) + epsilon);
}

void norm_rows(const NormRows& p) {
  const double n = static_cast<double>(p.columns);
  for (int64_t r = 0; r < p.rows; ++r) {
    const float* x = p.x + r * p.columns;
    float* y = p.y + r * p.columns;
    // About the first value, so that a large mean costs no digits.
    const float first = x[0];
    const double from_first =
        row_total(p.columns,
                  [&](int64_t c, int lanes) __attribute__((always_inline)) {
                    return first_lanes(load_some(x + c, lanes) - first, vf{}, lanes);
                  }) /
        n;
    const float centre = static_cast<float>(from_first);
    const double squares =
        row_total(p.columns, [&](int64_t c, int lanes) __attribute__((always_inline)) {
          const vf d = first_lanes((load_some(x + c, lanes) - first) - centre, vf{}, lanes);
          return d * d;
        });
    const double mean = static_cast<double>(first) + from_first;
    const float high = static_cast<float>(mean);
    const float low = static_cast<float>(mean - static_cast<double>(high));
    const float variance = static_cast<float>(squares / n);
    const float scale = static_cast<float>(row_inverse_deviation(variance, p.epsilon));
    const float shift = -low * scale;
    for_classes(p.columns, [&](int64_t c, int lanes) __attribute__((always_inline)) {
      const vf normal = (load_some(x + c, lanes) - high) * scale + shift;
      store_some(y + c, normal * load_some(p.gamma + c, lanes) + load_some(p.beta + c, lanes),
                 lanes);
    });
    p.mean[r] = high;
    p.mean_low[r] = low;
    p.variance[r] = variance;
  }
}

void norm_rows_gradient(const NormRowsGradient& p) {
  const double n = static_cast<double>(p.columns);
  for (int64_t r = 0; r < p.rows; ++r) {
    const float *x = p.x + r * p.columns, *dy = p.dy + r * p.columns;
    const float high = p.mean[r];
    const double inverse = row_inverse_deviation(p.variance[r], p.epsilon);
    const float scale = static_cast<float>(inverse);
    const float shift = -p.mean_low[r] * scale;
    const auto normal = [&](int64_t c, int lanes) __attribute__((always_inline)) {
      return (load_some(x + c, lanes) - high) * scale + shift;
    };
    for_classes(p.columns, [&](int64_t c, int lanes) __attribute__((always_inline)) {
      const vf g = load_some(dy + c, lanes), product = g * normal(c, lanes);
      store_some(p.dbeta + c, r == 0 ? g : load_some(p.dbeta + c, lanes) + g, lanes);
      store_some(p.dgamma + c, r == 0 ? product : load_some(p.dgamma + c, lanes) + product, lanes);
    });
    if (p.dx == nullptr) continue;
    const double total =
        row_total(p.columns, [&](int64_t c, int lanes) __attribute__((always_inline)) {
          return load_some(dy + c, lanes) * load_some(p.gamma + c, lanes);
        });
    const double along =
        row_total(p.columns, [&](int64_t c, int lanes) __attribute__((always_inline)) {
          const vf g = load_some(dy + c, lanes) * load_some(p.gamma + c, lanes);
          return first_lanes(g * normal(c, lanes), vf{}, lanes);
        });
    const float mean = static_cast<float>(total / n), slope = static_cast<float>(along / n);
    float* dx = p.dx + r * p.columns;
    for_classes(p.columns, [&](int64_t c, int lanes) __attribute__((always_inline)) {
      const vf g = load_some(dy + c, lanes) * load_some(p.gamma + c, lanes);
      store_some(dx + c, (g - mean - normal(c, lanes) * slope) * scale, lanes);
    });
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
