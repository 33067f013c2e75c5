// Packed operands of the kernel's gradient. A register tile reads a handful of channels of every
// pixel: out of a map of 256 channels that is a line in every fourth set of L1, and for the next
// taps the same again. Panels put what a tile reads side by side,
//   x:  per piece of channels [image][row][col][piece], padding included: all taps read one panel,
//   dy: per block of channels [image][row][col][block], zeros behind the last channel.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_table.h"
#include "kernels/conv_tile.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// `length` neighbours in nearly equal pieces of at most a register tile's rows.
struct Pieces {
  int64_t length, count;
  explicit Pieces(int64_t floats)
      : length(floats), count((floats + kTilePixels - 1) / kTilePixels) {}
  int64_t begin(int64_t piece) const {
    return piece * (length / count) + smaller(piece, length % count);
  }
  int64_t width(int64_t piece) const { return length / count + (piece < length % count); }
};

// The places of one axis that a walk over `made` outputs reads: with one tap those alone, else all
// between the first and the last.
struct PanelAxis {
  int64_t places, step;  // step: source places between two of them
  PanelAxis(int64_t made, int64_t stride, int64_t taps, int64_t tap_step)
      : places(taps == 1 ? made : (made - 1) * stride + (taps - 1) * tap_step + 1),
        step(taps == 1 ? stride : 1) {}
  // Places between neighbouring outputs.
  int64_t stride(int64_t source) const { return step == source ? 1 : source; }
};

// Pixels are stored as whole vectors: floats from the last one's begin that a panel keeps.
constexpr int64_t kPanelSlack = (kTilePixels + kLanes - 1) / kLanes * kLanes;

// Panels of one walk: of `images` images with `rows` destination rows.
struct SourcePanels {
  PanelAxis down, across;
  int64_t pixels;  // of all images
  Pieces pieces;   // of a group's channels

  SourcePanels(const ConvPass& p, int64_t images, int64_t rows)
      : down(rows, p.row_step, p.row_taps, p.row_tap_step),
        across(p.dst_w, p.col_step, p.col_taps, p.col_tap_step),
        pixels(images * down.places * across.places),
        pieces(p.group_c) {}

  int64_t begin(int64_t group, int64_t piece) const {
    return group * size() + pieces.begin(piece) * pixels + piece * kPanelSlack;
  }
  int64_t size() const { return pixels * pieces.length + pieces.count * kPanelSlack; }
};

constexpr int kPanelsTogether = 16;  // a stretch of a pixel is read once for them
constexpr int64_t kPixelsAhead = 6;

// Pieces [begin, end) of one group, which starts at `to`.
struct PanelRun {
  const SourcePanels& panels;
  int64_t begin, end;
  float* to;

  float* at(int64_t piece, int64_t pixel) const {
    return to + panels.begin(0, piece) + pixel * panels.pieces.width(piece);
  }
  void zero(int64_t pixel, int64_t count) const {
    for (int64_t piece = begin; piece < end; ++piece)
      zero_floats(at(piece, pixel), count * panels.pieces.width(piece));
  }
  // x: the group's channels of the first of `count` pixels, `step` floats apart.
  void copy(int64_t pixel, const float* x, int64_t step, int64_t count) const {
    float* panel[kPanelsTogether];
    int64_t from[kPanelsTogether], width[kPanelsTogether];
    int whole = 0, all = static_cast<int>(end - begin);
    for (int i = 0; i < all; ++i) {
      panel[i] = at(begin + i, pixel);
      from[i] = panels.pieces.begin(begin + i);
      width[i] = panels.pieces.width(begin + i);
      whole += from[i] + kPanelSlack <= panels.pieces.length;
    }
    const int64_t floats = from[all - 1] + width[all - 1];
    for (int64_t n = 0; n < count; ++n, x += step) {
      for (int64_t i = from[0]; i < floats; i += 16)
        __builtin_prefetch(x + kPixelsAhead * step + i);
      // Whole stores: what reaches too far is written after it.
      for (int i = 0; i < whole; ++i) {
        CNNFAST_UNROLL
        for (int v = 0; v < kPanelSlack; v += kLanes) store(panel[i] + v, load(x + from[i] + v));
        panel[i] += width[i];
      }
      for (int i = whole; i < all; ++i) {
        for (int64_t v = 0; v < width[i]; v += kLanes)
          store_lanes(panel[i] + v, load_lanes(x + from[i] + v, lanes_of(width[i] - v)),
                      lanes_of(width[i] - v));
        panel[i] += width[i];
      }
    }
  }

