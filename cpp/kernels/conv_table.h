// Convolution kernels of one ISA. The forward pass and each phase of backward-input are the same
// computation, a ConvPass: a window slides over zero-padded source rows and makes destination rows.
#pragma once

#include <cstdint>

#include "kernels/activation_kind.h"
#include "kernels/pool_kind.h"

namespace cnnfast {

// Destination pixel (o, p) sums source pixels
//   row o * row_step + row_first + r * row_tap_step,  r < row_taps
//   col p * col_step + col_first + s * col_tap_step,  s < col_taps
// which are zero outside the source. Strides are in floats. With a pool, such sums are places, and
// destination pixel (o, p) is pooled from those of rows 2 o and 2 o + 1, columns 2 p and 2 p + 1.
struct ConvPass {
  std::int64_t src_h = 0, src_w = 0, src_c = 0;  // one source image
  std::int64_t row_step = 1, row_first = 0, row_taps = 1, row_tap_step = 1;
  std::int64_t col_step = 1, col_first = 0, col_taps = 1, col_tap_step = 1;
  std::int64_t groups = 1, group_c = 1, group_k = 1;  // channels of a group: source, destination
  std::int64_t dst_h = 0, dst_w = 0;                  // pixels this pass makes
  std::int64_t dst_row = 0, dst_col = 0;              // strides between them
  // Passes over the same source places, each with weights of its own, made as one by `direct`: how
  // many, and how far their destinations lie apart. Their channel blocks follow one another.
  std::int64_t joint_rows = 1, joint_cols = 1, joint_row = 0, joint_col = 0;
  bool copy = false;                // some tap leaves the source: rows go through a padded copy
  std::int64_t copy_w = 0;          // source columns the pass touches
  std::int64_t block_rows = 1;      // destination rows made per walk over the channel blocks
  std::int64_t block_channels = 0;  // depthwise kernel's gradient, of a padded copy
  std::int64_t weight_step = 0;     // floats between the weights of neighbouring reduction indices
  bool packed = true;               // false: the weights are the user's HWIO array, weight_step = K
  ActivationKind activation = ActivationKind::linear;
  float alpha = 0.2f;
  PoolKind pool = PoolKind::none;  // planar only

  std::int64_t reduction() const { return row_taps * col_taps * group_c; }
  std::int64_t joint() const { return joint_rows * joint_cols; }
  std::int64_t places() const { return pool == PoolKind::none ? 1 : 2; }  // along an axis, a pixel
  // Source rows that `rows` destination rows touch.
  std::int64_t copy_rows(std::int64_t rows) const {
    return (rows * places() - 1) * row_step + (row_taps - 1) * row_tap_step + 1;
  }
};

// What one call makes: rows, columns and channel blocks (counted over all groups).
struct ConvRegion {
  std::int64_t row_begin, row_end, col_begin, col_end, block_begin, block_end;
  bool uncached = false;  // the destination (depthwise: and source) is too large for the caches
};

// A stride-1 convolution of r x r taps in tiles of m x m outputs, m + r - 1 = 6
// (kernels/winograd.h). With taps `row_tap_step` and `col_tap_step` apart, every so many-th row and
// column make a grid of their own, on which the taps adjoin: a grid's tiles are numbered through
// its rows, then grids, then images.
struct WinogradPass {
  int m = 4;  // 4 with r = 3, 2 with r = 5
  std::int64_t row_tap_step = 1, col_tap_step = 1;
  std::int64_t src_h = 0, src_w = 0, src_c = 0;  // one source image
  std::int64_t row_first = 0, col_first = 0;     // source place of output (0, 0)'s first tap
  std::int64_t dst_h = 0, dst_w = 0, dst_c = 0;
  std::int64_t tile_rows = 0, tile_cols = 0;  // of the largest grid of an image
  std::int64_t block_tiles = 1;               // tiles taken at a time
  // Weights: transformed from an HWIO kernel, whose channels are source and destination or, when
  // `flipped`, for backward-input, the other way round; in blocks of `block` destination channels,
  // `slim` ones of a vector. raw_channels not 0: they are the user's array, of which the kernel
  // transforms so many source channels of a block at a time, just before it multiplies by them.
  bool flipped = false, slim = false;
  std::int64_t raw_channels = 0;
  bool uncached = false;  // the destination is too large for the caches
  ActivationKind activation = ActivationKind::linear;
  float alpha = 0.2f;

