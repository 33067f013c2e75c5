// Activations that conv2d and dense apply to their result before they store it.
#pragma once

#include <cstdint>

namespace cnnfast {

enum class ActivationKind : std::uint8_t { linear, relu, leaky_relu, tanh, sigmoid };

}  // namespace cnnfast
