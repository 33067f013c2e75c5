// Convolution to few channels (a first layer's six, or the gradient of a grey or coloured image):
// a vector over channels would stay mostly empty, so vectors run over the pixels of a row. Source
// rows are turned into one plane per channel first, results turned back into NHWC at the end, or
// pooled first.
//   AVX-512, 6 channels: 6 x 2 vectors x 2 rows = 24 accumulators + 4 of x + 1 weight of 32
//   AVX2, 6 channels: 6 x 1 x 2 = 12 + 2 + 1 of 16
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_table.h"
#include "kernels/lane_interleave.h"
#include "kernels/lane_transpose.h"
#include "kernels/vector_activation.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int kPlanarChannels = kLanes == 8 ? 6 : kLanes / 2;  // most destination channels
constexpr int kPlanarVectors = kRegisters == 32 ? 2 : 1;

// Rows made at once by a tile of k channels.
constexpr int planar_rows(int k) {
  if (kRegisters == 32) return k <= 2 ? 4 : k <= 6 ? 2 : 1;
  return k <= 2 ? 4 : 2;
}

// Whether NHWC becomes planes, and planes NHWC, by interleaving: AVX2 takes three instructions for
// a step of that, so that transposing squares and storing them over each other is quicker there.
constexpr bool kInterleaves = kLanes == 16;

// C planes of `pixels` <= kLanes pixels, zeros behind.
template <int C>
CNNFAST_INLINE void load_planes(const float* x, int pixels, vf* planes) {
  if constexpr (kInterleaves || C == 1) {
    vf vectors[C];
    CNNFAST_UNROLL
    for (int i = 0; i < C; ++i) {
      const int left = pixels * C - i * kLanes;
      vectors[i] = left > 0 ? load_lanes(x + i * kLanes, left < kLanes ? left : kLanes) : vf{};
    }
    deinterleave<C>(vectors, planes);
  } else {
    vf rows[kLanes];
    CNNFAST_UNROLL
    for (int i = 0; i < kLanes; ++i) rows[i] = i < pixels ? load_first(x + i * C, C) : vf{};
    transpose(rows);
    CNNFAST_UNROLL
    for (int c = 0; c < C; ++c) planes[c] = rows[c];
  }
}

template <int C>
void split_pixels_of(const float* x, int64_t pixels, float* to, int64_t width) {
  for (int64_t col = 0; col < pixels; col += kLanes) {
    const int count = static_cast<int>(smaller(kLanes, pixels - col));
    vf planes[C];
    load_planes<C>(x + col * C, count, planes);
    CNNFAST_UNROLL
    for (int c = 0; c < C; ++c) store_lanes(to + c * width + col, planes[c], count);
  }
}

// Pixels of few channels into planes of `width` floats; false where there are too many channels.
CNNFAST_INLINE bool split_few_channels(const float* x, int64_t channels, int64_t pixels, float* to,
                                       int64_t width) {
  if (!kInterleaves) return false;
  switch (channels) {
    case 2:
      split_pixels_of<2>(x, pixels, to, width);
      return true;
    case 3:
      split_pixels_of<3>(x, pixels, to, width);
      return true;
    case 4:
      split_pixels_of<4>(x, pixels, to, width);
      return true;
    case 6:
      split_pixels_of<6>(x, pixels, to, width);
      return true;
    case 8:
      split_pixels_of<8>(x, pixels, to, width);
      return true;
    default:
      return false;
  }
}

CNNFAST_INLINE int64_t planar_width(const ConvPass& p) {
  const int64_t step = kPlanarVectors * kLanes;
  return (p.dst_w * p.places() + step - 1) / step * step + (p.col_taps - 1) * p.col_tap_step +
         kLanes;
}

int64_t planar_scratch(const ConvPass& p) {
  return p.copy_rows(p.block_rows) * p.src_c * planar_width(p) + kLanes;
}

