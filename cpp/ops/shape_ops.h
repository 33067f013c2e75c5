// How ops that move, view or convert elements run; shared by ops/shape_ops.cpp, which says what
// they are, and ops/shape_ops_implementations.cpp.
#pragma once

#include "ops/op.h"

namespace cnnfast {

std::span<const Implementation* const> view_implementations();  // output 0 is input 0's bytes
std::span<const Implementation* const> transpose_implementations();
std::span<const Implementation* const> broadcast_to_implementations();
std::span<const Implementation* const> cast_implementations();
std::span<const Implementation* const> gather_implementations();
std::span<const Implementation* const> fill_implementations();

}  // namespace cnnfast
