// The gradient of a kernel with few destination channels (a first layer's six): vectors over the
// pixels of a row, as conv_planar.h has them. A sum for each tap and channel is a vector, too,
// until all images are in; only then are its lanes added up.
//   AVX-512, 6 channels: 4 taps x 6 = 24 accumulators + 4 of x + 1 of dy of 32
//   AVX2, 6 channels: 2 x 6 + 2 + 1 of 16
#pragma once

#include "kernels/conv_planar.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Taps (of one source channel each) that a tile holds next to k destination channels.
constexpr int planar_taps(int k) {
  const int fit = (kRegisters - 1) / (k + 1);
  return fit < 7 ? fit : 7;
}

CNNFAST_INLINE int64_t planar_vectors(const ConvPass& p) {  // of a row of dy
  return (p.dst_w + kLanes - 1) / kLanes;
}
CNNFAST_INLINE int64_t planar_sums(const ConvPass& p) {  // vectors, the last lanes' sums whole
  return (p.reduction() * p.group_k + kLanes - 1) / kLanes * kLanes;
}

int64_t planar_backward_kernel_scratch(const ConvPass& p, int64_t, int64_t rows) {
  return (planar_sums(p) + p.group_k + rows * planar_vectors(p) * p.group_k) * kLanes +
         p.copy_rows(rows) * p.src_c * planar_width(p) + kLanes;
}

// Rows of dy, [row][vector][channel][lane], zeros behind the last pixel; db gets their sums.
template <int K>
void split_gradient(const ConvPass& p, const float* dy, int64_t rows, float* to, float* db) {
  vf sums[K];
  CNNFAST_UNROLL
  for (int k = 0; k < K; ++k) sums[k] = load(db + k * kLanes);
  for (int64_t row = 0; row < rows; ++row, dy += p.dst_row)
    for (int64_t col = 0; col < p.dst_w; col += kLanes, to += K * kLanes) {
      vf planes[K];
      load_planes<K>(dy + col * K, static_cast<int>(smaller(kLanes, p.dst_w - col)), planes);
      CNNFAST_UNROLL
      for (int k = 0; k < K; ++k) {
        store(to + k * kLanes, planes[k]);
        sums[k] += planes[k];
      }
    }
  CNNFAST_UNROLL
  for (int k = 0; k < K; ++k) store(db + k * kLanes, sums[k]);
}

struct PlanarSum {
  const float* x;
  int64_t x_row;
  int64_t offset[7];  // of the taps, floats
  const float* dy;
  int64_t rows, vectors;
  int last;  // pixels of a row's last vector
  float* sums;
};

template <int B, int K>
void planar_sum_tile(const PlanarSum& t) {
  vf acc[B][K];
  CNNFAST_UNROLL
  for (int b = 0; b < B; ++b) CNNFAST_UNROLL
  for (int k = 0; k < K; ++k) acc[b][k] = load(t.sums + (b * K + k) * kLanes);
  const float* dy = t.dy;
  const auto step = [&](const vf(&x)[B]) __attribute__((always_inline)) {
    CNNFAST_UNROLL
    for (int k = 0; k < K; ++k) {
      const vf d = load(dy + k * kLanes);
      CNNFAST_UNROLL
      for (int b = 0; b < B; ++b) acc[b][k] += x[b] * d;
    }
    dy += K * kLanes;
  };
  for (int64_t row = 0; row < t.rows; ++row) {
    const float* x = t.x + row * t.x_row;
    for (int64_t v = t.vectors; v > 1; --v, x += kLanes) {
      vf pixels[B];
      CNNFAST_UNROLL
      for (int b = 0; b < B; ++b) pixels[b] = load(x + t.offset[b]);
      step(pixels);
    }
    // What lies behind the row's last pixel may be infinite, and no zero makes that vanish.
    vf pixels[B];
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) pixels[b] = load_first(x + t.offset[b], t.last);
    step(pixels);
  }
  CNNFAST_UNROLL
  for (int b = 0; b < B; ++b) CNNFAST_UNROLL
  for (int k = 0; k < K; ++k) store(t.sums + (b * K + k) * kLanes, acc[b][k]);
}

