// Register tiles of depthwise convolution: every channel has a window of its own, so vectors run
// over channels and nothing is broadcast.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_tile.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct DepthwiseTile {
  const float* x;
  int64_t x_col, tap_row, tap_col;  // floats between pixels, taps down, taps across
  int64_t rows, cols;               // taps
  int64_t ahead, fresh;             // floats to the rows that only the next row of tiles reads
  const float* w;
  int64_t w_row, w_col;
  float* y;
  int64_t y_col;
  const float* bias;
  int last;  // lanes of the last vector
  ActivationKind activation;
  float alpha;
};

CNNFAST_INLINE vf depthwise_activated(const DepthwiseTile& t, vf value) {
  if (t.activation == ActivationKind::relu) return max(vf{}, value);
  if (t.activation == ActivationKind::leaky_relu)
    return select(value < vf{}, value * broadcast(t.alpha), value);
  return value;
}

// Vector v of V at p. kWhole: the last one has all its lanes.
template <int V, bool kWhole>
CNNFAST_INLINE vf load_channels(const DepthwiseTile& t, const float* p, int v) {
  p += v * kLanes;
  return kWhole || v < V - 1 ? load(p) : load_first(p, t.last);
}

template <int Q, int V, bool kWhole>
CNNFAST_INLINE void start_pixels(const DepthwiseTile& t, vf (&acc)[Q][V]) {
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) {
    const vf bias = t.bias ? load_channels<V, kWhole>(t, t.bias, v) : vf{};
    CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) acc[q][v] = bias;
  }
}

template <int Q, int V, bool kWhole>
CNNFAST_INLINE void store_pixels(const DepthwiseTile& t, const vf (&acc)[Q][V]) {
  CNNFAST_UNROLL
  for (int q = 0; q < Q; ++q) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) {
    const vf value = depthwise_activated(t, acc[q][v]);
    float* y = t.y + q * t.y_col + v * kLanes;
    if (kWhole || v < V - 1)
      store(y, value);
    else
      store_first(y, value, t.last);
  }
}

template <int N, int V>
CNNFAST_INLINE void prefetch_next_row(const DepthwiseTile& t, int64_t pixel) {
  const float* x = t.x + t.ahead;
  for (int64_t row = 0; row < t.fresh; ++row, x += t.tap_row) CNNFAST_UNROLL
  for (int i = 0; i < N; ++i) CNNFAST_UNROLL
  for (int v = 0; v < V * kLanes; v += 16) __builtin_prefetch(x + i * pixel + v);
}

// Any taps: Q pixels times V vectors of channels share the V weights of a tap, 6 x 2 accumulators +
// 2 weights of 16 registers.
template <int Q, int V, bool kWhole>
void depthwise_tile(const DepthwiseTile& t) {
  const auto get = [&](const float* p, int v)
                       __attribute__((always_inline)) { return load_channels<V, kWhole>(t, p, v); };
  prefetch_next_row<Q, V>(t, t.x_col);
  vf acc[Q][V];
  start_pixels<Q, V, kWhole>(t, acc);
  for (int64_t r = 0; r < t.rows; ++r)
    for (int64_t s = 0; s < t.cols; ++s) {
      const float* x = t.x + r * t.tap_row + s * t.tap_col;
      const float* w = t.w + r * t.w_row + s * t.w_col;
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) {
        const vf weight = get(w, v);
        CNNFAST_UNROLL
        for (int q = 0; q < Q; ++q) acc[q][v] += weight * get(x + q * t.x_col, v);
      }
    }
  store_pixels<Q, V, kWhole>(t, acc);
}

// S adjoining taps at a stride of kStep: a row of taps stays in registers, and every pixel is read
// once for all the taps that meet it, (Q - 1) kStep + S loads for Q S products instead of as many.
template <int Q, int S, int kStep, int V, bool kWhole>
void depthwise_row_tile(const DepthwiseTile& t) {
  const auto get = [&](const float* p, int v)
                       __attribute__((always_inline)) { return load_channels<V, kWhole>(t, p, v); };
  const int64_t pixel = t.tap_col;
  prefetch_next_row<Q * kStep, V>(t, pixel);
  vf acc[Q][V];
  start_pixels<Q, V, kWhole>(t, acc);
  for (int64_t r = 0; r < t.rows; ++r) {
    const float* x = t.x + r * t.tap_row;
    const float* w = t.w + r * t.w_row;
    vf taps[S][V];
    CNNFAST_UNROLL
    for (int s = 0; s < S; ++s) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) taps[s][v] = get(w + s * t.w_col, v);
    CNNFAST_UNROLL
    for (int i = 0; i < (Q - 1) * kStep + S; ++i) {
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) {
        const vf value = get(x, v);
        CNNFAST_UNROLL
        for (int s = 0; s < S; ++s)
          if (i >= s && (i - s) % kStep == 0 && (i - s) / kStep < Q)
            acc[(i - s) / kStep][v] += taps[s][v] * value;
      }
      x += pixel;
    }
  }
  store_pixels<Q, V, kWhole>(t, acc);
}

// Tiles of falling width, by what is left of the channels: all vectors whole, the second of two in
// part, a single one.
struct DepthwiseTiles {
  using Function = void (*)(const DepthwiseTile&);
  static constexpr int kSizes = 3;
  int64_t width[kSizes];
  int vectors;  // of channels
  Function whole[kSizes], ragged[kSizes], last[kSizes];
};

// Accumulators, a row of taps and a pixel: 4 x 2 + 3 x 2 + 1 or 8 + 5 + 1 of 16 registers, 8 x 2 +
// 5 x 2 + 1 of 32. Two vectors make a whole cache line of AVX2's.
template <int S, int kStep>
constexpr DepthwiseTiles row_tiles() {
  constexpr int V = S <= 3 || kRegisters == 32 ? 2 : 1;
  constexpr int Q = V == 2 && kRegisters == 16 ? 4 : 8;
  return {{Q, Q / 2, 1},
          V,
          {depthwise_row_tile<Q, S, kStep, V, true>, depthwise_row_tile<Q / 2, S, kStep, V, true>,
           depthwise_row_tile<1, S, kStep, V, true>},
          {depthwise_row_tile<Q, S, kStep, V, false>, depthwise_row_tile<Q / 2, S, kStep, V, false>,
           depthwise_row_tile<1, S, kStep, V, false>},
          {depthwise_row_tile<Q, S, kStep, 1, false>, depthwise_row_tile<Q / 2, S, kStep, 1, false>,
           depthwise_row_tile<1, S, kStep, 1, false>}};
}

CNNFAST_INLINE DepthwiseTiles depthwise_tiles(const DepthwiseTile& t) {
  if (t.x_col == t.tap_col) {
    if (t.cols == 2) return row_tiles<2, 1>();
    if (t.cols == 3) return row_tiles<3, 1>();
    if (t.cols == 5) return row_tiles<5, 1>();
  } else if (t.x_col == 2 * t.tap_col) {
    if (t.cols == 3) return row_tiles<3, 2>();
    if (t.cols == 5) return row_tiles<5, 2>();
  }
  return {{6, 3, 1},
          2,
          {depthwise_tile<6, 2, true>, depthwise_tile<3, 2, true>, depthwise_tile<1, 2, true>},
          {depthwise_tile<6, 2, false>, depthwise_tile<3, 2, false>, depthwise_tile<1, 2, false>},
          {depthwise_tile<6, 1, false>, depthwise_tile<3, 1, false>, depthwise_tile<1, 1, false>}};
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
