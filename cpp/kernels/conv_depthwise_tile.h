// Register tiles of depthwise convolution: every channel has a window of its own, so vectors run
// over channels and nothing is broadcast.
#pragma once

#include "kernels/conv_depthwise_panels.h"
#include "kernels/vector_activation.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct DepthwiseTile {
  const float* x;
  int64_t x_col, tap_row, tap_col;  // floats between pixels, taps down, taps across
  int64_t rows, cols;               // taps
  int64_t ahead, fresh;             // floats to the rows that only the next row of tiles reads
  const float *w, *bias;            // panels
  int64_t w_row, w_panel;           // floats between rows of taps, between panels
  float* y;
  int64_t y_col, y_row;  // y_row: of pairs of rows only
  int last;              // lanes of the last vector, in x and y
  ActivationKind activation;
  float alpha;
};

CNNFAST_INLINE vf depthwise_activated(const DepthwiseTile& t, vf value) {
  if (t.activation == ActivationKind::relu) return max(vf{}, value);
  if (t.activation == ActivationKind::leaky_relu)
    return select(value < vf{}, value * broadcast(t.alpha), value);
  return value;
}

// What a tile may take for granted: all lanes are there; the last vector's are in x, but not in y
// (x is panels); the last vector's are in neither; all are there, and y bypasses the caches.
enum class Lanes { whole, panels, ragged, streamed };
constexpr int kLanesKinds = 4;

// Vector v of V at p.
template <int V, Lanes kKind>
CNNFAST_INLINE vf load_channels(const DepthwiseTile& t, const float* p, int v) {
  p += v * kLanes;
  return kKind != Lanes::ragged || v < V - 1 ? load(p) : load_first(p, t.last);
}

template <int Q, int V>
CNNFAST_INLINE void start_pixels(const float* bias, vf (&acc)[Q][V]) {
  CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) {
    const vf value = load(bias + v * kLanes);
    CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) acc[q][v] = value;
  }
}

template <int Q, int V, Lanes kKind>
CNNFAST_INLINE void store_pixels(const DepthwiseTile& t, float* y, vf (&acc)[Q][V]) {
  if (t.activation != ActivationKind::linear) {
    CNNFAST_UNROLL
    for (int q = 0; q < Q; ++q) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) acc[q][v] = depthwise_activated(t, acc[q][v]);
  }
  CNNFAST_UNROLL
  for (int q = 0; q < Q; ++q, y += t.y_col) CNNFAST_UNROLL
  for (int v = 0; v < V; ++v) {
    if (kKind == Lanes::streamed)
      stream(y + v * kLanes, acc[q][v]);
    else if (kKind == Lanes::whole || v < V - 1)
      store(y + v * kLanes, acc[q][v]);
    else
      store_first(y + v * kLanes, acc[q][v], t.last);
  }
}

template <int N, int V>
CNNFAST_INLINE void prefetch_next_row(const DepthwiseTile& t, const float* x, int64_t pixel) {
  x += t.ahead;
  for (int64_t row = 0; row < t.fresh; ++row, x += t.tap_row) CNNFAST_UNROLL
  for (int i = 0; i < N; ++i) CNNFAST_UNROLL
  for (int v = 0; v < V * kLanes; v += 16) __builtin_prefetch(x + i * pixel + v);
}

// Any taps: Q pixels times V vectors of channels share the V weights of a tap, 6 x 2 accumulators +
// 2 weights of 16 registers.
template <int Q, int V, Lanes kKind>
struct AnyTaps {
  static constexpr int kWidth = Q;
  CNNFAST_INLINE void run(const DepthwiseTile& t, const float* x, int64_t panel, float* y) {
    prefetch_next_row<Q, V>(t, x, t.x_col);
    vf acc[Q][V];
    start_pixels<Q, V>(t.bias + panel, acc);
    for (int64_t r = 0; r < t.rows; ++r)
      for (int64_t s = 0; s < t.cols; ++s) {
        const float* pixel = x + r * t.tap_row + s * t.tap_col;
        const float* w = t.w + panel + r * t.w_row + s * kPanel;
        CNNFAST_UNROLL
        for (int v = 0; v < V; ++v) {
          const vf weight = load(w + v * kLanes);
          CNNFAST_UNROLL
          for (int q = 0; q < Q; ++q)
            acc[q][v] += weight * load_channels<V, kKind>(t, pixel + q * t.x_col, v);
        }
      }
    store_pixels<Q, V, kKind>(t, y, acc);
  }
  using Half = AnyTaps<Q / 2, V, kKind>;
  using One = AnyTaps<1, V, kKind>;
};

