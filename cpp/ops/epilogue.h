// The attributes "activation" and "alpha" of conv2d and dense, and their gradient.
#pragma once

#include <string_view>

#include "cnnfast/attributes.h"
#include "kernels/activation_kind.h"
#include "ops/op.h"

namespace cnnfast {

struct Epilogue {
  ActivationKind activation = ActivationKind::linear;
  float alpha = 0.2f;  // slope of leaky_relu below zero
};

// ValueError with `op` in front when the activation is unknown or alpha is not finite.
Epilogue epilogue_attributes(std::string_view op, const Attributes& attributes);

// Gradient before the activation: dy itself when linear, else activation_backward(y, dy), y being
// output 0 of the node.
ValueId gradient_before_activation(GradientContext& g, ValueId dy);

}  // namespace cnnfast
