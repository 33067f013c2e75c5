// The gradient of an input of few channels, by overlapping and adding (as long convolutions of
// signals are made: Stockham 1966): every pixel of dy is multiplied by a row of taps with all their
// channels, which lie side by side in dx, and the products are added where they belong. Vectors are
// fuller than over the channels alone, and no zeros of a padding are multiplied.
//   6 channels, 5 taps across: 30 of 2 x 16 lanes, where channels fill 6 of 16
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_table.h"
#include "kernels/conv_tile.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// `p` is the forward direction's: dy stands where its destination was.
struct OverlapSizes {
  int64_t across, blocks;  // floats of a row of taps, blocks of kBlock of them
  int64_t rows, pitch;     // of the sums: rows that taps reach, floats between them
  explicit OverlapSizes(const ConvPass& p)
      : across(p.col_taps * p.src_c),
        blocks((across + kBlock - 1) / kBlock),
        rows(p.dst_h + (p.row_taps - 1) * p.row_tap_step),
        pitch(((p.dst_w + p.col_taps - 1) * p.src_c + kBlock + kLanes - 1) / kLanes * kLanes) {}
};

int64_t overlap_weights(const ConvPass& p) {
  return p.row_taps * OverlapSizes(p).blocks * kBlock * p.group_k;
}
int64_t overlap_scratch(const ConvPass& p) {
  const OverlapSizes s(p);
  return s.rows * s.pitch;
}

// [block][tap row][k][lane], zeros behind the last channel of the last tap.
void overlap_pack(const ConvPass& p, const float* w, float* to) {
  const OverlapSizes s(p);
  for (int64_t first = 0; first < s.across; first += kBlock) {
    const int64_t count = smaller(kBlock, s.across - first);
    for (int64_t r = 0; r < p.row_taps; ++r) {
      const float* from = w + (r * s.across + first) * p.group_k;
      for (int64_t k = 0; k < p.group_k; ++k, to += kBlock) {
        for (int64_t i = 0; i < count; ++i) to[i] = from[i * p.group_k + k];
        for (int64_t i = count; i < kBlock; ++i) to[i] = 0;
      }
    }
  }
}

// A column of pixels of dy: their sums lie in rows of their own, where those of neighbours overlap.
struct OverlapTile {
  const float* dy;
  int64_t pixel, channels;  // floats between pixels, of a pixel
  int64_t taps;             // rows of them
  const float* w;
  float* sums;
  int64_t pitch, tap_step;  // floats between the pixels' sums, between tap rows
};

template <int P, int V>
void overlap_tile(const OverlapTile& tile) {
  const OverlapTile t = tile;
  const PixelOffsets<P> offset(t.pixel * static_cast<int64_t>(sizeof(float)));
  const float* w = t.w;
  float* sums = t.sums;
  for (int64_t r = 0; r < t.taps; ++r, sums += t.tap_step) {
    vf acc[P][V];
    CNNFAST_UNROLL
    for (int q = 0; q < P; ++q) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) acc[q][v] = vf{};
    const char* dy = reinterpret_cast<const char*>(t.dy);
    for (int64_t k = t.channels; k > 0; --k, w += kBlock, dy += sizeof(float)) {
      vf weight[V];
      CNNFAST_UNROLL
      for (int v = 0; v < V; ++v) weight[v] = load(w + v * kLanes);
      CNNFAST_UNROLL
      for (int q = 0; q < P; ++q) {
        const vf value = broadcast(*reinterpret_cast<const float*>(dy + offset[q]));
        CNNFAST_UNROLL
        for (int v = 0; v < V; ++v) acc[q][v] += value * weight[v];
      }
    }
    CNNFAST_UNROLL
    for (int q = 0; q < P; ++q) CNNFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      float* to = sums + q * t.pitch + v * kLanes;
      store(to, load(to) + acc[q][v]);
    }
  }
}

template <int V, int P = kTilePixels>
void overlap_column(const OverlapTile& t, int64_t pixels) {
  if (pixels == P) {
    overlap_tile<P, V>(t);
  } else if constexpr (P > 1) {
    overlap_column<V, P - 1>(t, pixels);
  }
}

// dx of one image.
void conv_overlap(const ConvPass& p, const float* dy, const float* weights, float* dx,
                  float* scratch) {
  const OverlapSizes s(p);
  zero_floats(scratch, s.rows * s.pitch);
  OverlapTile t{};
  t.pixel = p.dst_row;
  t.channels = p.group_k;
  t.taps = p.row_taps;
  t.pitch = s.pitch;
  t.tap_step = p.row_tap_step * s.pitch;
  const int64_t tiles = (p.dst_h + kTilePixels - 1) / kTilePixels;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t row = tile * p.dst_h / tiles, rows = (tile + 1) * p.dst_h / tiles - row;
    for (int64_t col = 0; col < p.dst_w; ++col)
      for (int64_t block = 0; block < s.blocks; ++block) {
        t.dy = dy + row * p.dst_row + col * p.group_k;
        t.w = weights + block * kBlock * p.row_taps * p.group_k;
        t.sums = scratch + row * s.pitch + col * p.src_c + block * kBlock;
        const bool one = s.across - block * kBlock <= kLanes;
        one ? overlap_column<1>(t, rows) : overlap_column<2>(t, rows);
      }
  }
  const int64_t floats = p.src_w * p.src_c;
  const float* from = scratch - p.row_first * s.pitch - p.col_first * p.src_c;
  for (int64_t row = 0; row < p.src_h; ++row)
    copy_floats(dx + row * floats, from + row * s.pitch, floats);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
