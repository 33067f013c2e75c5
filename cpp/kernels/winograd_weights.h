// Weights of Winograd's products: HWIO -> U[channel block][36][source channels][channels of a
// block], forward or, with taps and channels turned round, for backward-input.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_table.h"
#include "kernels/lane_transpose.h"
#include "kernels/winograd_transform.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE int64_t whole_vectors(int64_t channels) {
  return (channels + kLanes - 1) / kLanes * kLanes;
}

// Floats between points, and of a block.
CNNFAST_INLINE int64_t u_plane(int64_t source, int64_t step) { return source * step + kLanes; }
CNNFAST_INLINE int64_t u_block(int64_t source, int64_t channels = kBlock) {
  return kTileValues * u_plane(source, channels);
}

CNNFAST_INLINE int64_t block_channels(const WinogradPass& p) { return p.slim ? kLanes : kBlock; }

// Destination channels of a block, and the vectors that they fill.
struct BlockChannels {
  int64_t first, count;
  int vectors;
  BlockChannels(const WinogradPass& p, int64_t block)
      : first(block * block_channels(p)),
        count(smaller(block_channels(p), p.dst_c - first)),
        vectors(count > kLanes ? 2 : 1) {}
  int64_t step() const { return vectors * kLanes; }
  int lanes(int v) const { return static_cast<int>(smaller(kLanes, count - v * kLanes)); }
};

int64_t winograd_weights(const WinogradPass& p) {
  const int64_t channels = block_channels(p);
  return (p.dst_c + channels - 1) / channels * u_block(p.src_c, channels);
}

template <int R>
CNNFAST_INLINE void pack_point_vectors(const vf (&taps)[R * R], float* to, int64_t plane) {
  vf t[kPoints * R];  // rows of six, R columns
  CNNFAST_UNROLL
  for (int i = 0; i < R * R; ++i) t[i] = taps[i];
  CNNFAST_UNROLL
  for (int s = 0; s < R; ++s) transform_weights<R>(t + s, R);
  SixPoints points = point_rows(to, plane);
  CNNFAST_UNROLL
  for (int i = 0; i < kPoints; ++i, points.next()) {
    vf row[kPoints];
    CNNFAST_UNROLL
    for (int s = 0; s < R; ++s) row[s] = t[i * R + s];
    transform_weights<R>(row, 1);
    CNNFAST_UNROLL
    for (int j = 0; j < kPoints; ++j) store(points[j], row[j]);
  }
}

// Source channels [source_begin, source_end) of one block, from `to` on. Both vectors right after
// each other: with eight lanes they share cache lines.
template <int R>
void pack_block(const WinogradPass& p, const float* w, float* to, int64_t plane,
                const BlockChannels& block, int64_t source_begin, int64_t source_end) {
  const bool flipped = p.flipped;
  const int64_t c = flipped ? p.dst_c : p.src_c, k = flipped ? p.src_c : p.dst_c;
  const int64_t first = block.first, step = block.step();
  const int vectors = block.vectors;
  vf taps[R * R];
  // Taps lie c * k floats apart, where caches keep few of them: some rows of each are fetched
  // together.
  constexpr int64_t kRows = R == 3 ? 8 : 4;
  for (int64_t i = source_begin; !flipped && i < source_end; i += kRows) {
    const int64_t rows = smaller(kRows, source_end - i);
    float fetched[R * R][kRows][kBlock];
    for (int tap = 0; tap < R * R; ++tap)
      for (int64_t j = 0; j < rows; ++j)
        for (int v = 0; v < vectors; ++v)
          store(fetched[tap][j] + v * kLanes,
                load_lanes(w + (tap * c + i + j) * k + first + v * kLanes, block.lanes(v)));
    for (int64_t j = 0; j < rows; ++j)
      for (int v = 0; v < vectors; ++v) {
        CNNFAST_UNROLL
        for (int tap = 0; tap < R * R; ++tap) taps[tap] = load(fetched[tap][j] + v * kLanes);
        pack_point_vectors<R>(taps, to + (i + j - source_begin) * step + v * kLanes, plane);
      }
  }
  // Rows that memory or another core's cache has arrive together.
  const auto ask_for = [&](int64_t i) {
    for (int64_t tap = 0; tap < R * R; ++tap)
      for (int64_t j = 0; j < block.count; ++j)
        __builtin_prefetch(w + (tap * c + first + j) * k + i);
  };
  if (flipped) ask_for(source_begin);
  for (int64_t i = source_begin; flipped && i < source_end; i += kLanes) {
    const int ks = static_cast<int>(smaller(kLanes, source_end - i));
    if (i + kLanes < source_end) ask_for(i + kLanes);
    for (int v = 0; v < vectors; ++v) {
      const int lanes = block.lanes(v);
      float turned[R * R][kLanes * kLanes];  // [tap][k][c]
      for (int tap = 0; tap < R * R; ++tap) {
        vf rows[kLanes];
        const float* from = w + ((R * R - 1 - tap) * c + first + v * kLanes) * k + i;
        if (lanes == kLanes && ks == kLanes) {
          CNNFAST_UNROLL
          for (int j = 0; j < kLanes; ++j) rows[j] = load(from + j * k);
        } else {
          for (int j = 0; j < kLanes; ++j)
            rows[j] = j < lanes ? load_first(from + j * k, ks) : vf{};
        }
        transpose(rows);
        CNNFAST_UNROLL
        for (int j = 0; j < kLanes; ++j) store(turned[tap] + j * kLanes, rows[j]);
      }
      for (int j = 0; j < ks; ++j) {
        CNNFAST_UNROLL
        for (int tap = 0; tap < R * R; ++tap) taps[tap] = load(turned[tap] + j * kLanes);
        pack_point_vectors<R>(taps, to + (i - source_begin + j) * step + v * kLanes, plane);
      }
    }
  }
}

void winograd_pack(const WinogradPass& p, const float* w, float* packed, int64_t unit_begin,
                   int64_t unit_end) {
  const int64_t source = p.src_c, units = (source + kPackUnit - 1) / kPackUnit;
  for (int64_t unit = unit_begin; unit < unit_end; ++unit) {
    const int64_t index = unit / units, begin = unit % units * kPackUnit;
    const BlockChannels block(p, index);
    float* to = packed + index * u_block(source, block_channels(p)) + begin * block.step();
    (p.m == 4 ? pack_block<3> : pack_block<5>)(p, w, to, u_plane(source, block.step()), block,
                                               begin, smaller(source, begin + kPackUnit));
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