// S adjoining taps at a stride of kStep: a row of taps stays in registers, and every pixel is read
// once for all the taps that meet it, (Q - 1) kStep + S loads for Q S products instead of as many.
template <int Q, int S, int kStep, int V, Lanes kKind>
struct RowOfTaps {
  static constexpr int kWidth = Q;
  CNNFAST_INLINE void run(const DepthwiseTile& t, const float* x, int64_t panel, float* y) {
    prefetch_next_row<Q * kStep, V>(t, x, t.tap_col);
    vf acc[Q][V];
    start_pixels<Q, V>(t.bias + panel, acc);
    const float* w = t.w + panel;
    for (int64_t r = t.rows; r > 0; --r, x += t.tap_row, w += t.w_row) {
      vf taps[S][V];
      CNNFAST_UNROLL
      for (int s = 0; s < S; ++s) CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) taps[s][v] = load(w + s * kPanel + v * kLanes);
      const float* pixel = x;
      CNNFAST_UNROLL
      for (int i = 0; i < (Q - 1) * kStep + S; ++i, pixel += t.tap_col) CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) {
        const vf value = load_channels<V, kKind>(t, pixel, v);
        CNNFAST_UNROLL
        for (int s = 0; s < S; ++s)
          if (i >= s && (i - s) % kStep == 0 && (i - s) / kStep < Q)
            acc[(i - s) / kStep][v] += taps[s][v] * value;
      }
    }
    store_pixels<Q, V, kKind>(t, y, acc);
  }
  using Half = RowOfTaps<Q / 2, S, kStep, V, kKind>;
  using One = RowOfTaps<1, S, kStep, V, kKind>;
};

// RowOfTaps for two rows of y at a time: a row of x meets two rows of taps, so that four or six
// rows are loaded for two of y instead of six or ten. One vector: 2 Q accumulators + 2 S taps + 1
// of 32.
constexpr bool kPairsRows = kRegisters == 32;

template <int Q, int S, Lanes kKind>
struct PairOfRows {
  static constexpr int kWidth = Q;
  // A row of x: `first` taps for y's first row, `second` for the other.
  template <bool kFirst, bool kSecond>
  CNNFAST_INLINE void add_row(const DepthwiseTile& t, const float* pixel, const vf (&first)[S],
                              const vf (&second)[S], vf (&acc)[2][Q][1]) {
    CNNFAST_UNROLL
    for (int i = 0; i < Q + S - 1; ++i, pixel += t.tap_col) {
      const vf value = load_channels<1, kKind>(t, pixel, 0);
      CNNFAST_UNROLL
      for (int s = 0; s < S; ++s) {
        if (i < s || i - s >= Q) continue;
        if (kFirst) acc[0][i - s][0] += first[s] * value;
        if (kSecond) acc[1][i - s][0] += second[s] * value;
      }
    }
  }
  CNNFAST_INLINE void run(const DepthwiseTile& t, const float* x, int64_t panel, float* y) {
    prefetch_next_row<Q, 1>(t, x, t.tap_col);
    vf acc[2][Q][1], first[S], second[S];
    start_pixels<Q, 1>(t.bias + panel, acc[0]);
    start_pixels<Q, 1>(t.bias + panel, acc[1]);
    const float* w = t.w + panel;
    CNNFAST_UNROLL
    for (int s = 0; s < S; ++s) first[s] = second[s] = load(w + s * kPanel);
    add_row<true, false>(t, x, first, second, acc);
    for (int64_t r = t.rows - 1; r > 0; --r) {
      x += t.tap_row;
      w += t.w_row;
      CNNFAST_UNROLL
      for (int s = 0; s < S; ++s) {
        second[s] = first[s];
        first[s] = load(w + s * kPanel);
      }
      add_row<true, true>(t, x, first, second, acc);
    }
    add_row<false, true>(t, x + t.tap_row, first, first, acc);
    store_pixels<Q, 1, kKind>(t, y, acc[0]);
    store_pixels<Q, 1, kKind>(t, y + t.y_row, acc[1]);
  }
  using Half = PairOfRows<Q / 2, S, kKind>;
  using One = PairOfRows<1, S, kKind>;
};

// `columns` pixels of `channels` (whole tiles of them) from t.x, t.y, t.w and t.bias on: a tile's
// columns of all channels, then the next. The last tile overlaps the one before it: a narrower one
// would wait for its few sums. A copy of `t`, which stores to y cannot change.
template <class Tile, int V>
CNNFAST_INLINE void walk_columns(const DepthwiseTile& t, int64_t columns, int64_t channels) {
  for (int64_t col = 0; col < columns; col += Tile::kWidth) {
    const int64_t at = smaller(col, columns - Tile::kWidth);
    const float* x = t.x + at * t.x_col;
    float* y = t.y + at * t.y_col;
    for (int64_t c = 0; c < channels; c += V * kLanes)
      Tile::run(t, x + c, c / kPanel * t.w_panel + c % kPanel, y + c);
  }
}
template <class Tile, int V>
void depthwise_walk(const DepthwiseTile& tile, int64_t columns, int64_t channels) {
  const DepthwiseTile t = tile;
  if (columns >= Tile::kWidth)
    walk_columns<Tile, V>(t, columns, channels);
  else if (columns >= Tile::Half::kWidth)
    walk_columns<typename Tile::Half, V>(t, columns, channels);
  else
    walk_columns<typename Tile::One, V>(t, columns, channels);
}

