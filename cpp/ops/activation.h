// How unary functions and activation_backward run; shared by ops/activation.cpp, which says what
// they are, and ops/activation_implementations.cpp.
#pragma once

#include "kernels/elementwise_table.h"
#include "ops/op.h"

namespace cnnfast {

UnaryKind unary_kind(const Problem& problem);
double unary_alpha(const Problem& problem);

std::span<const Implementation* const> unary_implementations();
std::span<const Implementation* const> activation_backward_implementations();

}  // namespace cnnfast
