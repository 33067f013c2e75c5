// Unary functions of every element, and the gradient of activations from their outputs.
#include "ops/activation.h"

#include "ops/checks.h"
#include "ops/epilogue.h"
#include "ops/families.h"
#include "reference/activation.h"

namespace cnnfast {

namespace {

using UnaryGradient = ValueId (*)(GradientContext& g, ValueId x, ValueId y, ValueId dy);

class UnaryOp final : public Op {
 public:
  // gradient null: nothing flows back.
  UnaryOp(const char* name, UnaryKind kind, UnaryGradient gradient)
      : name_(name), kind_(kind), gradient_(gradient) {}

  std::string_view name() const override { return name_; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 1, 1);
    const DType dtype = call.input(0).dtype;
    if (!(is_integer(dtype) && reference::has_integer_form(kind_)))
      expect_floating(name_, call, 0, "x");
    const UnaryFactors factors = unary_factors(name_, kind_, call);
    // The gradient is found from the output: a negative slope would hide the input's sign.
    if (kind_ == UnaryKind::leaky_relu && factors.alpha < 0)
      value_error(name_, ": alpha must be >= 0, got ", factors.alpha);
    return {call.input(0)};
  }

  void gradient(GradientContext& g) const override {
    if (gradient_ && g.wants(0))
      g.give(0, gradient_(g, g.input(0), g.output(0), g.output_gradient(0)));
  }

  std::span<const Implementation* const> implementations() const override {
    return unary_implementations();
  }
  int overwrites(int) const override { return 0; }

  UnaryKind kind() const { return kind_; }

 private:
  const char* name_;
  UnaryKind kind_;
  UnaryGradient gradient_;
};

class ActivationBackwardOp final : public Op {
 public:
  std::string_view name() const override { return "activation_backward"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_attributes(name(), call, {"activation", "alpha"});
    expect_floating(name(), call, 0, "y");
    expect_same_type(name(), call, 0, 1, "y and dy");
    const Epilogue e = epilogue_attributes(name(), call.attributes);
    if (e.activation == ActivationKind::leaky_relu && e.alpha < 0)
      value_error(name(), ": alpha must be >= 0, got ", e.alpha,
                  ", since the input's sign is read from the output");
    return {call.input(1)};
  }

  // Linear in dy; what flows into y (a second derivative) is left out on purpose.
  void gradient(GradientContext& g) const override {
    const ActivationKind kind = epilogue_attributes(name(), g.node().attributes).activation;
    const bool curved = kind == ActivationKind::tanh || kind == ActivationKind::sigmoid;
    if (curved && g.wants(0))
      value_error(name(), ": second derivatives of tanh and sigmoid are not available here");
    if (g.wants(1))
      g.give(1, g.add("activation_backward", {g.input(0), g.output_gradient(0)},
                      g.node().attributes)[0]);
  }

  std::span<const Implementation* const> implementations() const override {
    return activation_backward_implementations();
  }
  int overwrites(int) const override { return 1; }
  // Of the maxima of pooling's windows 53 to 78 % were positive at the start of VGG-16, AlexNet and
  // two small networks, on noise, and 45 % after some training.
  double filled_share(const Call& call, std::span<const TensorType>,
                      std::span<const double> inputs) const override {
    const Epilogue e = epilogue_attributes(name(), call.attributes);
    return inputs[1] * (e.activation == ActivationKind::relu ? 0.6 : 1.0);
  }
};

ValueId from_output(GradientContext& g, ValueId y, ValueId dy, const char* activation,
                    double alpha) {
  return g.add("activation_backward", {y, dy}, {{"activation", activation}, {"alpha", alpha}})[0];
}
// By an op of its own, from the input.
ValueId from_input(GradientContext& g, ValueId x, ValueId, ValueId dy) {
  return g.add(concat(g.node().op->name(), "_backward"), {x, dy}, g.node().attributes)[0];
}
ValueId times(GradientContext& g, ValueId a, ValueId b) { return g.add("multiply", {a, b})[0]; }
ValueId times(GradientContext& g, ValueId a, double factor) {
  return times(g, a, scalar(g, g.type(a).dtype, factor));
}

}  // namespace

