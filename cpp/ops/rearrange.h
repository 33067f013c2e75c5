// Ops that put parts of tensors elsewhere; shared by ops/rearrange.cpp, which says what they are,
// and ops/rearrange_implementations.cpp.
#pragma once

#include "ops/op.h"

namespace cnnfast {

std::span<const Implementation* const> concatenate_implementations();
std::span<const Implementation* const> slice_implementations();
std::span<const Implementation* const> slice_backward_implementations();
std::span<const Implementation* const> pad_implementations();

}  // namespace cnnfast
