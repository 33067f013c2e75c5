// Normalisation within one sample.
//
//   layer_norm  x (..., C), gamma (C), beta (C): every row over its last axis
//               (Ba, Kiros and Hinton, 2016)
//   group_norm  x (N, ..., C), gamma (C), beta (C), attribute groups: every sample over all axes
//               behind the first, C / groups neighbouring channels together (Wu and He, 2018)
//
// Both -> y, mean, variance, mean_low, statistics (x's axes but the last) or (N, groups); variance
// is the biased one, mean + mean_low the mean to twice the digits of float32. Their backward ops:
// x, dy, gamma, mean, variance, mean_low -> dx, dgamma, dbeta.
#include "ops/group_norm.h"

#include "ops/checks.h"
#include "ops/normalization.h"

namespace cnnfast {

namespace {

class WithinSample : public Op {
 public:
  WithinSample(bool layer, bool backward) : layer_(layer), backward_(backward) {}

  std::string_view name() const final {
    if (layer_) return backward_ ? "layer_norm_backward" : "layer_norm";
    return backward_ ? "group_norm_backward" : "group_norm";
  }

 protected:
  bool layer() const { return layer_; }

  void check_attributes(const Call& call) const {
    if (layer_)
      expect_attributes(name(), call, {"epsilon"});
    else
      expect_attributes(name(), call, {"epsilon", "groups"});
    const double epsilon = finite_attribute(name(), call.attributes, "epsilon", 1e-3);
    if (epsilon < 0) value_error(name(), ": epsilon must be at least 0, got ", epsilon);
  }

  // x, and gamma, beta ... from input `first` on, (channels,) each.
  void check_operands(const Call& call, int first, int count) const {
    expect_floating(name(), call, 0, "x");
    const Shape& x = call.input(0).shape;
    if (x.rank() < (layer_ ? 1 : 2))
      value_error(name(), ": x must have at least ", layer_ ? 1 : 2, " axes, got shape ", x);
    const std::int64_t channels = x[x.rank() - 1];
    for (int i = first; i < first + count; ++i) {
      expect_floating(name(), call, i, "gamma and beta");
      expect_one_dtype(name(), call, 0, i);
      const Shape& shape = call.input(i).shape;
      if (shape.rank() != 1 || !sizes_agree(shape[0], channels))
        value_error(name(), ": gamma and beta must have shape (", channels,
                    ",), one value for each place of x's last axis ", x, ", got ", shape);
    }
    for (int axis = layer_ ? x.rank() - 1 : 1; axis < x.rank(); ++axis)
      if (x[axis] == 0)
        value_error(name(), ": x ", x, " has no values to take statistics of along axis ", axis);
    if (layer_) return;
    const std::int64_t groups = call.attributes.integer("groups");
    if (groups < 1 || (channels >= 0 && channels % groups != 0))
      value_error(name(), ": groups must divide x's ", channels, " channels, got ", groups);
  }

  TensorType statistics(const Call& call) const {
    TensorType type = call.input(0);
    std::vector<std::int64_t> sizes = type.shape.vector();
    if (layer_)
      sizes.pop_back();
    else
      sizes = {sizes[0], call.attributes.integer("groups")};
    type.shape = Shape(sizes);
    return type;
  }

 private:
  bool layer_, backward_;
};

class ForwardOp final : public WithinSample {
 public:
  explicit ForwardOp(bool layer) : WithinSample(layer, false) {}

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 3, 3);
    check_attributes(call);
    check_operands(call, 1, 2);
    const TensorType s = statistics(call);
    return {call.input(0), s, s, s};
  }
  void gradient(GradientContext& g) const override {
    for (int i = 1; i < 4; ++i)
      if (g.output_gradient(i) != kNoValue)
        value_error(name(),
                    ": no gradient flows through the statistics it hands back; "
                    "use stop_gradient on them, or mean() and var()");
    if (g.output_gradient(0) == kNoValue) return;
    const auto d =
        g.add(std::string(name()) + "_backward",
              {g.input(0), g.output_gradient(0), g.input(1), g.output(1), g.output(2), g.output(3)},
              g.node().attributes);
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.give(i, d[static_cast<std::size_t>(i)]);
  }
  std::span<const Implementation* const> implementations() const override {
    return layer() ? layer_norm_implementations() : group_norm_implementations();
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 7.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

class BackwardOp final : public WithinSample {
 public:
  explicit BackwardOp(bool layer) : WithinSample(layer, true) {}

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 6, 6);
    check_attributes(call);
    check_operands(call, 2, 1);
    expect_same_type(name(), call, 0, 1, "x and dy");
    const TensorType s = statistics(call);
    for (int i = 3; i < 6; ++i) {
      expect_one_dtype(name(), call, 0, i);
      const Shape& shape = call.input(i).shape;
      bool same = shape.rank() == s.shape.rank();
      for (int axis = 0; same && axis < shape.rank(); ++axis)
        same = sizes_agree(shape[axis], s.shape[axis]);
      if (!same)
        value_error(name(), ": mean, variance and mean_low must have shape ", s.shape, ", got ",
                    shape);
    }
    return {call.input(0), call.input(2), call.input(2)};
  }
  std::span<const Implementation* const> implementations() const override {
    return layer() ? layer_norm_backward_implementations() : group_norm_backward_implementations();
  }
  // dx over dy: a group of dy is summed before its first dx is written.
  int overwrites(int output) const override { return output == 0 ? 1 : -1; }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 10.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

}  // namespace

GroupShape group_shape(const Problem& p) {
  const Shape& x = p.input(0).shape;
  const int last = x.rank() - 1;
  if (!p.attributes.has("groups")) return {x.product(0, last), 1, 1, x[last]};
  const std::int64_t groups = p.attributes.integer("groups");
  return {x[0], x.product(1, last), groups, x[last] / groups};
}

void add_group_norm_ops(OpList& ops) {
  for (const bool layer : {true, false}) {
    ops.push_back(std::make_unique<ForwardOp>(layer));
    ops.push_back(std::make_unique<BackwardOp>(layer));
  }
}

}  // namespace cnnfast
