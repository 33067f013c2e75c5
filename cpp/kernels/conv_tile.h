// The register tile of direct convolution: B x Q destination pixels times V vectors of channels.
// Each step broadcasts one source float per pixel and loads V vectors of packed weights.
//   AVX-512: 14 x 2 accumulators + 2 weights + 1 broadcast = 31 of 32 registers
//   AVX2, SSE2: 6 x 2 + 2 + 1 = 15 of 16
// Narrower tiles still hold at least the 4 (one FMA a cycle) or 8 to 10 (two) independent sums that
// the FMA latency asks for, except where the map itself has fewer pixels.
#pragma once

#include "kernels/activation_kind.h"
#include "kernels/vector.h"

#if defined(__clang__)
#define CNNFAST_UNROLL _Pragma("unroll")
#else
#define CNNFAST_UNROLL _Pragma("GCC unroll 32")
#endif

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int kTilePixels = kRegisters == 32 ? 14 : 6;
// Two FMAs of 256 bits start in a cycle on every AVX2 machine; of 512 bits one or two (Zen 4 has
// one), and SSE2 multiplies and adds apart. What else a kernel does takes its cycles either way.
constexpr double kProductsPerCycle = kLanes == 8 ? 2.0 : 1.0;

// With one vector of channels the same registers hold more pixels: 12 + 1 + 1 of 16. Six sums alone
// would wait for the FMA's latency.
constexpr int kTilePixelsOfOne = kRegisters == 32 ? 14 : 12;
constexpr int kBlock = 2 * kLanes;

CNNFAST_INLINE int64_t tile_pixels(int vectors) {
  return vectors == 1 ? kTilePixelsOfOne : kTilePixels;
}

struct Tile {
  const float* x;          // source of the first pixel's first tap
  int64_t pixel, base;     // floats between the Q pixels of a base, between the B bases
  int64_t rows, row_step;  // outer taps and the floats between them
  int64_t cols, col_step;  // inner taps likewise
  int64_t length;          // contiguous floats to sum over at each tap
  const float* w;
  int64_t w_step;
  float* y;
  int64_t y_pixel, y_base;
  const float* bias;  // null: none
  int last;           // lanes of the last vector that are real channels
  ActivationKind activation;
  float alpha;
  bool add = false;      // to what y holds
  bool streams = false;  // y goes past the caches; whole vectors, aligned
  // What the next tile will read: asked for bit by bit, `next_step` floats a step, where a tile is
  // so large that asking for all of it at once would hold up its own loads.
  const float* next = nullptr;
  int64_t next_step = 0;
};
constexpr bool kAsksBitByBit = kRegisters == 32;

// Bytes from the first pixel to pixel Q as one x86 address: odd multiple (a register) times 1, 2,
// 4 or 8. Without it the compiler keeps a pointer a pixel and spills half of them.
template <int N>
struct PixelOffsets {
  int64_t odd[(N + 1) / 2];
  explicit __attribute__((always_inline)) PixelOffsets(int64_t bytes) {
    CNNFAST_UNROLL
    for (int i = 0; i < (N + 1) / 2; ++i) {
      odd[i] = bytes * (2 * i + 1);
      __asm__("" : "+r"(odd[i]));  // opaque: not to be derived anew in the loop
    }
  }
  __attribute__((always_inline)) int64_t operator[](int q) const {
    if (q == 0) return 0;
    int shift = 0;
    while (q % 2 == 0) {
      q /= 2;
      ++shift;
    }
    return odd[q / 2] << shift;
  }
};

