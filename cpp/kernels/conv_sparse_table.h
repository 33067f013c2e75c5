// Gradients of a convolution from a dy that is mostly zeros, of one ISA. One group of channels.
#pragma once

#include <cstdint>

#include "kernels/conv_table.h"

namespace cnnfast {

// All take the forward pass (ConvPass). Vectors run over the channels of x: src_c of them, in
// vectors whose last one need not be full.
struct ConvSparseKernels {
  // Weights for backward_input: floats, and writing those of some vectors of channels.
  std::int64_t (*weights)(const ConvPass& pass) = nullptr;
  void (*pack)(const ConvPass& pass, const float* w, float* packed, std::int64_t vector_begin,
               std::int64_t vector_end) = nullptr;
  // dx of some images, of some vectors of channels. `scratch`: backward_input_scratch floats.
  void (*backward_input)(const ConvPass& pass, const float* dy, const float* packed, float* dx,
                         float* scratch, std::int64_t image_begin, std::int64_t image_end,
                         std::int64_t vector_begin, std::int64_t vector_end) = nullptr;
  std::int64_t (*backward_input_scratch)(const ConvPass& pass) = nullptr;

  // As ConvKernels::backward_kernel; unit = (tap, vector of channels), the vector fastest:
  // rows of dw in their order.
  void (*backward_kernel)(const ConvPass& pass, const float* x, const float* dy, float* dw,
                          float* db, float* scratch, const ConvSumRegion& region,
                          bool first) = nullptr;
  std::int64_t (*backward_kernel_units)(const ConvPass& pass) = nullptr;
  std::int64_t (*backward_kernel_scratch)(const ConvPass& pass) = nullptr;
};

}  // namespace cnnfast
