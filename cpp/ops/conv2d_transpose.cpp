// conv2d_transpose: what conv2d_backward_input computes, as a layer has it: x in the place of the
// output's gradient, a bias, an activation. y = V^T x for the matrix V of the convolution that
// makes x's size of y's. How it runs: conv2d_implementations.h.
#include "cnnfast/error.h"
#include "ops/conv2d_implementations.h"
#include "ops/conv2d_shape.h"
#include "ops/epilogue.h"
#include "ops/families.h"

namespace cnnfast {

namespace {

constexpr const char* kTranspose = "conv2d_transpose";
constexpr std::int64_t kLargestSize = std::int64_t{1} << 61;

std::int64_t extent_of(const WindowAxis& a) {
  return checked_multiply(a.window - 1, a.dilation, "kernel size times dilation") + 1;
}

// One axis: `length` places of x painted `stride` apart. Keras' sizes
// (compute_conv_transpose_output_length); what SAME crops at each end is TensorFlow's: the odd one
// at the end. `extra` -1: not given.
WindowAxis painted_axis(const char* name, std::int64_t length, std::int64_t taps,
                        std::int64_t stride, std::int64_t dilation, Padding padding,
                        std::int64_t before, std::int64_t after, std::int64_t extra) {
  WindowAxis a;
  a.window = taps;
  a.stride = stride;
  a.dilation = dilation;
  const std::int64_t extent = extent_of(a);
  // Cropped from the full result; negative: rows added at its end.
  std::int64_t cropped = 0;
  if (padding == Padding::same) {
    cropped = extra < 0 ? extent - stride : 2 * (extent / 2) - extra;
    before = cropped > 0 ? cropped / 2 : 0;
    after = cropped > 0 ? cropped - before : 0;
  } else {
    if (extra < 0) extra = padding == Padding::valid && stride > extent ? stride - extent : 0;
    cropped = before + after - extra;
  }
  const std::int64_t added = before + after - cropped;
  if (added >= stride)
    value_error(kTranspose, ": output_padding adds ", added, " places to the ", name,
                ", more than stride ", stride,
                " - 1: no convolution has such an output; use a smaller output_padding");
  a.before = before;
  a.after = after;
  a.output = length;
  if (length == kSymbolic) {
    a.input = kSymbolic;
    return a;
  }
  if (length < 1 || length > kLargestSize)
    value_error(kTranspose, ": x must have at least one place along its ", name, ", got ", length);
  const std::int64_t full = checked_multiply(length - 1, stride, "output size") + extent;
  a.input = full - cropped;
  if (full > kLargestSize || a.input < 1)
    value_error(kTranspose, ": the ", name, " of the result would be ", a.input, " (", full,
                " painted, ", cropped, " cropped); use less padding or a larger input");
  return a;
}

class Conv2dTranspose final : public Op {
 public:
  std::string_view name() const override { return kTranspose; }
  std::string_view group() const override { return "CONV"; }

  std::vector<TensorType> infer(const Call& call) const override {
    epilogue_attributes(name(), call.attributes);
    return {{conv2d_transpose_shape(call).x(), call.input(0).dtype}};
  }

  // Linear in x and w, so with dz before the activation: dx = conv2d(dz, w), and dw as
  // conv2d_backward_kernel has it with dz in the place of its x.
  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue) return;
    const ValueId dz = gradient_before_activation(g, g.output_gradient(0));
    std::vector<TensorType> types;
    for (const ValueId v : g.node().inputs) types.push_back(g.type(v));
    const Conv2dShape s = conv2d_transpose_shape(Call{g.node().attributes, types});
    const WindowAxis &h = s.window.h, &w = s.window.w;
    Attributes geometry = {{"padding", std::string("explicit")}, {"groups", s.groups}};
    geometry.set("strides", std::vector<std::int64_t>{h.stride, w.stride});
    geometry.set("dilation", std::vector<std::int64_t>{h.dilation, w.dilation});
    geometry.set("pads", std::vector<std::int64_t>{h.before, h.after, w.before, w.after});
    if (g.wants(0)) g.give(0, g.add("conv2d", {dz, g.input(1)}, geometry)[0]);
    if (g.wants(1)) {
      geometry.set("kernel_shape", s.w().vector());
      g.give(1, g.add("conv2d_backward_kernel", {dz, g.input(0)}, geometry)[0]);
    }
    if (types.size() == 3 && g.wants(2))
      g.give(2, g.add("sum", {dz}, {{"axes", std::vector<std::int64_t>{0, 1, 2}}})[0]);
  }

  std::span<const Implementation* const> implementations() const override {
    return conv2d_backward_input_implementations();
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return conv2d_transpose_shape(call).flops();
  }
};

}  // namespace

Conv2dShape conv2d_transpose_shape(const Call& call) {
  expect_inputs(kTranspose, call, 2, 3);
  expect_rank(kTranspose, call, 0, "x (N, H, W, C)", 4);
  expect_rank(kTranspose, call, 1, "kernel (KH, KW, K / groups, C)", 4);
  expect_floating(kTranspose, call, 0, "x");
  expect_same_dtype(kTranspose, call);
  const Shape &x = call.input(0).shape, &w = call.input(1).shape;
  for (int axis = 0; axis < 4; ++axis)
    if (w[axis] < 1)
      value_error(kTranspose,
                  ": kernel must be (KH, KW, K / groups, C), each at least 1 and known, got ",
                  w.str());
  Conv2dShape s;
  s.n = x[0];
  s.k = w[3];
  s.groups = call.attributes.integer("groups", 1);
  if (s.groups < 1) value_error(kTranspose, ": groups must be at least 1, got ", s.groups);
  s.c = checked_multiply(w[2], s.groups, "kernel channels times groups");
  if (!sizes_agree(x[3], s.k))
    value_error(kTranspose, ": input has ", x[3], x[3] == 1 ? " channel" : " channels", ", kernel ",
                w.str(), " expects ", s.k, "; got x ", x.str());
  if (s.k % s.groups != 0)
    value_error(kTranspose, ": input has ", s.k, " channels, groups=", s.groups,
                " does not divide them; got x ", x.str());
  if (call.count() == 3) {
    expect_rank(kTranspose, call, 2, "bias (K)", 1);
    if (!sizes_agree(call.input(2).shape[0], s.c))
      value_error(kTranspose, ": bias must have one value for each of ", s.c,
                  " output channels, got ", call.input(2).shape.str());
  }
  const WindowAttributes a = window_attributes(kTranspose, call.attributes, 1, 1);
  std::vector<std::int64_t> extra = call.attributes.integers("output_padding", {});
  if (extra.empty())
    extra = {-1, -1};
  else if (extra.size() != 2 || extra[0] < 0 || extra[1] < 0)
    value_error(kTranspose, ": output_padding must be two integers of at least 0");
  s.window.h = painted_axis("height", x[1], w[0], a.stride_h, a.dilation_h, a.padding, a.top,
                            a.bottom, extra[0]);
  s.window.w = painted_axis("width", x[2], w[1], a.stride_w, a.dilation_w, a.padding, a.left,
                            a.right, extra[1]);
  return s;
}

void add_conv2d_transpose_ops(OpList& ops) { ops.push_back(std::make_unique<Conv2dTranspose>()); }

}  // namespace cnnfast