// The inside of one source row, columns from col_first on -> planes of `width` floats.
CNNFAST_INLINE void split_row(const ConvPass& p, const float* src, int64_t row, float* to,
                              int64_t width) {
  const int64_t cols = smaller(width, p.copy_w), channels = p.src_c;
  const int64_t left = smaller(cols, larger(0, -p.col_first));
  const int64_t begin = larger(p.col_first, 0);
  const int64_t inside = larger(0, smaller(p.col_first + cols, p.src_w) - begin);
  const float* x = src + (row * p.src_w + begin) * channels;
  to += left;
  if (channels == 1) {
    copy_floats(to, x, inside);
    return;
  }
  if (split_few_channels(x, channels, inside, to, width)) return;
  for (int64_t col = 0; col < inside; col += kLanes) {
    const int pixels = static_cast<int>(smaller(kLanes, inside - col));
    for (int64_t c = 0; c < channels; c += kLanes) {
      const int lanes = static_cast<int>(smaller(kLanes, channels - c));
      vf rows[kLanes];
      CNNFAST_UNROLL
      for (int i = 0; i < kLanes; ++i)
        rows[i] = i < pixels ? load_lanes(x + (col + i) * channels + c, lanes) : vf{};
      transpose(rows);
      if (pixels == kLanes && lanes == kLanes) {
        CNNFAST_UNROLL
        for (int i = 0; i < kLanes; ++i) store(to + (c + i) * width + col, rows[i]);
      } else {
        for (int i = 0; i < lanes; ++i) store_lanes(to + (c + i) * width + col, rows[i], pixels);
      }
    }
  }
}

// Source rows [first_row, first_row + rows) as planes of `width` floats. What lies outside the
// source is zero; `zeroed`: but for rows, it is already.
CNNFAST_INLINE void split_rows(const ConvPass& p, const float* src, int64_t first_row, int64_t rows,
                               float* to, int64_t width, bool zeroed) {
  const int64_t channels = p.src_c, floats = channels * width;
  if (!zeroed) zero_floats(to, rows * floats);
  for (int64_t row = first_row; row < first_row + rows; ++row, to += floats) {
    if (row >= 0 && row < p.src_h)
      split_row(p, src, row, to, width);
    else if (zeroed)
      zero_floats(to, floats);
  }
}

struct PlanarTile {
  const float* x;
  int64_t plane, row_step, tap_row, tap_col;  // floats
  int64_t rows, cols, channels;               // taps down, across, source channels
  const float* w;
  int64_t w_step;
  float* y;
  int64_t y_row, y_col;
  int64_t pixels;   // of this tile: at most V vectors
  int64_t row_end;  // pixels from y's first to the end of its row
  const float* bias;
  ActivationKind activation;
  float alpha;
  PoolKind pool;
};

template <int K>
CNNFAST_INLINE void store_interleaved(const vf* planes, float* y, int floats) {
  vf out[K];
  interleave<K>(planes, out);
  CNNFAST_UNROLL
  for (int o = 0; o < K; ++o)
    if (floats > o * kLanes)
      store_lanes(y + o * kLanes, out[o],
                  floats - o * kLanes < kLanes ? floats - o * kLanes : kLanes);
}

// Stores `pixels` <= kLanes of K channels, `left` pixels in front of the end of their row.
template <int K>
CNNFAST_INLINE void store_planes(const PlanarTile& t, vf (&planes)[kLanes], float* y, int pixels,
                                 int64_t left) {
  if (K == 1 && t.y_col == 1) return store_lanes(y, planes[0], pixels);
  if constexpr (kInterleaves) {
    if (t.y_col == K) return store_interleaved<K>(planes, y, pixels * K);
  }
  CNNFAST_UNROLL
  for (int k = K; k < kLanes; ++k) planes[k] = vf{};
  transpose(planes);
  // Whole vectors where they stay inside the row: what they write too much, the next pixels
  // overwrite.
  const int64_t whole = t.y_col == K ? left * K - kLanes : -1;
  for (int i = 0; i < pixels; ++i) {
    if (i * K <= whole) {
      store(y + i * K, planes[i]);
    } else {
      store_first(y + i * t.y_col, planes[i], K);
    }
  }
}

