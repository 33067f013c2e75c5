#include "ops/epilogue.h"

#include <cmath>
#include <string>

namespace cnnfast {

Epilogue epilogue_attributes(std::string_view op, const Attributes& attributes) {
  Epilogue e;
  const std::string name = attributes.text("activation", "linear");
  if (name == "linear") {
    e.activation = ActivationKind::linear;
  } else if (name == "relu") {
    e.activation = ActivationKind::relu;
  } else if (name == "leaky_relu") {
    e.activation = ActivationKind::leaky_relu;
  } else if (name == "tanh") {
    e.activation = ActivationKind::tanh;
  } else if (name == "sigmoid") {
    e.activation = ActivationKind::sigmoid;
  } else {
    value_error(op,
                ": activation must be 'linear', 'relu', 'leaky_relu', 'tanh' or 'sigmoid', got '",
                name, "'; apply another one as an op of its own");
  }
  const double alpha = attributes.real("alpha", 0.2);
  if (!std::isfinite(alpha)) value_error(op, ": alpha must be finite, got ", alpha);
  if (e.activation == ActivationKind::leaky_relu && alpha < 0)
    value_error(op, ": alpha must be >= 0, got ", alpha,
                "; the gradient is taken from the output, whose sign would not tell");
  e.alpha = static_cast<float>(alpha);
  return e;
}

ValueId gradient_before_activation(GradientContext& g, ValueId dy) {
  const Attributes& attributes = g.node().attributes;
  if (attributes.text("activation", "linear") == "linear") return dy;
  return g.add(
      "activation_backward", {g.output(0), dy},
      {{"activation", attributes.text("activation")}, {"alpha", attributes.real("alpha", 0.2)}})[0];
}

}  // namespace cnnfast
