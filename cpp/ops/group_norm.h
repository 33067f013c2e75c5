// How layer and group normalisation run; shared by ops/group_norm.cpp, which says what the ops
// are, and ops/layer_norm_implementations.cpp, ops/group_norm_implementations.cpp.
#pragma once

#include "ops/op.h"

namespace cnnfast {

// x as (samples, middle, groups, size): statistics are those of a (sample, group).
struct GroupShape {
  std::int64_t samples, middle, groups, size;

  std::int64_t channels() const { return groups * size; }
};
GroupShape group_shape(const Problem& problem);

// For both, on one thread.
void group_norm_reference(const Problem& p, StepBuilder& steps);
void group_norm_backward_reference(const Problem& p, StepBuilder& steps);

std::span<const Implementation* const> layer_norm_implementations();
std::span<const Implementation* const> layer_norm_backward_implementations();
std::span<const Implementation* const> group_norm_implementations();
std::span<const Implementation* const> group_norm_backward_implementations();

}  // namespace cnnfast
