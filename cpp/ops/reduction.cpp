// Sums, means, extremes and their positions, over any set of axes.
#include "ops/reduction.h"

#include <algorithm>
#include <numeric>

#include "ops/checks.h"
#include "ops/families.h"

namespace cnnfast {

namespace {

std::vector<std::int64_t> all_axes(int rank) {
  std::vector<std::int64_t> axes(static_cast<std::size_t>(rank));
  std::iota(axes.begin(), axes.end(), std::int64_t{0});
  return axes;
}

std::vector<std::int64_t> checked_axes(std::string_view op, const Call& call) {
  const Shape& shape = call.input(0).shape;
  const std::vector<std::int64_t> axes = call.attributes.integers("axes", all_axes(shape.rank()));
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < 0 || axes[i] >= shape.rank())
      value_error(op, ": axis ", axes[i], " is out of range for shape ", shape);
    if (i > 0 && axes[i] <= axes[i - 1])
      value_error(op, ": axes must be sorted and named once each, got ", axes[i], " after ",
                  axes[i - 1]);
  }
  return axes;
}

bool contains(const std::vector<std::int64_t>& axes, int axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

Shape reduced_shape(const Shape& x, const std::vector<std::int64_t>& axes, bool keepdims) {
  std::vector<std::int64_t> sizes;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (!contains(axes, axis))
      sizes.push_back(x[axis]);
    else if (keepdims)
      sizes.push_back(1);
  }
  return Shape(sizes);
}

void expect_something_to_choose(std::string_view op, const Shape& x,
                                const std::vector<std::int64_t>& axes) {
  for (const std::int64_t axis : axes)
    if (x[static_cast<int>(axis)] == 0)
      value_error(op, ": axis ", axis, " of shape ", x, " is empty, it has no extreme element");
}

class ReduceOp final : public Op {
 public:
  ReduceOp(const char* name, ReduceKind kind, bool mean) : name_(name), kind_(kind), mean_(mean) {}

  std::string_view name() const override { return name_; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 1, 1);
    expect_attributes(name_, call, {"axes", "keepdims"});
    TensorType y = call.input(0);
    if (mean_) expect_floating(name_, call, 0, "x");
    if (kind_ != ReduceKind::sum && y.dtype == DType::boolean)
      type_error(name_, ": x must be a number, got bool; cast it first");
    // As NumPy does: small integers would overflow.
    if (kind_ == ReduceKind::sum && !is_floating(y.dtype)) y.dtype = DType::i64;
    const std::vector<std::int64_t> axes = checked_axes(name_, call);
    if (kind_ != ReduceKind::sum) expect_something_to_choose(name_, y.shape, axes);
    y.shape = reduced_shape(y.shape, axes, call.attributes.boolean("keepdims", false));
    return {y};
  }

  void gradient(GradientContext& g) const override {
    if (!g.wants(0)) return;
    const TensorType x = g.type(g.input(0));
    const std::vector<std::int64_t> axes =
        g.node().attributes.integers("axes", all_axes(x.shape.rank()));
    const Shape kept = reduced_shape(x.shape, axes, true);
    ValueId dy = g.output_gradient(0);
    if (kind_ != ReduceKind::sum) {
      const char* op = kind_ == ReduceKind::max ? "max_backward" : "min_backward";
      g.give(0, g.add(op, {g.input(0), dy}, {{"axes", axes}})[0]);
      return;
    }
    if (mean_) {
      std::int64_t count = 1;
      for (const std::int64_t axis : axes) count *= x.shape[static_cast<int>(axis)];
      const double share = 1.0 / static_cast<double>(std::max<std::int64_t>(count, 1));
      dy = g.add("multiply", {dy, scalar(g, x.dtype, share)})[0];
    }
    if (g.type(dy).shape != kept) dy = g.add("reshape", {dy}, {{"shape", kept.vector()}})[0];
    if (kept != x.shape) dy = g.add("broadcast_to", {dy}, {{"shape", x.shape.vector()}})[0];
    g.give(0, dy);
  }

  std::span<const Implementation* const> implementations() const override {
    return reduce_implementations();
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return static_cast<double>(call.input(0).shape.numel());
  }

  ReduceKind kind() const { return kind_; }
  bool mean() const { return mean_; }

 private:
  const char* name_;
  ReduceKind kind_;
  bool mean_;
};

// dx: dy at the first winner of each fold, 0 elsewhere. Inputs x and dy (x's shape without the
// axes, or with them as ones).
class ExtremeBackwardOp final : public Op {
 public:
  ExtremeBackwardOp(const char* name, ReduceKind kind) : name_(name), kind_(kind) {}

  std::string_view name() const override { return name_; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 2, 2);
    expect_attributes(name_, call, {"axes"});
    expect_floating(name_, call, 0, "x");
    expect_one_dtype(name_, call, 0, 1);
    const std::vector<std::int64_t> axes = checked_axes(name_, call);
    const Shape &x = call.input(0).shape, &dy = call.input(1).shape;
    expect_something_to_choose(name_, x, axes);
    const Shape dropped = reduced_shape(x, axes, false), kept = reduced_shape(x, axes, true);
    if (dy != dropped && dy != kept)
      value_error(name_, ": dy must have shape ", dropped, " or ", kept, ", got ", dy);
    return {call.input(0)};
  }
  std::span<const Implementation* const> implementations() const override {
    return extreme_backward_implementations();
  }

  ReduceKind kind() const { return kind_; }

 private:
  const char* name_;
  ReduceKind kind_;
};

class ArgmaxOp final : public Op {
 public:
  std::string_view name() const override { return "argmax"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"axis"});
    TensorType y = call.input(0);
    if (y.dtype == DType::boolean)
      type_error(name(), ": x must be a number, got bool; cast it first");
    const std::int64_t axis = call.attributes.integer("axis");
    if (axis < 0 || axis >= y.shape.rank())
      value_error(name(), ": axis ", axis, " is out of range for shape ", y.shape);
    expect_something_to_choose(name(), y.shape, {axis});
    y.shape = reduced_shape(y.shape, {axis}, false);
    y.dtype = DType::i64;
    return {y};
  }
  void gradient(GradientContext&) const override {}  // an index does not change with x
  std::span<const Implementation* const> implementations() const override {
    return argmax_implementations();
  }
};

}  // namespace

Reduction reduction_of(const Problem& p) {
  Reduction r;
  if (const auto* reduce = dynamic_cast<const ReduceOp*>(p.node.op)) {
    r.kind = reduce->kind();
    r.mean = reduce->mean();
  } else if (const auto* backward = dynamic_cast<const ExtremeBackwardOp*>(p.node.op)) {
    r.kind = backward->kind();
  } else {
    r.kind = ReduceKind::max;
    r.axes = {p.attributes.integer("axis")};
    return r;
  }
  r.axes = p.attributes.integers("axes", all_axes(p.input(0).shape.rank()));
  return r;
}

void add_reduction_ops(OpList& ops) {
  ops.push_back(std::make_unique<ReduceOp>("sum", ReduceKind::sum, false));
  ops.push_back(std::make_unique<ReduceOp>("mean", ReduceKind::sum, true));
  ops.push_back(std::make_unique<ReduceOp>("max", ReduceKind::max, false));
  ops.push_back(std::make_unique<ReduceOp>("min", ReduceKind::min, false));
  ops.push_back(std::make_unique<ExtremeBackwardOp>("max_backward", ReduceKind::max));
  ops.push_back(std::make_unique<ExtremeBackwardOp>("min_backward", ReduceKind::min));
  ops.push_back(std::make_unique<ArgmaxOp>());
}

}  // namespace cnnfast