  std::int64_t grids() const { return row_tap_step * col_tap_step; }
  std::int64_t image_tiles() const { return grids() * tile_rows * tile_cols; }
};

inline constexpr std::int64_t kPackUnit = 16;

// Part of a kernel's gradient: source channels, whole vectors but for the last ones, and blocks of
// destination channels.
struct WinogradPanel {
  std::int64_t c_begin, c_end, block_begin, block_end;
  std::int64_t channels() const { return c_end - c_begin; }
  std::int64_t blocks() const { return block_end - block_begin; }
};

// What one call of backward_kernel sums over (images, destination rows) and which of its units:
// unit = ((group, channel block), tile of kernel rows), the tile running fastest.
struct ConvSumRegion {
  std::int64_t image_begin, image_end, row_begin, row_end, unit_begin, unit_end;
  bool uncached = false;  // depthwise: source and dy are too large for the caches
};

struct ConvKernels {
  int lanes = 0;                  // floats in a vector
  int block = 0;                  // destination channels of a packed block: two vectors
  int tile_pixels = 0;            // destination pixels of the widest register tile
  double products_per_cycle = 1;  // vectors of multiply-adds, for estimates

  // Makes a region of one image. `scratch` holds copy_rows(block_rows) * copy_w * src_c floats when
  // pass.copy. `bias` may be null. Weights: per group, per block of `block` channels,
  // reduction() x (block, or one vector when the rest fits one) floats.
  void (*direct)(const ConvPass& pass, const float* src, const float* weights, const float* bias,
                 float* dst, float* scratch, const ConvRegion& region) = nullptr;

  // Source rows [first_row, first_row + rows), columns likewise, zeros where they lie outside.
  void (*pad)(const float* src, std::int64_t src_h, std::int64_t src_w, std::int64_t channels,
              std::int64_t first_row, std::int64_t rows, std::int64_t first_col, std::int64_t cols,
              float* to) = nullptr;

  // Blocks [block_begin, block_end) of all groups' blocks, packed from an HWIO kernel for `direct`.
  // forward: reduction order (kh, kw, c), channels k. Backward-input: reduction order (taps of the
  // phase from the last to the first, k), channels c.
  struct PackedRows {  // of the reduction
    std::int64_t begin, end, all;
  };
  void (*pack_forward)(const float* w, float* packed, const PackedRows& rows, std::int64_t group_k,
                       std::int64_t groups, std::int64_t block_begin,
                       std::int64_t block_end) = nullptr;
  struct Phase {            // taps kh = kh_last - r * kh_step, r < row_taps; kw likewise
    std::int64_t kw_count;  // KW of the whole kernel
    std::int64_t kh_last, kh_step, row_taps;
    std::int64_t kw_last, kw_step, col_taps;
  };
  void (*pack_backward)(const float* w, float* packed, const Phase& phase, std::int64_t group_c,
                        std::int64_t group_k, std::int64_t groups, std::int64_t block_begin,
                        std::int64_t block_end) = nullptr;

  // The kernel's gradient: pass as for the forward direction, dy where its destination was. Adds
  // the region's sums to dw (HWIO) and db (null: not wanted), or overwrites them when `first`.
  // Several images only with all their rows. `scratch`: backward_kernel_scratch floats.
  void (*backward_kernel)(const ConvPass& pass, const float* x, const float* dy, float* dw,
                          float* db, float* scratch, const ConvSumRegion& region,
                          bool first) = nullptr;
  std::int64_t (*backward_kernel_units)(const ConvPass& pass) = nullptr;
  std::int64_t (*backward_kernel_scratch)(const ConvPass& pass, std::int64_t images,
                                          std::int64_t rows) = nullptr;

  // Winograd: tiles [tile_begin, tile_end) of all images, channel blocks [block_begin, block_end).
  void (*winograd)(const WinogradPass& pass, const float* src, const float* weights,
                   const float* bias, float* dst, float* scratch, std::int64_t tile_begin,
                   std::int64_t tile_end, std::int64_t block_begin,
                   std::int64_t block_end) = nullptr;
  std::int64_t (*winograd_scratch)(const WinogradPass& pass) = nullptr;  // floats
  // Transformed weights: floats, and writing units of them: of a block, kPackUnit source channels
  // after the other.
  std::int64_t (*winograd_weights)(const WinogradPass& pass) = nullptr;
  void (*winograd_pack)(const WinogradPass& pass, const float* w, float* packed,
                        std::int64_t unit_begin, std::int64_t unit_end) = nullptr;

