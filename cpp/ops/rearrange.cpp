// Ops that put parts of tensors elsewhere: concatenate, slice (with steps, also backwards), pad.
#include "ops/rearrange.h"

#include "ops/checks.h"
#include "ops/families.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kMostSize = std::int64_t{1} << 62;

const std::vector<std::int64_t>& per_axis(std::string_view op, const Call& call, const char* name,
                                          int rank) {
  const std::vector<std::int64_t>& values = call.attributes.integers(name);
  if (static_cast<int>(values.size()) != rank)
    value_error(op, ": ", name, " must have one number for each of ", rank, " axes, got ",
                values.size());
  return values;
}

class ConcatenateOp final : public Op {
 public:
  std::string_view name() const override { return "concatenate"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1 << 16);
    expect_attributes(name(), call, {"axis"});
    const std::int64_t axis = call.attributes.integer("axis");
    TensorType y = call.input(0);
    const int rank = y.shape.rank();
    if (axis < 0 || axis >= rank)
      value_error(name(), ": axis ", axis, " is out of range for shape ", y.shape);
    for (int i = 1; i < call.count(); ++i) {
      expect_one_dtype(name(), call, 0, i);
      const Shape& x = call.input(i).shape;
      bool fits = x.rank() == rank;
      for (int a = 0; fits && a < rank; ++a) fits = a == axis || sizes_agree(x[a], y.shape[a]);
      if (!fits)
        value_error(name(), ": inputs must agree on every axis but ", axis, ", got shapes ",
                    call.input(0).shape, " and ", x, " (input ", i, ")");
      for (int a = 0; a < rank; ++a) {
        std::int64_t& size = y.shape[a];
        if (a != axis) {
          if (size == kSymbolic) size = x[a];
        } else if (size == kSymbolic || x[a] == kSymbolic) {
          size = kSymbolic;
        } else if (x[a] > kMostSize - size) {
          value_error(name(), ": the inputs' sizes on axis ", axis, " add up to more than 2^62");
        } else {
          size += x[a];
        }
      }
    }
    return {y};
  }

  void gradient(GradientContext& g) const override {
    const auto axis = static_cast<std::size_t>(g.node().attributes.integer("axis"));
    const int inputs = static_cast<int>(g.node().inputs.size());
    std::int64_t first = 0;
    for (int i = 0; i < inputs; ++i) {
      const Shape shape = g.type(g.input(i)).shape;
      if (g.wants(i)) {
        const auto rank = static_cast<std::size_t>(shape.rank());
        std::vector<std::int64_t> begin(rank, 0);
        begin[axis] = first;
        g.give(i, g.add("slice", {g.output_gradient(0)},
                        {{"begin", begin},
                         {"size", shape.vector()},
                         {"step", std::vector<std::int64_t>(rank, 1)}})[0]);
      }
      first += shape[static_cast<int>(axis)];
    }
  }
  std::span<const Implementation* const> implementations() const override {
    return concatenate_implementations();
  }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }
};

// Sizes of the slice of x: begin elements are left out at the side that the step starts from, size
// -1 takes all that follow.
Shape slice_shape(std::string_view op, const Call& call, const Shape& x,
                  const std::vector<std::int64_t>& size) {
  const std::vector<std::int64_t>& begin = per_axis(op, call, "begin", x.rank());
  const std::vector<std::int64_t>& step = per_axis(op, call, "step", x.rank());
  Shape y = x;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    if (begin[a] < 0 || begin[a] > kMostSize)
      value_error(op, ": begin must be between 0 and 2^62, got ", begin[a], " on axis ", axis);
    if (step[a] == 0 || step[a] > kMostSize || step[a] < -kMostSize)
      value_error(op, ": step must not be 0 and fit in 62 bits, got ", step[a], " on axis ", axis);
    if (size[a] < -1) value_error(op, ": size must be at least -1, got ", size[a]);
    if (x[axis] == kSymbolic) {
      y[axis] = size[a];
      continue;
    }
    const std::int64_t stride = step[a] < 0 ? -step[a] : step[a];
    const std::int64_t there = begin[a] < x[axis] ? (x[axis] - begin[a] - 1) / stride + 1 : 0;
    if (size[a] > there)
      value_error(op, ": ", size[a], " elements from ", begin[a], " on in steps of ", step[a],
                  " do not exist on axis ", axis, " of shape ", x);
    y[axis] = size[a] < 0 ? there : size[a];
  }
  return y;
}

