// Ops that move, view or convert elements.
#include "ops/shape_ops.h"

#include <cmath>

#include "ops/checks.h"
#include "ops/families.h"

namespace cnnfast {

namespace {

// Product of the sizes that are known; false in `known` when one is not.
std::int64_t known_product(std::string_view op, const Shape& shape, bool& known) {
  std::int64_t product = 1;
  known = true;
  for (const std::int64_t size : shape) {
    if (size == kSymbolic)
      known = false;
    else
      product = checked_multiply(product, size, std::string(op).c_str());
  }
  return product;
}

class ReshapeOp final : public Op {
 public:
  std::string_view name() const override { return "reshape"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"shape"});
    const Shape& x = call.input(0).shape;
    Shape y(call.attributes.integers("shape"));
    int open = -1;
    for (int axis = 0; axis < y.rank(); ++axis) {
      if (y[axis] != kSymbolic) continue;
      if (open >= 0)
        value_error(name(), ": only one size may be -1, got ", Attributes(call.attributes).str());
      open = axis;
    }
    bool x_known = true, y_known = true;
    const std::int64_t have = known_product(name(), x, x_known);
    const std::int64_t want = known_product(name(), y, y_known);
    if (!x_known) {
      // The open size takes up the symbolic one; without one the batch must turn out to fit.
      if (open >= 0 && want == 0 && have != 0)
        value_error(name(), ": a tensor of shape ", x, " does not fit into shape ", y);
    } else if (open < 0) {
      if (have != want)
        value_error(name(), ": shape ", x, " has ", have, " elements, shape ", y, " has ", want);
    } else {
      if (want == 0)
        value_error(name(), ": the size -1 is not determined, since shape ", y,
                    " has a size of 0; give every size");
      if (have % want != 0)
        value_error(name(), ": the ", have, " elements of shape ", x,
                    " cannot be divided into shape ", y, ": ", have, " is no multiple of ", want);
      y[open] = have / want;
    }
    TensorType type = call.input(0);
    type.shape = y;
    return {type};
  }
  void gradient(GradientContext& g) const override {
    if (g.wants(0))
      g.give(0, g.add("reshape", {g.output_gradient(0)},
                      {{"shape", g.type(g.input(0)).shape.vector()}})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return view_implementations();
  }
  bool is_view() const override { return true; }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }
};

class PassOp final : public Op {
 public:
  PassOp(const char* name, bool passes_gradient) : name_(name), passes_(passes_gradient) {}
  std::string_view name() const override { return name_; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 1, 1);
    expect_attributes(name_, call, {});
    return {call.input(0)};
  }
  void gradient(GradientContext& g) const override {
    if (passes_ && g.wants(0)) g.give(0, g.output_gradient(0));
  }
  std::span<const Implementation* const> implementations() const override {
    return view_implementations();
  }
  bool is_view() const override { return true; }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }

 private:
  const char* name_;
  bool passes_;
};

class TransposeOp final : public Op {
 public:
  std::string_view name() const override { return "transpose"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"permutation"});
    const Shape& x = call.input(0).shape;
    const std::vector<std::int64_t>& permutation = call.attributes.integers("permutation");
    if (static_cast<int>(permutation.size()) != x.rank())
      value_error(name(), ": permutation must name the ", x.rank(), " axes of shape ", x, ", got ",
                  permutation.size());
    std::vector<bool> seen(permutation.size(), false);
    std::vector<std::int64_t> sizes;
    for (const std::int64_t axis : permutation) {
      if (axis < 0 || axis >= x.rank() || seen[static_cast<std::size_t>(axis)])
        value_error(name(), ": permutation must name each axis of shape ", x, " once; axis ", axis,
                    " is out of range or named twice");
      seen[static_cast<std::size_t>(axis)] = true;
      sizes.push_back(x[static_cast<int>(axis)]);
    }
    TensorType type = call.input(0);
    type.shape = Shape(sizes);
    return {type};
  }
  void gradient(GradientContext& g) const override {
    if (!g.wants(0)) return;
    const std::vector<std::int64_t>& permutation = g.node().attributes.integers("permutation");
    std::vector<std::int64_t> inverse(permutation.size());
    for (std::size_t i = 0; i < permutation.size(); ++i)
      inverse[static_cast<std::size_t>(permutation[i])] = static_cast<std::int64_t>(i);
    g.give(0, g.add("transpose", {g.output_gradient(0)}, {{"permutation", inverse}})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return transpose_implementations();
  }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }
};

