// How ops that map the rows along one axis run; shared by ops/axis_map.cpp, which says what they
// are, and ops/axis_map_implementations.cpp.
#pragma once

#include "ops/op.h"

namespace cnnfast {

std::span<const Implementation* const> take_implementations();
std::span<const Implementation* const> take_backward_implementations();
std::span<const Implementation* const> interpolate_implementations();
std::span<const Implementation* const> interpolate_backward_implementations();

}  // namespace cnnfast