// kAsks: for what the next tile reads.
template <int B, int Q, int V, bool kAsks = false>
void conv_tile(const Tile& t) {
  vf acc[B][Q][V];
  if (t.bias) {  // where the sums begin it costs nothing
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      const vf bias =
          v == V - 1 ? load_first(t.bias + v * kLanes, t.last) : load(t.bias + v * kLanes);
      CNNFAST_UNROLL
      for (int b = 0; b < B; ++b) CNNFAST_UNROLL
      for (int q = 0; q < Q; ++q) acc[b][q][v] = bias;
    }
  } else {
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) acc[b][q][v] = vf{};
  }
  if (t.add) {
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v)
      acc[b][q][v] += load(t.y + b * t.y_base + q * t.y_pixel + v * kLanes);
  }

  const PixelOffsets<Q> offset(t.pixel * static_cast<int64_t>(sizeof(float)));
  const float* w = t.w;
  // Weights mostly come from L2, in time where the core is this thread's own. Beside another one,
  // which takes half of the loads in flight, asking ahead brings 5 %; what lies behind the last
  // weights is the next block's.
  const int64_t ahead = 16 * t.w_step;
  const float* next = t.next;
  for (int64_t r = 0; r < t.rows; ++r) {
    const float* row = t.x + r * t.row_step;
    for (int64_t s = 0; s < t.cols; ++s, row += t.col_step) {
      const char* x[B];
      CNNFAST_UNROLL
      for (int b = 0; b < B; ++b) x[b] = reinterpret_cast<const char*>(row + b * t.base);
      for (int64_t i = t.length; i > 0; --i) {
        vf weight[V];
        CNNFAST_UNROLL
        for (int v = 0; v < V; ++v) weight[v] = load(w + v * kLanes);
        CNNFAST_UNROLL
        for (int v = 0; v < V * kLanes; v += 16) __builtin_prefetch(w + ahead + v);
        w += t.w_step;
        if constexpr (kAsks) {
          __builtin_prefetch(next);
          next += t.next_step;
        }
        CNNFAST_UNROLL
        for (int b = 0; b < B; ++b) {
          CNNFAST_UNROLL
          for (int q = 0; q < Q; ++q) {
            const vf value = broadcast(*reinterpret_cast<const float*>(x[b] + offset[q]));
            CNNFAST_UNROLL
            for (int v = 0; v < V; ++v) acc[b][q][v] += value * weight[v];
          }
          x[b] += sizeof(float);
        }
      }
    }
  }

  if (t.activation == ActivationKind::relu) {
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v)
      acc[b][q][v] = max(vf{}, acc[b][q][v]);  // in this order NaN stays NaN
  } else if (t.activation == ActivationKind::leaky_relu) {
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v)
      acc[b][q][v] = select(acc[b][q][v] < vf{}, acc[b][q][v] * broadcast(t.alpha), acc[b][q][v]);
  }
  // In registers: for all the compiler knows, a store could change them in t.
  float* const y = t.y;
  const int64_t y_pixel = t.y_pixel, y_base = t.y_base;
  const int last = t.last;
  if (t.streams) {
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) stream(y + b * y_base + q * y_pixel + v * kLanes, acc[b][q][v]);
  } else if (last == kLanes) {
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) store(y + b * y_base + q * y_pixel + v * kLanes, acc[b][q][v]);
  } else if (B == 1 && y_pixel == (V - 1) * kLanes + last) {
    // Pixels side by side: whole vectors, whose surplus the tile's next pixels overwrite.
    CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) {
      float* to = y + q * y_pixel;
      CNNFAST_UNROLL
      for (int v = 0; v < V - 1; ++v) store(to + v * kLanes, acc[0][q][v]);
      if ((Q - q) * y_pixel >= V * kLanes)
        store(to + (V - 1) * kLanes, acc[0][q][V - 1]);
      else
        store_first(to + (V - 1) * kLanes, acc[0][q][V - 1], last);
    }
  } else {
    CNNFAST_UNROLL
    for (int b = 0; b < B; ++b) CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) {
      float* to = y + b * y_base + q * y_pixel;
      CNNFAST_UNROLL
      for (int v = 0; v < V - 1; ++v) store(to + v * kLanes, acc[b][q][v]);
      store_first(to + (V - 1) * kLanes, acc[b][q][V - 1], last);
    }
  }
}

using TileFunction = void (*)(const Tile&);

// Tiles of one base and q = 1 .. kTilePixels (of one vector kTilePixelsOfOne) pixels, V vectors.
template <int V, bool kAsks, int Q = V == 1 ? kTilePixelsOfOne : kTilePixels>
TileFunction row_tile(int q) {
  if (q == Q) return conv_tile<1, Q, V, kAsks>;
  if constexpr (Q > 1)
    return row_tile<V, kAsks, Q - 1>(q);
  else
    return nullptr;
}
CNNFAST_INLINE TileFunction row_tile(int q, int vectors, bool asks = false) {
  if constexpr (kAsksBitByBit) {
    if (asks) return vectors == 1 ? row_tile<1, true>(q) : row_tile<2, true>(q);
  }
  return vectors == 1 ? row_tile<1, false>(q) : row_tile<2, false>(q);
}

// How narrow maps fill a tile: several rows at once. `rows` rows of `width` pixels; the bases are
// the rows, or the columns when `across` is set (and then the Q pixels are rows).
struct NarrowTile {
  int rows = 1;
  bool across = false;
  TileFunction run[2] = {nullptr, nullptr};  // by vectors - 1
};

CNNFAST_INLINE NarrowTile narrow_tile(int64_t width) {
  switch (width) {
#if defined(__AVX512F__)
    case 1:
      return {14, true, {conv_tile<1, 14, 1>, conv_tile<1, 14, 2>}};
    case 2:
      return {7, true, {conv_tile<2, 7, 1>, conv_tile<2, 7, 2>}};
    case 3:
      return {4, true, {conv_tile<3, 4, 1>, conv_tile<3, 4, 2>}};
    case 4:
      return {3, false, {conv_tile<3, 4, 1>, conv_tile<3, 4, 2>}};
    case 5:
      return {2, false, {conv_tile<2, 5, 1>, conv_tile<2, 5, 2>}};
    case 6:
      return {2, false, {conv_tile<2, 6, 1>, conv_tile<2, 6, 2>}};
    case 7:
      return {2, false, {conv_tile<2, 7, 1>, conv_tile<2, 7, 2>}};
#else
    case 1:
      return {6, true, {conv_tile<1, 6, 1>, conv_tile<1, 6, 2>}};
    case 2:
      return {3, true, {conv_tile<2, 3, 1>, conv_tile<2, 3, 2>}};
    case 3:
      return {2, false, {conv_tile<2, 3, 1>, conv_tile<2, 3, 2>}};
#endif
    default:
      return {};
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
