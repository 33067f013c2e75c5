// conv2d and its two adjoints: checks, shapes, gradients. All three are linear in each operand, so
// the gradient of each is made of the other two. How they run: conv2d_implementations.h.
#include <array>

#include "ops/conv2d_implementations.h"
#include "ops/conv2d_shape.h"
#include "ops/epilogue.h"
#include "ops/families.h"

namespace cnnfast {

namespace {

// The convolution's own attributes, without an activation or shapes of another pass.
Attributes geometry_attributes(const Attributes& from) {
  Attributes to;
  for (const char* name : {"strides", "padding", "pads", "dilation", "groups"}) {
    const auto found = from.all().find(name);
    if (found != from.all().end()) to.set(name, found->second);
  }
  return to;
}

Attributes with_shape(Attributes attributes, const char* name, const Shape& shape) {
  attributes.set(name, shape.vector());
  return attributes;
}

class Conv2d final : public Op {
 public:
  std::string_view name() const override { return "conv2d"; }
  std::string_view group() const override { return "CONV"; }

  std::vector<TensorType> infer(const Call& call) const override {
    epilogue_attributes(name(), call.attributes);
    const Conv2dShape s = conv2d_forward_shape(call);
    return {{s.y(), call.input(0).dtype}};
  }

  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue) return;
    if (g.node().attributes.text("pool", "none") != "none")
      value_error(name(), ": a result that was pooled has no gradient; pool with an op of its own");
    const ValueId dz = gradient_before_activation(g, g.output_gradient(0));
    const Attributes geometry = geometry_attributes(g.node().attributes);
    const bool has_bias = g.node().inputs.size() == 3;
    if (g.wants(0))
      g.give(0, g.add("conv2d_backward_input", {dz, g.input(1)},
                      with_shape(geometry, "input_shape", g.type(g.input(0)).shape))[0]);
    const bool wants_bias = has_bias && g.wants(2);
    if (!g.wants(1) && !wants_bias) return;
    Attributes attributes = with_shape(geometry, "kernel_shape", g.type(g.input(1)).shape);
    attributes.set("bias", wants_bias);
    const std::vector<ValueId> made = g.add("conv2d_backward_kernel", {g.input(0), dz}, attributes);
    if (g.wants(1)) g.give(1, made[0]);
    if (wants_bias) g.give(2, made[1]);
  }

  std::span<const Implementation* const> implementations() const override {
    return conv2d_forward_implementations();
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return conv2d_forward_shape(call).flops();
  }
  double effort(const Call& call) const override { return conv2d_forward_shape(call).effort(); }
};

class Conv2dBackwardInput final : public Op {
 public:
  std::string_view name() const override { return "conv2d_backward_input"; }
  std::string_view group() const override { return "CONV"; }

  std::vector<TensorType> infer(const Call& call) const override {
    const Conv2dShape s = conv2d_backward_input_shape(call);
    return {{s.x(), call.input(0).dtype}};
  }

  // dx is linear in dy and in w: with G the gradient of dx, d dy = conv2d(G, w) and dw comes from
  // G in the place of x.
  void gradient(GradientContext& g) const override {
    const ValueId gradient = g.output_gradient(0);
    if (gradient == kNoValue) return;
    const Attributes geometry = geometry_attributes(g.node().attributes);
    if (g.wants(0)) g.give(0, g.add("conv2d", {gradient, g.input(1)}, geometry)[0]);
    if (g.wants(1))
      g.give(1, g.add("conv2d_backward_kernel", {gradient, g.input(0)},
                      with_shape(geometry, "kernel_shape", g.type(g.input(1)).shape))[0]);
  }

  std::span<const Implementation* const> implementations() const override {
    return conv2d_backward_input_implementations();
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return conv2d_backward_input_shape(call).flops();
  }
  double effort(const Call& call) const override {
    return conv2d_backward_input_shape(call).effort();
  }
};

class Conv2dBackwardKernel final : public Op {
 public:
  std::string_view name() const override { return "conv2d_backward_kernel"; }
  std::string_view group() const override { return "CONV"; }

  std::vector<TensorType> infer(const Call& call) const override {
    const Conv2dShape s = conv2d_backward_kernel_shape(call);
    std::vector<TensorType> outputs = {{s.w(), call.input(0).dtype}};
    if (call.attributes.boolean("bias", false))
      outputs.push_back({Shape{s.k}, call.input(0).dtype});
    return outputs;
  }

  // With G the gradient of dw and g that of db: dx = backward_input(dy, G), d dy = conv2d(x, G, g).
  void gradient(GradientContext& g) const override {
    ValueId gradient = g.output_gradient(0);
    const ValueId bias_gradient = g.node().outputs.size() == 2 ? g.output_gradient(1) : kNoValue;
    if (gradient == kNoValue && bias_gradient == kNoValue) return;
    const Attributes geometry = geometry_attributes(g.node().attributes);
    if (g.wants(0) && gradient != kNoValue)
      g.give(0, g.add("conv2d_backward_input", {g.input(1), gradient},
                      with_shape(geometry, "input_shape", g.type(g.input(0)).shape))[0]);
    if (!g.wants(1)) return;
    if (gradient == kNoValue) gradient = g.fill(g.type(g.output(0)), 0.0);
    std::vector<ValueId> operands = {g.input(0), gradient};
    if (bias_gradient != kNoValue) operands.push_back(bias_gradient);
    g.give(1, g.add("conv2d", operands, geometry)[0]);
  }

  std::span<const Implementation* const> implementations() const override {
    return conv2d_backward_kernel_implementations();
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return conv2d_backward_kernel_shape(call).flops();
  }
  double effort(const Call& call) const override {
    return conv2d_backward_kernel_shape(call).effort();
  }
};

}  // namespace

void add_conv2d_ops(OpList& ops) {
  ops.push_back(std::make_unique<Conv2d>());
  ops.push_back(std::make_unique<Conv2dBackwardInput>());
  ops.push_back(std::make_unique<Conv2dBackwardKernel>());
}

}  // namespace cnnfast