// Of max pooling NaN wins.
CNNFAST_INLINE vf pooled(PoolKind pool, vf a, vf b) {
  return pool == PoolKind::average ? a + b : (a > b) | (a != a) ? a : b;
}

// Two rows of V vectors of pixels of one channel -> half as many pixels.
template <int V>
CNNFAST_INLINE vf pooled_rows(PoolKind pool, const vf (&above)[V], const vf (&below)[V]) {
  vi even = {}, odd = {};
  CNNFAST_UNROLL
  for (int i = 0; i < kLanes; ++i) {
    even[i] = 2 * i % (V * kLanes);
    odd[i] = even[i] + 1;
  }
  vf both[V];
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) both[v] = pooled(pool, above[v], below[v]);
  const vf one =
      pooled(pool, permute(both[0], both[V - 1], even), permute(both[0], both[V - 1], odd));
  return pool == PoolKind::average ? one * 0.25f : one;
}

// K destination channels, V vectors of pixels, R rows. `Pools`: R is 2, and windows of 2 x 2 make
// one pixel each.
template <int K, int V, int R, bool Pools>
void planar_tile(const PlanarTile& t) {
  vf acc[K][R][V];
  CNNFAST_UNROLL
  for (int k = 0; k < K; ++k) {
    const vf bias = broadcast(t.bias ? t.bias[k] : 0.0f);
    CNNFAST_UNROLL
    for (int r = 0; r < R; ++r) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) acc[k][r][v] = bias;
  }
  const float* w = t.w;
  for (int64_t i = 0; i < t.rows; ++i)
    for (int64_t j = 0; j < t.cols; ++j) {
      const float* x = t.x + i * t.tap_row + j * t.tap_col;
      for (int64_t c = 0; c < t.channels; ++c, x += t.plane, w += t.w_step) {
        vf d[R][V];
        CNNFAST_UNROLL
        for (int r = 0; r < R; ++r) CNNFAST_UNROLL
        for (int v = 0; v < V; ++v) d[r][v] = load(x + r * t.row_step + v * kLanes);
        CNNFAST_UNROLL
        for (int k = 0; k < K; ++k) {
          const vf weight = broadcast(w[k]);
          CNNFAST_UNROLL
          for (int r = 0; r < R; ++r) CNNFAST_UNROLL
          for (int v = 0; v < V; ++v) acc[k][r][v] += d[r][v] * weight;
        }
      }
    }
  vf planes[kLanes];
  if constexpr (Pools) {
    CNNFAST_UNROLL
    for (int k = 0; k < K; ++k) {
      CNNFAST_UNROLL
      for (int r = 0; r < R; ++r) CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) acc[k][r][v] = activated(acc[k][r][v], t.activation, t.alpha);
      planes[k] = pooled_rows<V>(t.pool, acc[k][0], acc[k][1]);
    }
    store_planes<K>(t, planes, t.y, static_cast<int>(t.pixels), t.row_end);
    return;
  }
  CNNFAST_UNROLL
  for (int r = 0; r < R; ++r) {
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      const int64_t first = v * kLanes;
      const int pixels = static_cast<int>(smaller(kLanes, t.pixels - first));
      if (pixels <= 0) continue;
      CNNFAST_UNROLL
      for (int k = 0; k < K; ++k) planes[k] = activated(acc[k][r][v], t.activation, t.alpha);
      store_planes<K>(t, planes, t.y + r * t.y_row + first * t.y_col, pixels, t.row_end - first);
    }
  }
}

// Pixels of two rows and of two vectors each become one; with more than 6 channels there are
// registers for a vector.
constexpr int pool_vectors(int k) { return k <= 6 ? kPlanarVectors : 1; }

