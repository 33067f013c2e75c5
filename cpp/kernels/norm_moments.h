// Sums down the columns of a matrix: moments, and what the gradient of a normalisation needs.
//
// Rows are taken in blocks that stay in the first cache (32 rows of 4 vectors: 4 KiB with AVX2)
// and are read twice there: once for the block's mean, once for the deviations from it. Blocks are
// merged as Chan, Golub & LeVeque (The American Statistician 37, 1983) merge two samples. All of
// it happens to x minus the column's first value, so that neither a large mean nor an outlier in
// the first row costs digits of the variance, as E[x^2] - E[x]^2 does.
#pragma once

#include "kernels/norm_table.h"
#include "kernels/train_rows.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int64_t kNormBlock = 32;

// One block of one panel. Registers: accumulators, first values and means of 4 vectors, 12 of 16.
// `before`: rows of the blocks already merged.
template <int kVectors>
CNNFAST_INLINE void moments_panel(const float* x, const float* first, int64_t rows, int64_t stride,
                                  int n, int64_t before, float* mean, float* squares) {
  const auto load_vector = [n](const float* p) __attribute__((always_inline)) {
    return kVectors == 1 ? load_some(p, n) : load(p);
  };
  vf shift[kVectors], total[kVectors], centre[kVectors], square[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    shift[v] = load_vector(first + v * kLanes);
    total[v] = square[v] = vf{};
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int v = 0; v < kVectors; ++v)
      total[v] += load_vector(x + r * stride + v * kLanes) - shift[v];
  const float each = 1.0f / static_cast<float>(rows);
  for (int v = 0; v < kVectors; ++v) centre[v] = total[v] * each;
  for (int64_t r = 0; r < rows; ++r)
    for (int v = 0; v < kVectors; ++v) {
      const vf d = (load_vector(x + r * stride + v * kLanes) - shift[v]) - centre[v];
      square[v] += d * d;
    }
  const float weight = static_cast<float>(rows) / static_cast<float>(before + rows);
  const float spread = static_cast<float>(before) * weight;
  for (int v = 0; v < kVectors; ++v) {
    if (before > 0) {
      const vf old = load_vector(mean + v * kLanes), d = centre[v] - old;
      centre[v] = old + d * weight;
      square[v] += load_vector(squares + v * kLanes) + d * d * spread;
    }
    if (kVectors == 1) {
      store_some(mean + v * kLanes, centre[v], n);
      store_some(squares + v * kLanes, square[v], n);
    } else {
      store(mean + v * kLanes, centre[v]);
      store(squares + v * kLanes, square[v]);
    }
  }
}

void norm_moments(const NormMoments& m) {
  for (int64_t r = 0; r < m.rows; r += kNormBlock) {
    const int64_t rows = m.rows - r < kNormBlock ? m.rows - r : kNormBlock;
    const float* x = m.x + r * m.columns;
    int64_t c = 0;
    for (; c + 4 * kLanes <= m.columns; c += 4 * kLanes)
      moments_panel<4>(x + c, m.x + c, rows, m.columns, kLanes, r, m.mean + c, m.squares + c);
    for (; c + kLanes <= m.columns; c += kLanes)
      moments_panel<1>(x + c, m.x + c, rows, m.columns, kLanes, r, m.mean + c, m.squares + c);
    if (c < m.columns)
      moments_panel<1>(x + c, m.x + c, rows, m.columns, static_cast<int>(m.columns - c), r,
                       m.mean + c, m.squares + c);
  }
}

// dy behind the activation.
CNNFAST_INLINE vf masked(vf dy, vf x, vf scale, vf shift, float alpha) {
  return select(x * scale + shift > 0.0f, dy, dy * alpha);
}

template <int kVectors, bool kMask>
CNNFAST_INLINE void sums_panel(const NormSums& s, int64_t row, int64_t rows, int64_t c, int n) {
  const auto load_vector = [n](const float* p) __attribute__((always_inline)) {
    return kVectors == 1 ? load_some(p, n) : load(p);
  };
  vf centre[kVectors], scale[kVectors], shift[kVectors], total[kVectors], product[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    centre[v] = load_vector(s.centre + c + v * kLanes);
    if constexpr (kMask) {
      scale[v] = load_vector(s.mask.scale + c + v * kLanes);
      shift[v] = load_vector(s.mask.shift + c + v * kLanes);
    }
    total[v] = product[v] = vf{};
  }
  for (int64_t r = row; r < row + rows; ++r)
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = r * s.columns + c + v * kLanes;
      const vf x = load_vector(s.x + at) - centre[v];
      vf dy = load_vector(s.dy + at);
      if constexpr (kMask) dy = masked(dy, x, scale[v], shift[v], s.mask.alpha);
      total[v] += dy;
      product[v] += dy * x;
    }
  for (int v = 0; v < kVectors; ++v) {
    float* to = s.sum_dy + c + v * kLanes;
    float* to_x = s.sum_dy_x + c + v * kLanes;
    if (row > 0) {
      total[v] += load_vector(to);
      product[v] += load_vector(to_x);
    }
    if (kVectors == 1) {
      store_some(to, total[v], n);
      store_some(to_x, product[v], n);
    } else {
      store(to, total[v]);
      store(to_x, product[v]);
    }
  }
}

template <bool kMask>
void norm_sums_as(const NormSums& s) {
  // With a mask five registers belong to a vector, so that two of them fit.
  constexpr int kVectors = kMask ? 2 : 4;
  for (int64_t r = 0; r < s.rows; r += kNormBlock) {
    const int64_t rows = s.rows - r < kNormBlock ? s.rows - r : kNormBlock;
    int64_t c = 0;
    for (; c + kVectors * kLanes <= s.columns; c += kVectors * kLanes)
      sums_panel<kVectors, kMask>(s, r, rows, c, kLanes);
    for (; c + kLanes <= s.columns; c += kLanes) sums_panel<1, kMask>(s, r, rows, c, kLanes);
    if (c < s.columns) sums_panel<1, kMask>(s, r, rows, c, static_cast<int>(s.columns - c));
  }
}

void norm_sums(const NormSums& s) {
  if (s.mask.scale != nullptr)
    norm_sums_as<true>(s);
  else
    norm_sums_as<false>(s);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