template <int K, int B = planar_taps(K)>
void planar_sum(const PlanarSum& t, int64_t taps) {
  if constexpr (B > 1) {
    if (taps < B) {
      planar_sum<K, B - 1>(t, taps);
      return;
    }
  }
  planar_sum_tile<B, K>(t);
}

// to[i] (+)= the sum of vector i.
CNNFAST_INLINE void add_lane_sums(const float* vectors, int64_t count, bool first, float* to) {
  for (int64_t i = 0; i < count; i += kLanes, vectors += kLanes * kLanes) {
    const int lanes = static_cast<int>(smaller(kLanes, count - i));
    vf sums[kLanes];
    CNNFAST_UNROLL
    for (int j = 0; j < kLanes; ++j) sums[j] = j < lanes ? load(vectors + j * kLanes) : vf{};
    const vf sum = sum_each<kLanes>(sums);
    store_lanes(to + i, first ? sum : load_lanes(to + i, lanes) + sum, lanes);
  }
}

template <int K>
void planar_backward_kernel_of(const ConvPass& p, const float* x, const float* dy, float* dw,
                               float* db, float* scratch, const ConvSumRegion& region, bool first) {
  const int64_t width = planar_width(p), row_floats = p.src_c * width;
  const int64_t rows = region.row_end - region.row_begin;
  const int64_t taps = p.reduction(), most = planar_taps(K);
  const int64_t tiles = (taps + most - 1) / most;
  float* sums = scratch;
  float* bias_sums = sums + planar_sums(p) * kLanes;
  float* gradient = bias_sums + K * kLanes;
  float* planes = gradient + rows * planar_vectors(p) * K * kLanes;
  zero_floats(sums, (planar_sums(p) + K) * kLanes);
  PlanarSum t{};
  t.x = planes;
  t.x_row = p.row_step * row_floats;
  t.dy = gradient;
  t.rows = p.dst_w > 0 ? rows : 0;
  t.vectors = planar_vectors(p);
  t.last = static_cast<int>(p.dst_w - (t.vectors - 1) * kLanes);
  for (int64_t image = region.image_begin; image < region.image_end; ++image) {
    const float* source = x + image * p.src_h * p.src_w * p.src_c;
    const int64_t first_row = region.row_begin * p.row_step + p.row_first;
    split_rows(p, source, first_row, p.copy_rows(rows), planes, width, image > region.image_begin);
    split_gradient<K>(p, dy + image * p.dst_h * p.dst_row + region.row_begin * p.dst_row, rows,
                      gradient, bias_sums);
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t begin = tile * taps / tiles, end = (tile + 1) * taps / tiles;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t tap = i / p.src_c, channel = i % p.src_c;
        t.offset[i - begin] = tap / p.col_taps * p.row_tap_step * row_floats + channel * width +
                              tap % p.col_taps * p.col_tap_step;
      }
      t.sums = sums + begin * K * kLanes;
      planar_sum<K>(t, end - begin);
    }
  }
  add_lane_sums(sums, taps * K, first, dw);
  if (db) add_lane_sums(bias_sums, K, first, db);
}

void planar_backward_kernel(const ConvPass& p, const float* x, const float* dy, float* dw,
                            float* db, float* scratch, const ConvSumRegion& region, bool first) {
  const auto call = [&](auto f) { f(p, x, dy, dw, db, scratch, region, first); };
  switch (p.group_k) {
    case 1:
      return call(planar_backward_kernel_of<1>);
    case 2:
      return call(planar_backward_kernel_of<2>);
#if defined(__AVX2__)
    case 3:
      return call(planar_backward_kernel_of<3>);
    case 4:
      return call(planar_backward_kernel_of<4>);
    case 5:
      return call(planar_backward_kernel_of<5>);
    case 6:
      return call(planar_backward_kernel_of<6>);
#endif
#if defined(__AVX512F__)
    case 7:
      return call(planar_backward_kernel_of<7>);
    case 8:
      return call(planar_backward_kernel_of<8>);
#endif
    default:
      break;
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
