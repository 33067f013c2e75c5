// How unary functions and their gradients run; shared by ops/activation.cpp and
// ops/unary_backward.cpp, which say what they are, and ops/activation_implementations.cpp.
#pragma once

#include "kernels/elementwise_table.h"
#include "ops/op.h"

namespace cnnfast {

UnaryKind unary_kind(const Problem& problem);
UnaryKind unary_backward_kind(const Problem& problem);

// Attributes of the kinds that have some, checked: "alpha", or "low" and "high" of clip.
struct UnaryFactors {
  double alpha = 0, beta = 0;
};
UnaryFactors unary_factors(std::string_view op, UnaryKind kind, const Call& call);

std::span<const Implementation* const> unary_implementations();
std::span<const Implementation* const> unary_backward_implementations();
std::span<const Implementation* const> activation_backward_implementations();

}  // namespace cnnfast
