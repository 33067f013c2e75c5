// How reductions run; shared by ops/reduction.cpp, which says what they are, and
// ops/reduction_implementations.cpp.
#pragma once

#include <vector>

#include "kernels/elementwise_table.h"
#include "ops/op.h"

namespace cnnfast {

struct Reduction {
  ReduceKind kind = ReduceKind::sum;
  bool mean = false;               // of kind sum
  std::vector<std::int64_t> axes;  // sorted, each once
};
// Of the ops sum, mean, max, min, argmax and the two *_backward.
Reduction reduction_of(const Problem& problem);

std::span<const Implementation* const> reduce_implementations();
std::span<const Implementation* const> argmax_implementations();
std::span<const Implementation* const> extreme_backward_implementations();

}  // namespace cnnfast
