// The pooling that conv2d applies to its activated result before it stores it: over 2 x 2 places,
// two apart, without padding.
#pragma once

#include <cstdint>

namespace cnnfast {

enum class PoolKind : std::uint8_t { none, average, max };

}  // namespace cnnfast
