// Convolution without a padded copy, of one ISA: where padding or dilation is so large that the
// rows which the other kernels copy would not fit in memory.
#pragma once

#include <cstdint>

#include "kernels/conv_table.h"

namespace cnnfast {

// All three take the forward pass (ConvPass) whatever they make, kernels as the user's HWIO array,
// and no scratch.
struct ConvInsideKernels {
  // Destination rows [row_begin, row_end), counted through all images.
  void (*forward)(const ConvPass& pass, const float* x, const float* w, const float* bias, float* y,
                  std::int64_t row_begin, std::int64_t row_end) = nullptr;
  // Source rows [row_begin, row_end), counted through all images; bias and activation are its own.
  void (*backward_input)(const ConvPass& pass, const float* dy, const float* w, const float* bias,
                         float* dx, std::int64_t row_begin, std::int64_t row_end) = nullptr;
  // Rows [unit_begin, unit_end) of the (KH KW C/groups, K) kernel; db is one more row.
  void (*backward_kernel)(const ConvPass& pass, const float* x, const float* dy, float* dw,
                          float* db, std::int64_t images, std::int64_t unit_begin,
                          std::int64_t unit_end) = nullptr;
};

}  // namespace cnnfast
