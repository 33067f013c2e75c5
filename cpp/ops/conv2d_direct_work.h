// The step of a DirectPlan: how its passes are cut into units and shared among threads. The kernels
// `direct`, `depthwise` and `planar` have the plan and this step in common.
#pragma once

#include "ops/conv2d_direct.h"

namespace cnnfast {

enum class Way { direct, depthwise, planar };

struct Operands {
  Slot src, weights, bias, dst, scratch;
};

std::int64_t block_count(const ConvPass& pass, const ConvKernels& kernels);

// `flipped`: depthwise backward-input, whose taps run backwards.
void add_direct_step(const Problem& problem, StepBuilder& steps, DirectPlan plan, Operands at,
                     const Conv2dShape& s, Way way = Way::direct, bool flipped = false);

}  // namespace cnnfast