  // dw by Winograd: sums dU of tiles [tile_begin, tile_end) for a panel of channels; its dU is
  // [block][36][c][32], winograd_panel_floats floats. db (null: not wanted) has sums of dy at the
  // places of the panel's blocks. `kept`: scratch still holds these tiles' points of these source
  // channels. `finish` adds `count` such sums, `stride` floats apart, in their order and transforms
  // blocks of the panel back into HWIO dw.
  void (*winograd_sums)(const WinogradPass& pass, const float* x, const float* dy,
                        const WinogradPanel& panel, float* sums, float* db, float* scratch,
                        std::int64_t tile_begin, std::int64_t tile_end, bool first,
                        bool kept) = nullptr;
  std::int64_t (*winograd_sums_scratch)(const WinogradPass& pass,
                                        const WinogradPanel& panel) = nullptr;
  std::int64_t (*winograd_panel_floats)(const WinogradPanel& panel) = nullptr;
  void (*winograd_finish)(const WinogradPanel& panel, const float* sums, std::int64_t count,
                          std::int64_t stride, float* dw, int m, std::int64_t c, std::int64_t k,
                          std::int64_t block_begin, std::int64_t block_end) = nullptr;

  // One source channel per group and as many groups as destination channels: vectors over channels,
  // weights as the user's HWIO array from `w` on, w_row and w_col floats between taps. `region`
  // blocks are ignored, and its columns when pass.copy. `scratch`: depthwise_scratch floats.
  void (*depthwise)(const ConvPass& pass, const float* src, const float* w, std::int64_t w_row,
                    std::int64_t w_col, const float* bias, float* dst, float* scratch,
                    const ConvRegion& region) = nullptr;
  std::int64_t (*depthwise_scratch)(const ConvPass& pass) = nullptr;
  // Without pass.copy: group_k == 1 and channels that are whole vectors.
  void (*depthwise_backward_kernel)(const ConvPass& pass, const float* x, const float* dy,
                                    float* dw, float* db, float* scratch,
                                    const ConvSumRegion& region, bool first) = nullptr;
  bool depthwise_sums_windows = false;  // such 3x3 kernels at strides of 1 are better without copy
  std::int64_t (*depthwise_backward_kernel_scratch)(const ConvPass& pass, std::int64_t images,
                                                    std::int64_t rows) = nullptr;

  // Depthwise 3x3 taps at strides of 2 (kernels/conv_depthwise_doubling.h): `pass` as for the
  // forward direction, w the user's HWIO array. Rows of cells [begin, end) of one image, each of
  // which makes two rows of dx.
  void (*depthwise_doubling)(const ConvPass& pass, const float* dy, const float* w, float* dx,
                             std::int64_t begin, std::int64_t end) = nullptr;
  std::int64_t (*depthwise_doubling_cells)(const ConvPass& pass) = nullptr;  // of an image

  // The gradient of an input of few channels (kernels/conv_overlap.h), stride 1: `pass` as for the
  // forward direction, weights packed by overlap_pack. One image.
  void (*overlap)(const ConvPass& pass, const float* dy, const float* packed, float* dx,
                  float* scratch) = nullptr;
  void (*overlap_pack)(const ConvPass& pass, const float* w, float* packed) = nullptr;
  std::int64_t (*overlap_weights)(const ConvPass& pass) = nullptr;  // floats
  std::int64_t (*overlap_scratch)(const ConvPass& pass) = nullptr;

  // Few destination channels: vectors over the pixels of a row instead. As direct with the user's
  // HWIO weights.
  void (*planar)(const ConvPass& pass, const float* src, const float* w, const float* bias,
                 float* dst, float* scratch, const ConvRegion& region) = nullptr;
  int planar_channels = 0;  // at most
  std::int64_t (*planar_scratch)(const ConvPass& pass) = nullptr;
  void (*planar_backward_kernel)(const ConvPass& pass, const float* x, const float* dy, float* dw,
                                 float* db, float* scratch, const ConvSumRegion& region,
                                 bool first) = nullptr;
  std::int64_t (*planar_backward_kernel_scratch)(const ConvPass& pass, std::int64_t images,
                                                 std::int64_t rows) = nullptr;
};

}  // namespace cnnfast
