// Direct convolution as passes of kernels/conv_direct.h: one for the forward direction, one per
// phase of the strides for backward-input.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "ops/conv2d_shape.h"
#include "ops/epilogue.h"
#include "ops/implementation.h"

namespace cnnfast {

struct PlannedPass {
  ConvPass pass;
  std::vector<ConvKernels::Phase> phases;  // backward-input: which taps, for each joint pass
  std::int64_t weights = 0;                // floats from the start of the packed buffer
  std::int64_t destination = 0;            // floats from the start of a destination image
};

struct DirectPlan {
  std::vector<PlannedPass> passes;
  std::int64_t images = 0;                    // 1 when pixels_per_row != 0
  std::int64_t src_image = 0, dst_image = 0;  // floats
  std::int64_t packed_floats = 0;
  // 1x1 convolutions over all pixels of the batch as one long row: pixels of one image, else 0.
  std::int64_t pixels_per_image = 0;
  std::int64_t batch = 0;
};

// The forward direction over one image.
ConvPass forward_pass(const Conv2dShape& s);
// Of the weights of one pass, without those joined to it.
std::int64_t packed_floats(const ConvPass& pass, const ConvKernels& kernels);
// `flatten`: 1x1 convolutions take all pixels of the batch as one row. `join`: phases that read the
// same places of dy, as those of strides no smaller than the kernel do, become one pass.
DirectPlan plan_direct_forward(const Conv2dShape& s, const ConvKernels& kernels,
                               const Epilogue& epilogue, bool flatten = true);
DirectPlan plan_direct_backward_input(const Conv2dShape& s, const ConvKernels& kernels,
                                      const Epilogue& epilogue, bool flatten = true,
                                      bool join = false);

// Below this much work (4 us) a second thread costs more than it brings.
inline constexpr double kSingleThreadFlops = 3e5;
// A step in parts reads its weights once a part; up to so many bytes they stay in L2.
inline constexpr std::int64_t kPartWeights = 384 << 10;

// Depthwise layers do little but move floats: sources and results together may stay in a last cache
// of hundreds of megabytes, of which neighbours take a part (8x56x56x128, 3x3, 26 MB, two cores
// with 480 MB: 540 us stored into the caches, 590 past them; with 32 MB 2.5 times as long into
// them).
inline std::int64_t depthwise_cached_floats(const Caches& caches) {
  return std::max<std::int64_t>(kCachedFloats, caches.last / 8 / 4);
}

// Why a row of `width` pixels fills vectors no better than its channels do; nothing where it does.
std::optional<std::string> planar_discourages(const Problem& problem, std::int64_t channels,
                                              std::int64_t width);

inline constexpr std::int64_t kMostSourceFloats = 16 << 20;  // of a row's copies or planes
// Padded rows of more than 64 MiB a thread (absurd pads or dilation): the reason to decline.
std::optional<std::string> too_much_padding(const ConvPass& pass);

}  // namespace cnnfast
