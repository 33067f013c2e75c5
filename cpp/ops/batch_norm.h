// How batch normalisation runs; shared by ops/batch_norm.cpp, which says what the ops are, and
// ops/batch_norm_implementations.cpp.
#pragma once

#include "ops/epilogue.h"
#include "ops/op.h"

namespace cnnfast {

std::span<const Implementation* const> batch_norm_implementations();
std::span<const Implementation* const> batch_norm_training_implementations();
std::span<const Implementation* const> batch_norm_backward_implementations();
std::span<const Implementation* const> moving_average_implementations();

}  // namespace cnnfast