 private:
  static int lanes_of(int64_t floats) { return static_cast<int>(smaller(kLanes, floats)); }
};

// Panels of the pieces [piece_begin, piece_end) of one group. x: the group's first channel of the
// first image; first_row, p.col_first: the first place read, which may lie outside.
void pack_source_panels(const ConvPass& p, const float* x, int64_t images, int64_t first_row,
                        const SourcePanels& panels, int64_t piece_begin, int64_t piece_end,
                        float* to) {
  const PanelAxis &down = panels.down, &across = panels.across;
  const int64_t left =
      smaller(across.places, larger(0, (across.step - 1 - p.col_first) / across.step));
  const int64_t first = p.col_first + left * across.step;
  const int64_t inside =
      larger(0, smaller(across.places - left, (p.src_w - first + across.step - 1) / across.step));
  for (int64_t begin = piece_begin; begin < piece_end; begin += kPanelsTogether) {
    const PanelRun run{panels, begin, smaller(begin + kPanelsTogether, piece_end), to};
    int64_t pixel = 0;
    for (int64_t image = 0; image < images; ++image)
      for (int64_t r = 0; r < down.places; ++r, pixel += across.places) {
        const int64_t row = first_row + r * down.step;
        if (row < 0 || row >= p.src_h || inside == 0) {
          run.zero(pixel, across.places);
          continue;
        }
        run.zero(pixel, left);
        run.copy(pixel + left, x + ((image * p.src_h + row) * p.src_w + first) * p.src_c,
                 across.step * p.src_c, inside);
        run.zero(pixel + left + inside, across.places - left - inside);
      }
  }
}

// `blocks` blocks of two vectors over `pixels` pixels, `step` floats apart; a panel after another.
CNNFAST_INLINE void pack_gradient_blocks(const float* dy, int64_t step, int64_t pixels,
                                         int64_t blocks, float* to) {
  for (int64_t i = 0; i < pixels; ++i, dy += step, to += kBlock) {
    const float* ahead = dy + kPixelsAhead * step;
    for (int64_t block = 0; block < blocks; ++block) {
      CNNFAST_UNROLL
      for (int v = 0; v < kBlock; v += 16) __builtin_prefetch(ahead + block * kBlock + v);
      const float* from = dy + block * kBlock;
      float* panel = to + block * pixels * kBlock;
      store(panel, load(from));
      store(panel + kLanes, load(from + kLanes));
    }
  }
}

// The last block's `left` channels, V vectors, zeros behind.
template <int V>
void pack_last_gradient_block(const float* dy, int64_t step, int64_t pixels, int64_t left,
                              float* to) {
  const int last = static_cast<int>(smaller(kLanes, left - (V - 1) * kLanes));
  for (int64_t i = 0; i < pixels; ++i, dy += step, to += V * kLanes) {
    CNNFAST_UNROLL
    for (int v = 0; v < V; ++v)
      store(to + v * kLanes, v + 1 < V ? load(dy + v * kLanes) : load_lanes(dy + v * kLanes, last));
  }
}

// Panels of the blocks [begin, end) of one group of `channels` channels.
void pack_gradient_panels(const float* dy, int64_t step, int64_t pixels, int64_t channels,
                          int64_t begin, int64_t end, float* to) {
  const int64_t whole = smaller(end, channels / kBlock);
  for (int64_t block = begin; block < whole; block += kPanelsTogether / 2)
    pack_gradient_blocks(dy + block * kBlock, step, pixels,
                         smaller(kPanelsTogether / 2, whole - block), to + block * kBlock * pixels);
  if (end <= whole) return;
  const int64_t left = channels - whole * kBlock;
  (left > kLanes ? pack_last_gradient_block<2>
                 : pack_last_gradient_block<1>)(dy + whole * kBlock, step, pixels, left,
                                                to + whole * kBlock * pixels);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
