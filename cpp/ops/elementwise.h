// How binary functions, comparisons and select run; shared by ops/elementwise.cpp, which says what
// they are, and ops/elementwise_implementations.cpp.
#pragma once

#include "kernels/elementwise_table.h"
#include "ops/op.h"

namespace cnnfast {

BinaryKind binary_kind(const Problem& problem);
CompareKind compare_kind(const Problem& problem);

std::span<const Implementation* const> binary_implementations();
std::span<const Implementation* const> compare_implementations();
std::span<const Implementation* const> select_implementations();

}  // namespace cnnfast
