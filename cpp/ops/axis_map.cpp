// Ops that make the rows along one axis of the rows along the same axis of the input: chosen by
// number (take: repeats, tiles, mirrored borders, nearest neighbours) or interpolated between two.
// An image is treated one axis after the other.
#include "ops/axis_map.h"

#include "ops/checks.h"
#include "ops/families.h"

namespace cnnfast {

namespace {

int checked_axis(std::string_view op, const Call& call) {
  const Shape& x = call.input(0).shape;
  const std::int64_t axis = call.attributes.integer("axis");
  if (axis < 0 || axis >= x.rank())
    value_error(op, ": axis ", axis, " is out of range for shape ", x);
  if (x[static_cast<int>(axis)] == kSymbolic)
    value_error(op, ": the size of axis ", axis, " of shape ", x,
                " must be known when the op is traced; it cannot be applied to the batch");
  return static_cast<int>(axis);
}

const std::vector<std::int64_t>& checked_indices(std::string_view op, const Call& call,
                                                 std::int64_t size) {
  const std::vector<std::int64_t>& indices = call.attributes.integers("indices");
  for (const std::int64_t index : indices)
    if (index < 0 || index >= size)
      value_error(op, ": index ", index, " is out of range for an axis of ", size);
  return indices;
}

class TakeOp final : public Op {
 public:
  std::string_view name() const override { return "take"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"axis", "indices"});
    TensorType y = call.input(0);
    const int axis = checked_axis(name(), call);
    y.shape[axis] = static_cast<std::int64_t>(checked_indices(name(), call, y.shape[axis]).size());
    return {y};
  }
  void gradient(GradientContext& g) const override {
    if (!g.wants(0)) return;
    const Attributes& a = g.node().attributes;
    const auto axis = static_cast<int>(a.integer("axis"));
    g.give(0, g.add("take_backward", {g.output_gradient(0)},
                    {{"axis", a.integer("axis")},
                     {"indices", a.integers("indices")},
                     {"size", g.type(g.input(0)).shape[axis]}})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return take_implementations();
  }
  double flops(const Call&, std::span<const TensorType>) const override { return 0; }
};

// dx[index] = the sum of dy over the places that index was taken to.
class TakeBackwardOp final : public Op {
 public:
  std::string_view name() const override { return "take_backward"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {"axis", "indices", "size"});
    expect_floating(name(), call, 0, "dy");
    TensorType dx = call.input(0);
    const int axis = checked_axis(name(), call);
    const std::int64_t size = call.attributes.integer("size");
    if (size < 0) value_error(name(), ": size must be at least 0, got ", size);
    const auto count = static_cast<std::int64_t>(checked_indices(name(), call, size).size());
    if (dx.shape[axis] != count)
      value_error(name(), ": dy of shape ", dx.shape, " must have ", count,
                  " rows, one for each index, on axis ", axis);
    dx.shape[axis] = size;
    return {dx};
  }
  void gradient(GradientContext& g) const override {
    const Attributes& a = g.node().attributes;
    if (g.wants(0))
      g.give(0, g.add("take", {g.output_gradient(0)},
                      {{"axis", a.integer("axis")}, {"indices", a.integers("indices")}})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return take_backward_implementations();
  }
};

class InterpolateOp final : public Op {
 public:
  InterpolateOp(const char* name, const char* adjoint, bool backward)
      : name_(name), adjoint_(adjoint), backward_(backward) {}
  std::string_view name() const override { return name_; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 1, 1);
    expect_attributes(name_, call, {"axis", "size"});
    expect_floating(name_, call, 0, backward_ ? "dy" : "x");
    TensorType y = call.input(0);
    const int axis = checked_axis(name_, call);
    const std::int64_t size = call.attributes.integer("size");
    // Plans keep a table of as many rows.
    if (size < 1 || size > (std::int64_t{1} << 24))
      value_error(name_, ": size must be between 1 and 2^24, got ", size);
    if (y.shape[axis] < 1) value_error(name_, ": axis ", axis, " of shape ", y.shape, " is empty");
    y.shape[axis] = size;
    return {y};
  }
  void gradient(GradientContext& g) const override {
    if (!g.wants(0)) return;
    const std::int64_t axis = g.node().attributes.integer("axis");
    g.give(0,
           g.add(adjoint_, {g.output_gradient(0)},
                 {{"axis", axis}, {"size", g.type(g.input(0)).shape[static_cast<int>(axis)]}})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return backward_ ? interpolate_backward_implementations() : interpolate_implementations();
  }

 private:
  const char *name_, *adjoint_;
  bool backward_;
};

}  // namespace

void add_axis_map_ops(OpList& ops) {
  ops.push_back(std::make_unique<TakeOp>());
  ops.push_back(std::make_unique<TakeBackwardOp>());
  ops.push_back(std::make_unique<InterpolateOp>("interpolate", "interpolate_backward", false));
  ops.push_back(std::make_unique<InterpolateOp>("interpolate_backward", "interpolate", true));
}

}  // namespace cnnfast