class BroadcastToOp final : public Op {
 public:
  std::string_view name() const override { return "broadcast_to"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"shape"});
    const Shape& x = call.input(0).shape;
    Shape y(call.attributes.integers("shape"));
    const int extra = y.rank() - x.rank();
    if (extra < 0) value_error(name(), ": shape ", y, " has fewer axes than x, shape ", x);
    for (int axis = 0; axis < y.rank(); ++axis) {
      std::int64_t& size = y[axis];
      if (size == kSymbolic) {  // -1: x's own size
        if (axis < extra)
          value_error(name(), ": size -1 keeps x's size, but x of shape ", x, " has no axis ",
                      axis - extra, " to go with shape ", y);
        size = x[axis - extra];
      } else if (axis >= extra && x[axis - extra] != 1 && !sizes_agree(size, x[axis - extra])) {
        value_error(name(), ": x of shape ", x, " cannot be broadcast to shape ", y, ": size ",
                    x[axis - extra], " is neither 1 nor ", size);
      }
    }
    TensorType type = call.input(0);
    type.shape = y;
    return {type};
  }
  void gradient(GradientContext& g) const override {
    if (g.wants(0)) g.give(0, sum_to_shape(g, g.output_gradient(0), g.type(g.input(0)).shape));
  }
  std::span<const Implementation* const> implementations() const override {
    return broadcast_to_implementations();
  }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }
};

class CastOp final : public Op {
 public:
  std::string_view name() const override { return "cast"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"dtype"});
    TensorType y = call.input(0);
    y.dtype = dtype_from_name(call.attributes.text("dtype"));
    return {y};
  }
  void gradient(GradientContext& g) const override {
    const DType from = g.type(g.input(0)).dtype, to = g.type(g.output(0)).dtype;
    if (!g.wants(0) || !is_floating(from) || !is_floating(to)) return;
    g.give(0, g.add("cast", {g.output_gradient(0)}, {{"dtype", std::string(name_of(from))}})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return cast_implementations();
  }
};

class GatherOp final : public Op {
 public:
  std::string_view name() const override { return "gather"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_attributes(name(), call, {"dtype"});
    const TensorType &data = call.input(0), &indices = call.input(1);
    if (data.shape.rank() < 1)
      value_error(name(), ": data must have an axis to choose rows from, got a scalar");
    expect_rank(name(), call, 1, "indices", 1);
    if (indices.dtype != DType::i64)
      type_error(name(), ": indices must be int64, got ", name_of(indices.dtype));
    const std::string dtype = call.attributes.text("dtype", "");
    TensorType y = data;
    y.shape[0] = indices.shape[0];
    if (!dtype.empty()) y.dtype = dtype_from_name(dtype);
    return {y};
  }
  std::span<const Implementation* const> implementations() const override {
    return gather_implementations();
  }
  double bytes(const Call&, std::span<const TensorType> outputs) const override {
    return 2.0 * static_cast<double>(outputs[0].bytes());  // not the rows that are left alone
  }
};

class FillOp final : public Op {
 public:
  std::string_view name() const override { return "fill"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 0, 0);
    expect_attributes(name(), call, {"shape", "dtype", "value"});
    TensorType y;
    y.shape = Shape(call.attributes.integers("shape"));
    if (!y.shape.is_concrete())
      value_error(name(), ": every size must be known, got shape ", y.shape);
    y.dtype = dtype_from_name(call.attributes.text("dtype"));
    const double value = call.attributes.real("value", 0.0);
    if (is_integer(y.dtype) && !(std::abs(value) < 9.2e18))
      value_error(name(), ": value ", value, " is no ", name_of(y.dtype));
    return {y};
  }
  void gradient(GradientContext&) const override {}
  std::span<const Implementation* const> implementations() const override {
    return fill_implementations();
  }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }
};

}  // namespace

void add_shape_ops(OpList& ops) {
  ops.push_back(std::make_unique<ReshapeOp>());
  ops.push_back(std::make_unique<PassOp>("identity", true));
  ops.push_back(std::make_unique<PassOp>("stop_gradient", false));
  ops.push_back(std::make_unique<TransposeOp>());
  ops.push_back(std::make_unique<BroadcastToOp>());
  ops.push_back(std::make_unique<CastOp>());
  ops.push_back(std::make_unique<GatherOp>());
  ops.push_back(std::make_unique<FillOp>());
}

}  // namespace cnnfast
