// The step of a DirectPlan: how its passes are cut into units and shared among threads. The kernels
// `direct`, `depthwise` and `planar` have the plan and this step in common.
#pragma once

#include <algorithm>

#include "ops/conv2d_direct.h"

namespace cnnfast {

enum class Way { direct, depthwise, planar };

// Depthwise layers do little but move floats: sources and results together may stay in a last cache
// of hundreds of megabytes, of which neighbours take a part (8x56x56x128, 3x3, 26 MB, two cores
// with 480 MB: 540 us stored into the caches, 590 past them; with 32 MB 2.5 times as long into
// them).
inline std::int64_t depthwise_cached_floats(const Caches& caches) {
  return std::max<std::int64_t>(kCachedFloats, caches.last / 8 / 4);
}

struct Operands {
  Slot src, weights, bias, dst, scratch;
};

std::int64_t block_count(const ConvPass& pass, const ConvKernels& kernels);

// `flipped`: depthwise backward-input, whose taps run backwards.
void add_direct_step(const Problem& problem, StepBuilder& steps, DirectPlan plan, Operands at,
                     const Conv2dShape& s, Way way = Way::direct, bool flipped = false);

}  // namespace cnnfast