class SliceOp final : public Op {
 public:
  std::string_view name() const override { return "slice"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"begin", "size", "step"});
    TensorType y = call.input(0);
    const Shape x = y.shape;
    y.shape = slice_shape(name(), call, x, per_axis(name(), call, "size", x.rank()));
    return {y};
  }
  void gradient(GradientContext& g) const override {
    if (!g.wants(0)) return;
    const Attributes& a = g.node().attributes;
    g.give(0, g.add("slice_backward", {g.output_gradient(0)},
                    {{"shape", g.type(g.input(0)).shape.vector()},
                     {"begin", a.integers("begin")},
                     {"step", a.integers("step")}})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return slice_implementations();
  }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }
  double bytes(const Call&, std::span<const TensorType> outputs) const override {
    return 2.0 * static_cast<double>(outputs[0].bytes());  // not what is left out
  }
};

class SliceBackwardOp final : public Op {
 public:
  std::string_view name() const override { return "slice_backward"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"shape", "begin", "step"});
    TensorType dx = call.input(0);
    const Shape dy = dx.shape;
    dx.shape = Shape(call.attributes.integers("shape"));
    if (dx.shape.rank() != dy.rank())
      value_error(name(), ": shape ", dx.shape, " must have as many axes as dy, shape ", dy);
    slice_shape(name(), call, dx.shape, dy.vector());
    return {dx};
  }
  void gradient(GradientContext& g) const override {
    if (!g.wants(0)) return;
    const Attributes& a = g.node().attributes;
    g.give(0, g.add("slice", {g.output_gradient(0)},
                    {{"begin", a.integers("begin")},
                     {"size", g.type(g.input(0)).shape.vector()},
                     {"step", a.integers("step")}})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return slice_backward_implementations();
  }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }
};

class PadOp final : public Op {
 public:
  std::string_view name() const override { return "pad"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"before", "after", "value"});
    TensorType y = call.input(0);
    const std::vector<std::int64_t>& before = per_axis(name(), call, "before", y.shape.rank());
    const std::vector<std::int64_t>& after = per_axis(name(), call, "after", y.shape.rank());
    call.attributes.real("value", 0.0);
    for (int axis = 0; axis < y.shape.rank(); ++axis) {
      const std::int64_t b = before[static_cast<std::size_t>(axis)];
      const std::int64_t a = after[static_cast<std::size_t>(axis)];
      std::int64_t& size = y.shape[axis];
      if (b < 0 || a < 0)
        value_error(name(), ": before and after must be at least 0, got ", b, " and ", a,
                    " on axis ", axis, "; use slice to cut off");
      if (b > kMostSize || a > kMostSize - b || (size != kSymbolic && size > kMostSize - b - a))
        value_error(name(), ": axis ", axis, " of shape ", call.input(0).shape, " padded by ", b,
                    " and ", a, " is longer than 2^62");
      if (size != kSymbolic) size += b + a;
    }
    return {y};
  }
  void gradient(GradientContext& g) const override {
    if (!g.wants(0)) return;
    const std::vector<std::int64_t> size = g.type(g.input(0)).shape.vector();
    g.give(0, g.add("slice", {g.output_gradient(0)},
                    {{"begin", g.node().attributes.integers("before")},
                     {"size", size},
                     {"step", std::vector<std::int64_t>(size.size(), 1)}})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return pad_implementations();
  }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }
};

}  // namespace

void add_rearrange_ops(OpList& ops) {
  ops.push_back(std::make_unique<ConcatenateOp>());
  ops.push_back(std::make_unique<SliceOp>());
  ops.push_back(std::make_unique<SliceBackwardOp>());
  ops.push_back(std::make_unique<PadOp>());
}

}  // namespace cnnfast
