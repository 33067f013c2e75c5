#define CNNFAST_ISA avx512
#include "kernels/conv_depthwise.h"
#include "kernels/conv_depthwise_doubling.h"
#include "kernels/conv_direct.h"
#include "kernels/conv_overlap.h"
#include "kernels/conv_pack.h"
#include "kernels/vector.h"

namespace cnnfast::avx512 {

void fill_conv(ConvKernels& table) {
  table.lanes = kLanes;
  table.block = kBlock;
  table.tile_pixels = kTilePixels;
  table.products_per_cycle = kProductsPerCycle;
  table.direct = conv_direct;
  table.pad = copy_padded;
  table.depthwise = conv_depthwise;
  table.depthwise_scratch = conv_depthwise_scratch;
  table.depthwise_doubling = conv_depthwise_doubling;
  table.depthwise_doubling_cells = conv_depthwise_doubling_cells;
  table.overlap = conv_overlap;
  table.overlap_pack = overlap_pack;
  table.overlap_weights = overlap_weights;
  table.overlap_scratch = overlap_scratch;
  table.pack_forward = conv_pack_forward;
  table.pack_backward = conv_pack_backward;
}

}  // namespace cnnfast::avx512
