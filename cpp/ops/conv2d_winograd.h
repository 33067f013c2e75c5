// What the Winograd implementations of the three passes share.
#pragma once

#include <optional>
#include <string>

#include "ops/conv2d_shape.h"
#include "ops/implementation.h"

namespace cnnfast {

struct WinogradPlan {
  WinogradPass pass;
  std::int64_t tiles = 0;   // of all images
  std::int64_t blocks = 0;  // of destination channels
};

// flipped: backward-input, from dy to dx.
WinogradPlan plan_winograd(const Conv2dShape& s, const ConvKernels& kernels, bool flipped);
// What Winograd cannot run at all.
std::optional<std::string> winograd_declines(const Problem& problem, const Conv2dShape& s,
                                             bool flipped);
// Estimated cycles of one broadcast value times so many channels: 85 % of the FMA peak, less for a
// single vector, whose every product loads its broadcast.
double product_cycles(double channels, const ConvKernels& kernels);
// Estimated cycles of Winograd, of Winograd for the kernel's gradient, and of the direct kernel.
double winograd_cycles(const WinogradPlan& plan, const ConvKernels& kernels);
double winograd_sum_cycles(const Conv2dShape& s, const ConvKernels& kernels);
double direct_cycles(const Conv2dShape& s, const WinogradPlan& plan, const ConvKernels& kernels);

}  // namespace cnnfast