// Walks over the pixels of a row for `vectors` vectors of channels at a time, or one.
struct DepthwiseWalks {
  using Function = void (*)(const DepthwiseTile&, int64_t columns, int64_t channels);
  int vectors;
  Function walk[kLanesKinds], one[kLanesKinds];  // by Lanes
};

template <template <int, Lanes> class Tile, int V>
constexpr DepthwiseWalks walks_of() {
  return {V,
          {depthwise_walk<Tile<V, Lanes::whole>, V>, depthwise_walk<Tile<V, Lanes::panels>, V>,
           depthwise_walk<Tile<V, Lanes::ragged>, V>, depthwise_walk<Tile<V, Lanes::streamed>, V>},
          {depthwise_walk<Tile<1, Lanes::whole>, 1>, depthwise_walk<Tile<1, Lanes::panels>, 1>,
           depthwise_walk<Tile<1, Lanes::ragged>, 1>, depthwise_walk<Tile<1, Lanes::streamed>, 1>}};
}

template <int V, Lanes kKind>
using AnyTile = AnyTaps<6, V, kKind>;

// Columns that tiles of so many make, those where the last one overlaps counted twice.
CNNFAST_INLINE int64_t tiled_columns(int64_t columns, int64_t width) {
  return (columns + width - 1) / width * width;
}

// Accumulators, a row of taps and a pixel: 4 x 2 + 3 x 2 + 1 or 8 + 5 + 1 of 16 registers, 8 x 2 +
// 5 x 2 + 1 of 32. Two vectors make a whole cache line of AVX2's.
template <int S>
struct RowSize {
  static constexpr int kVectors = S <= 3 || kRegisters == 32 ? 2 : 1;
  static constexpr int kWidth = kVectors == 2 && kRegisters == 16 ? 4 : 8;
};
template <int S, int kStep, int kWidth = RowSize<S>::kWidth>
struct RowTiles {
  template <int V, Lanes kKind>
  using Tile = RowOfTaps<kWidth, S, kStep, V, kKind>;
  static constexpr DepthwiseWalks walks() { return walks_of<Tile, RowSize<S>::kVectors>(); }
};

CNNFAST_INLINE DepthwiseWalks depthwise_walks(const DepthwiseTile& t, int64_t columns) {
  if (t.x_col == t.tap_col) {
    if (t.cols == 1) return RowTiles<1, 1>::walks();
    if (t.cols == 2) return RowTiles<2, 1>::walks();
    if (t.cols == 3) return RowTiles<3, 1>::walks();
    if (t.cols == 5) return RowTiles<5, 1>::walks();
  } else if (t.x_col == 2 * t.tap_col) {
    if (t.cols == 3) {
      // Halved maps of 56 and 28 columns leave 27 and 13, and of 14 columns 6.
      if constexpr (kRegisters == 32) {
        if (columns == 6) return RowTiles<3, 2, 6>::walks();
        if (tiled_columns(columns, 7) < tiled_columns(columns, 8))
          return RowTiles<3, 2, 7>::walks();
      }
      return RowTiles<3, 2>::walks();
    }
    if (t.cols == 5) return RowTiles<5, 2>::walks();
  }
  return walks_of<AnyTile, 2>();
}

// Two rows for any channels, a vector at a time.
struct DepthwisePairs {
  DepthwiseWalks::Function whole = nullptr, ragged = nullptr;
};

// Tiles of Q columns, or of fewer where that leaves less to make twice: 12 are 6 + 6, 26 are 9 + 9
// + 9.
template <int S, int Q = 9, int kBest = Q>
DepthwisePairs pairs_of(int64_t columns, bool streams) {
  if constexpr (Q > 5) {
    if (tiled_columns(columns, Q - 1) < tiled_columns(columns, kBest))
      return pairs_of<S, Q - 1, Q - 1>(columns, streams);
    return pairs_of<S, Q - 1, kBest>(columns, streams);
  } else {
    return {streams ? depthwise_walk<PairOfRows<kBest, S, Lanes::streamed>, 1>
                    : depthwise_walk<PairOfRows<kBest, S, Lanes::whole>, 1>,
            depthwise_walk<PairOfRows<kBest, S, Lanes::ragged>, 1>};
  }
}
// For `columns` columns. Nulls with other taps, and without enough registers.
CNNFAST_INLINE DepthwisePairs depthwise_pairs(const DepthwiseTile& t, int64_t columns,
                                              bool streams) {
  if constexpr (kPairsRows) {
    if (t.x_col == t.tap_col && t.cols == 3) return pairs_of<3>(columns, streams);
    if (t.x_col == t.tap_col && t.cols == 5) return pairs_of<5>(columns, streams);
  }
  return {};
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
