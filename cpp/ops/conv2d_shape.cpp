#include "ops/conv2d_shape.h"

#include <vector>

#include "cnnfast/error.h"

namespace cnnfast {

namespace {

constexpr const char* kForward = "conv2d";
constexpr const char* kBackwardInput = "conv2d_backward_input";
constexpr const char* kBackwardKernel = "conv2d_backward_kernel";

Shape shape_attribute(std::string_view op, const Attributes& attributes, const char* name,
                      const char* meaning) {
  const std::vector<std::int64_t>& sizes = attributes.integers(name);
  if (sizes.size() != 4)
    value_error(op, ": ", name, " must be four integers ", meaning, ", got ", sizes.size());
  return Shape(sizes);
}

// dy must be what the forward pass would have made.
void expect_output_shape(std::string_view op, const Shape& dy, const Shape& expected) {
  for (int axis = 0; axis < 4; ++axis)
    if (!sizes_agree(dy[axis], expected[axis]))
      value_error(op, ": dy must be ", expected.str(),
                  ", the output of conv2d for these shapes, got ", dy.str(),
                  "; pass the strides, padding, dilation and groups of the forward call");
}

PoolKind pool_attribute(const Attributes& attributes) {
  const std::string name = attributes.text("pool", "none");
  if (name == "none") return PoolKind::none;
  if (name == "average") return PoolKind::average;
  if (name == "max") return PoolKind::max;
  value_error(kForward, ": pool must be 'none', 'average' or 'max', got '", name, "'");
}

}  // namespace

double Conv2dShape::flops() const {
  return 2.0 * static_cast<double>(n) * static_cast<double>(window.h.output) *
         static_cast<double>(window.w.output) * static_cast<double>(k) *
         static_cast<double>(taps()) * static_cast<double>(group_c());
}

double Conv2dShape::effort() const {
  const WindowAxis &h = window.h, &w = window.w;
  const bool square = h.window == w.window && (h.window == 3 || h.window == 5);
  const bool mixes = groups == 1 && c >= 16 && k >= 16;
  return square && h.stride == 1 && w.stride == 1 && mixes ? 0.4 : 1.0;
}

Conv2dShape conv2d_shape(std::string_view op, const Attributes& attributes, const Shape& x,
                         const Shape& w) {
  for (int axis = 0; axis < 4; ++axis)
    if (w[axis] < 1)
      value_error(op, ": kernel must be (KH, KW, C / groups, K), each at least 1 and known, got ",
                  w.str());
  Conv2dShape s;
  s.n = x[0];
  s.c = x[3];
  s.k = w[3];
  s.groups = attributes.integer("groups", 1);
  if (s.groups < 1) value_error(op, ": groups must be at least 1, got ", s.groups);
  const std::int64_t expected_c = checked_multiply(w[2], s.groups, "kernel channels times groups");
  if (s.c == kSymbolic) s.c = expected_c;
  if (s.c % s.groups != 0)
    value_error(op, ": input has ", s.c, " channels, groups=", s.groups,
                " does not divide them; got x ", x.str());
  if (s.k % s.groups != 0)
    value_error(op, ": kernel ", w.str(), " makes ", s.k, " channels, groups=", s.groups,
                " does not divide them");
  if (s.c != expected_c)
    value_error(op, ": input has ", s.c, s.c == 1 ? " channel" : " channels", ", kernel ", w.str(),
                " with groups=", s.groups, " expects ", expected_c, "; got x ", x.str());
  const WindowAttributes window = window_attributes(op, attributes, 1, 1);
  s.window = window_geometry(op, window, x[1], x[2], w[0], w[1]);
  return s;
}

Conv2dShape conv2d_forward_shape(const Call& call) {
  expect_inputs(kForward, call, 2, 3);
  expect_rank(kForward, call, 0, "x (N, H, W, C)", 4);
  expect_rank(kForward, call, 1, "kernel (KH, KW, C / groups, K)", 4);
  expect_floating(kForward, call, 0, "x");
  expect_same_dtype(kForward, call);
  Conv2dShape s = conv2d_shape(kForward, call.attributes, call.input(0).shape, call.input(1).shape);
  s.pool = pool_attribute(call.attributes);
  if (call.count() == 3) {
    expect_rank(kForward, call, 2, "bias (K)", 1);
    if (!sizes_agree(call.input(2).shape[0], s.k))
      value_error(kForward, ": bias must have one value for each of the kernel's ", s.k,
                  " output channels, got ", call.input(2).shape.str());
  }
  return s;
}

Conv2dShape conv2d_backward_input_shape(const Call& call) {
  expect_inputs(kBackwardInput, call, 2, 2);
  expect_rank(kBackwardInput, call, 0, "dy (N, OH, OW, K)", 4);
  expect_rank(kBackwardInput, call, 1, "kernel (KH, KW, C / groups, K)", 4);
  expect_floating(kBackwardInput, call, 0, "dy");
  expect_same_dtype(kBackwardInput, call);
  const Shape& dy = call.input(0).shape;
  Shape x = shape_attribute(kBackwardInput, call.attributes, "input_shape", "(N, H, W, C)");
  if (x[0] == kSymbolic) x[0] = dy[0];
  if (x[3] == kSymbolic)
    value_error(kBackwardInput, ": input_shape needs its channels, got ", x.str());
  const Conv2dShape s = conv2d_shape(kBackwardInput, call.attributes, x, call.input(1).shape);
  expect_output_shape(kBackwardInput, dy, s.y());
  return s;
}

Conv2dShape conv2d_backward_kernel_shape(const Call& call) {
  expect_inputs(kBackwardKernel, call, 2, 2);
  expect_rank(kBackwardKernel, call, 0, "x (N, H, W, C)", 4);
  expect_rank(kBackwardKernel, call, 1, "dy (N, OH, OW, K)", 4);
  expect_floating(kBackwardKernel, call, 0, "x");
  expect_same_dtype(kBackwardKernel, call);
  const Shape w =
      shape_attribute(kBackwardKernel, call.attributes, "kernel_shape", "(KH, KW, C / groups, K)");
  const Conv2dShape s = conv2d_shape(kBackwardKernel, call.attributes, call.input(0).shape, w);
  expect_output_shape(kBackwardKernel, call.input(1).shape, s.y());
  return s;
}

}  // namespace cnnfast