template <int K>
void planar_pooled_rows_of(const ConvPass& p, PlanarTile t, int64_t rows) {
  constexpr int kVectors = pool_vectors(K), kStep = kVectors * kLanes / 2;
  const float* x = t.x;
  float* y = t.y;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < p.dst_w; col += kStep) {
      t.pixels = smaller(kStep, p.dst_w - col);
      t.row_end = p.dst_w - col;
      t.x = x + 2 * row * t.row_step + 2 * col;
      t.y = y + row * t.y_row + col * t.y_col;
      (t.pixels > kLanes / 2 ? planar_tile<K, kVectors, 2, true> : planar_tile<K, 1, 2, true>)(t);
    }
}

template <int K>
void planar_rows_of(const ConvPass& p, PlanarTile t, int64_t rows) {
  if (t.pool != PoolKind::none) return planar_pooled_rows_of<K>(p, t, rows);
  constexpr int kRows = planar_rows(K);
  const float* x = t.x;
  float* y = t.y;
  for (int64_t row = 0; row < rows;) {
    const int count = rows - row >= kRows ? kRows : 1;
    for (int64_t col = 0; col < p.dst_w; col += kPlanarVectors * kLanes) {
      t.pixels = smaller(kPlanarVectors * kLanes, p.dst_w - col);
      t.row_end = p.dst_w - col;
      t.x = x + row * t.row_step + col;
      t.y = y + row * t.y_row + col * t.y_col;
      if (t.pixels > kLanes) {
        (count == kRows ? planar_tile<K, kPlanarVectors, kRows, false>
                        : planar_tile<K, kPlanarVectors, 1, false>)(t);
      } else {
        (count == kRows ? planar_tile<K, 1, kRows, false> : planar_tile<K, 1, 1, false>)(t);
      }
    }
    row += count;
  }
}

void conv_planar(const ConvPass& p, const float* src, const float* w, const float* bias, float* dst,
                 float* scratch, const ConvRegion& region) {
  const int64_t width = planar_width(p), row_floats = p.src_c * width;
  PlanarTile t{};
  t.plane = width;
  t.row_step = p.row_step * row_floats;
  t.tap_row = p.row_tap_step * row_floats;
  t.tap_col = p.col_tap_step;
  t.rows = p.row_taps;
  t.cols = p.col_taps;
  t.channels = p.src_c;
  t.w = w;
  t.w_step = p.weight_step;
  t.y_row = p.dst_row;
  t.y_col = p.dst_col;
  t.bias = bias;
  t.activation = p.activation;
  t.alpha = p.alpha;
  t.pool = p.pool;
  for (int64_t row = region.row_begin; row < region.row_end; row += p.block_rows) {
    const int64_t rows = smaller(p.block_rows, region.row_end - row);
    const int64_t first_row = row * p.places() * p.row_step + p.row_first;
    if (p.reduction() > 0)
      split_rows(p, src, first_row, p.copy_rows(rows), scratch, width, row > region.row_begin);
    t.x = scratch;
    t.y = dst + row * p.dst_row;
    switch (p.group_k) {
      case 1:
        planar_rows_of<1>(p, t, rows);
        break;
      case 2:
        planar_rows_of<2>(p, t, rows);
        break;
#if defined(__AVX2__)
      case 3:
        planar_rows_of<3>(p, t, rows);
        break;
      case 4:
        planar_rows_of<4>(p, t, rows);
        break;
      case 5:
        planar_rows_of<5>(p, t, rows);
        break;
      case 6:
        planar_rows_of<6>(p, t, rows);
        break;
#endif
#if defined(__AVX512F__)
      case 7:
        planar_rows_of<7>(p, t, rows);
        break;
      case 8:
        planar_rows_of<8>(p, t, rows);
        break;
#endif
      default:
        break;
    }
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
