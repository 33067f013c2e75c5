// One convolution to be tested or timed: its sizes, and running one implementation of one pass.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "kernels/table.h"
#include "ops/conv2d_implementations.h"
#include "ops/epilogue.h"
#include "ops/op.h"
#include "tests/step_runner.h"

namespace cnnfast::testing {

enum class ConvPassKind { forward, backward_input, backward_kernel };
inline constexpr const char* kPassNames[] = {"conv2d", "conv2d_backward_input",
                                             "conv2d_backward_kernel"};

struct ConvCase {
  std::int64_t n, h, w, c, k, kh, kw;
  std::int64_t sh = 1, sw = 1;
  std::string padding = "valid";
  std::vector<std::int64_t> pads = {};
  std::int64_t dh = 1, dw = 1, groups = 1;
  std::string activation = "linear";
  bool bias = true;

  Attributes attributes() const {
    Attributes a{{"strides", std::vector<std::int64_t>{sh, sw}},
                 {"dilation", std::vector<std::int64_t>{dh, dw}},
                 {"padding", padding},
                 {"groups", groups}};
    if (!pads.empty()) a.set("pads", pads);
    return a;
  }
  Shape x() const { return {n, h, w, c}; }
  Shape kernel() const { return {kh, kw, c / groups, k}; }
  Conv2dShape shape() const { return conv2d_shape("conv2d", attributes(), x(), kernel()); }
  std::string str() const {
    return concat("x ", x().str(), " kernel ", kernel().str(), " ", attributes().str(), " ",
                  activation, bias ? " bias" : "");
  }
};

// The node of one pass with its operands' types.
struct ConvNode {
  ConvNode(const ConvCase& c, ConvPassKind kind, DType dtype = DType::f32) {
    const Conv2dShape s = c.shape();
    node.attributes = c.attributes();
    node.op = &find_op(kPassNames[static_cast<int>(kind)]);
    const TensorType x{s.x(), dtype}, w{s.w(), dtype}, y{s.y(), dtype}, b{Shape{s.k}, dtype};
    switch (kind) {
      case ConvPassKind::forward:
        node.attributes.set("activation", c.activation);
        inputs = {x, w};
        if (c.bias) inputs.push_back(b);
        break;
      case ConvPassKind::backward_input:
        node.attributes.set("input_shape", s.x().vector());
        inputs = {y, w};
        break;
      case ConvPassKind::backward_kernel:
        node.attributes.set("kernel_shape", s.w().vector());
        node.attributes.set("bias", c.bias);
        inputs = {x, y};
        break;
    }
    outputs = node.op->infer(Call{node.attributes, inputs});
  }
  Problem problem(Isa isa, int threads) const {
    return Problem{node, node.attributes, inputs, outputs, kernels_for(isa), threads};
  }

  Node node;
  std::vector<TensorType> inputs, outputs;
};

template <class T>
std::vector<T> random_values(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& each : values) each = static_cast<T>(uniform(generator));
  return values;
}

}  // namespace cnnfast::testing