UnaryKind unary_kind(const Problem& p) { return static_cast<const UnaryOp&>(*p.node.op).kind(); }

UnaryFactors unary_factors(std::string_view op, UnaryKind kind, const Call& call) {
  const Attributes& attributes = call.attributes;
  switch (kind) {
    case UnaryKind::leaky_relu:
    case UnaryKind::elu:
      expect_attributes(op, call, {"alpha"});
      return {finite_attribute(op, attributes, "alpha", kind == UnaryKind::elu ? 1.0 : 0.2), 0};
    case UnaryKind::clip: {
      expect_attributes(op, call, {"low", "high"});
      const double low = finite_attribute(op, attributes, "low", 0);
      const double high = finite_attribute(op, attributes, "high", 1);
      if (low > high) value_error(op, ": low must be at most high, got ", low, " and ", high);
      return {low, high};
    }
    default:
      expect_attributes(op, call, {});
      return {};
  }
}

void add_activation_ops(OpList& ops) {
  const auto add = [&](const char* name, UnaryKind kind, UnaryGradient gradient) {
    ops.push_back(std::make_unique<UnaryOp>(name, kind, gradient));
  };
  add("relu", UnaryKind::relu, [](GradientContext& g, ValueId, ValueId y, ValueId dy) {
    return from_output(g, y, dy, "relu", 0.0);
  });
  add("leaky_relu", UnaryKind::leaky_relu, [](GradientContext& g, ValueId, ValueId y, ValueId dy) {
    return from_output(g, y, dy, "leaky_relu", g.node().attributes.real("alpha", 0.2));
  });
  add("elu", UnaryKind::elu, from_input);
  add("selu", UnaryKind::selu, from_input);
  add("silu", UnaryKind::silu, from_input);
  add("gelu", UnaryKind::gelu, from_input);
  add("gelu_tanh", UnaryKind::gelu_tanh, from_input);
  add("mish", UnaryKind::mish, from_input);
  add("softplus", UnaryKind::softplus, from_input);
  add("softsign", UnaryKind::softsign, from_input);
  add("log_sigmoid", UnaryKind::log_sigmoid, from_input);
  add("hard_sigmoid", UnaryKind::hard_sigmoid, from_input);
  add("hard_silu", UnaryKind::hard_silu, from_input);
  add("clip", UnaryKind::clip, from_input);
  add("tanh", UnaryKind::tanh, [](GradientContext& g, ValueId, ValueId y, ValueId dy) {
    return from_output(g, y, dy, "tanh", 0.0);
  });
  add("sigmoid", UnaryKind::sigmoid, [](GradientContext& g, ValueId, ValueId y, ValueId dy) {
    return from_output(g, y, dy, "sigmoid", 0.0);
  });
  add("exp", UnaryKind::exp,
      [](GradientContext& g, ValueId, ValueId y, ValueId dy) { return times(g, dy, y); });
  add("log", UnaryKind::log, [](GradientContext& g, ValueId x, ValueId, ValueId dy) {
    return g.add("divide", {dy, x})[0];
  });
  add("sqrt", UnaryKind::sqrt, [](GradientContext& g, ValueId, ValueId y, ValueId dy) {
    return g.add("divide", {times(g, dy, 0.5), y})[0];
  });
  add("square", UnaryKind::square, [](GradientContext& g, ValueId x, ValueId, ValueId dy) {
    return times(g, times(g, dy, 2.0), x);
  });
  add("abs", UnaryKind::abs, [](GradientContext& g, ValueId x, ValueId, ValueId dy) {
    return times(g, dy, g.add("sign", {x})[0]);
  });
  add("negative", UnaryKind::negative,
      [](GradientContext& g, ValueId, ValueId, ValueId dy) { return g.add("negative", {dy})[0]; });
  add("reciprocal", UnaryKind::reciprocal, [](GradientContext& g, ValueId, ValueId y, ValueId dy) {
    return g.add("negative", {times(g, dy, g.add("square", {y})[0])})[0];
  });
  add("sign", UnaryKind::sign, nullptr);
  ops.push_back(std::make_unique<ActivationBackwardOp>());
}

}  // namespace cnnfast
