// Batch normalisation (Ioffe and Szegedy, ICML 2015) over all axes but the last, and the moving
// averages of its statistics.
//
//   batch_norm           x, gamma, beta, mean, variance -> y           with given statistics
//   batch_norm_training  x, gamma, beta -> y, mean, variance, mean_low  with those of x
//   batch_norm_backward  x, dy, gamma, beta, mean, variance, mean_low -> dx, dgamma, dbeta
//   moving_average       average, x                                    average is updated
//
// variance is the biased one. mean + mean_low is the mean to twice the digits of float32: with a
// mean of 10,000 and a deviation of 0.01 the mean's own rounding would shift y by a tenth.
#include "ops/batch_norm.h"

#include "ops/checks.h"
#include "ops/normalization.h"

namespace cnnfast {

namespace {

double checked_epsilon(std::string_view op, const Attributes& attributes) {
  const double epsilon = finite_attribute(op, attributes, "epsilon", 1e-3);
  if (epsilon < 0) value_error(op, ": epsilon must be at least 0, got ", epsilon);
  return epsilon;
}

// x and the vectors of one value for each channel from input `first` on, named in order.
void expect_channels(std::string_view op, const Call& call, int first,
                     std::initializer_list<const char*> names) {
  expect_floating(op, call, 0, "x");
  const Shape& x = call.input(0).shape;
  if (x.rank() < 2)
    value_error(op, ": x must have at least 2 axes (batch, ..., channels), got shape ", x);
  const std::int64_t channels = x[x.rank() - 1];
  for (const char* name : names) {
    expect_floating(op, call, first, name);
    expect_one_dtype(op, call, 0, first);
    const Shape& shape = call.input(first++).shape;
    if (shape.rank() != 1 || !sizes_agree(shape[0], channels))
      value_error(op, ": ", name, " must have shape (", channels,
                  ",), one value for each channel "
                  "of x ",
                  x, ", got ", shape);
  }
}

std::int64_t row_count(const Shape& x) { return x.product(0, x.rank() - 1); }

ValueId plus(GradientContext& g, ValueId a, ValueId b) { return g.add("add", {a, b})[0]; }
ValueId minus(GradientContext& g, ValueId a, ValueId b) { return g.add("subtract", {a, b})[0]; }
ValueId times(GradientContext& g, ValueId a, ValueId b) { return g.add("multiply", {a, b})[0]; }
ValueId times(GradientContext& g, ValueId a, double factor) {
  return times(g, a, scalar(g, g.type(a).dtype, factor));
}

double flops_of(const Call& call, double each) {
  return each * static_cast<double>(call.input(0).shape.numel());
}

class BatchNormOp final : public Op {
 public:
  std::string_view name() const override { return "batch_norm"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 5, 5);
    expect_attributes(name(), call, {"epsilon", "activation", "alpha"});
    expect_channels(name(), call, 1, {"gamma", "beta", "mean", "variance"});
    checked_epsilon(name(), call.attributes);
    epilogue_attributes(name(), call.attributes);
    return {call.input(0)};
  }
  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue) return;
    const ValueId dy = gradient_before_activation(g, g.output_gradient(0));
    const ValueId gamma = g.input(1), variance = g.input(4);
    const double epsilon = checked_epsilon(name(), g.node().attributes);
    const ValueId nothing = g.fill(g.type(gamma), 0.0);
    const auto d = g.add("batch_norm_backward",
                         {g.input(0), dy, gamma, g.input(2), g.input(3), variance, nothing},
                         {{"epsilon", epsilon}, {"training", false}});
    if (g.wants(0)) g.give(0, d[0]);
    if (g.wants(1)) g.give(1, d[1]);
    if (g.wants(2)) g.give(2, d[2]);
    if (!g.wants(3) && !g.wants(4)) return;
    // y = gamma (x - mean) r + beta, r = (variance + epsilon)^-1/2
    const ValueId shifted = plus(g, variance, scalar(g, g.type(variance).dtype, epsilon));
    const ValueId r = g.add("reciprocal", {g.add("sqrt", {shifted})[0]})[0];
    const ValueId scale = times(g, gamma, r);
    if (g.wants(3)) g.give(3, g.add("negative", {times(g, scale, d[2])})[0]);
    if (g.wants(4)) g.give(4, times(g, times(g, times(g, scale, r), d[1]), -0.5));
  }
  std::span<const Implementation* const> implementations() const override {
    return batch_norm_implementations();
  }
  int overwrites(int) const override { return 0; }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return flops_of(call, 2);
  }
};

class BatchNormTrainingOp final : public Op {
 public:
  std::string_view name() const override { return "batch_norm_training"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 3, 3);
    expect_attributes(name(), call, {"epsilon", "activation", "alpha"});
    expect_channels(name(), call, 1, {"gamma", "beta"});
    checked_epsilon(name(), call.attributes);
    epilogue_attributes(name(), call.attributes);
    const Shape& x = call.input(0).shape;
    for (int axis = 0; axis + 1 < x.rank(); ++axis)
      if (x[axis] == 0)
        value_error(name(), ": x ", x,
                    " has no values to take statistics of; "
                    "pass a batch that is not empty");
    const TensorType& channels = call.input(1);
    return {call.input(0), channels, channels, channels};
  }
  void gradient(GradientContext& g) const override {
    const ValueId x = g.input(0), mean = g.output(1), low = g.output(3);
    if (g.output_gradient(0) != kNoValue) {
      const ValueId dy = gradient_before_activation(g, g.output_gradient(0));
      const auto d =
          g.add("batch_norm_backward", {x, dy, g.input(1), g.input(2), mean, g.output(2), low},
                {{"epsilon", checked_epsilon(name(), g.node().attributes)}, {"training", true}});
      for (int i = 0; i < 3; ++i)
        if (g.wants(i)) g.give(i, d[static_cast<std::size_t>(i)]);
    }
    // The statistics may be used further: d mean / d x = 1 / n, d variance / d x = 2 (x - mean) /
    // n.
    if (!g.wants(0)) return;
    const double n = static_cast<double>(row_count(g.type(x).shape));
    const ValueId dmean = g.output_gradient(1), dvariance = g.output_gradient(2);
    if (dmean != kNoValue)
      g.give(0, g.add("broadcast_to", {times(g, dmean, 1 / n)},
                      {{"shape", g.type(x).shape.vector()}})[0]);
    if (dvariance != kNoValue)
      g.give(0, times(g, minus(g, minus(g, x, mean), low), times(g, dvariance, 2 / n)));
  }
  std::span<const Implementation* const> implementations() const override {
    return batch_norm_training_implementations();
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return flops_of(call, 7);  // two for the mean, three for the variance, two for y
  }
};

class BatchNormBackwardOp final : public Op {
 public:
  std::string_view name() const override { return "batch_norm_backward"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 7, 7);
    expect_attributes(name(), call, {"epsilon", "training", "activation", "alpha"});
    expect_channels(name(), call, 2, {"gamma", "beta", "mean", "variance", "mean_low"});
    expect_same_type(name(), call, 0, 1, "x and dy");
    checked_epsilon(name(), call.attributes);
    call.attributes.boolean("training");
    const ActivationKind kind = epilogue_attributes(name(), call.attributes).activation;
    if (kind == ActivationKind::tanh || kind == ActivationKind::sigmoid)
      value_error(name(), ": activation must be 'linear', 'relu' or 'leaky_relu', got '",
                  call.attributes.text("activation"), "'; apply activation_backward first");
    return {call.input(0), call.input(2), call.input(2)};
  }
  std::span<const Implementation* const> implementations() const override {
    return batch_norm_backward_implementations();
  }
  // dx over dy: every value of dy is summed before the first dx is written.
  int overwrites(int output) const override { return output == 0 ? 1 : -1; }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return flops_of(call, 8);
  }
};

class MovingAverageOp final : public Op {
 public:
  std::string_view name() const override { return "moving_average"; }
  bool updates(int input) const override { return input == 0; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_attributes(name(), call, {"momentum"});
    expect_floating(name(), call, 0, "average");
    expect_same_type(name(), call, 0, 1, "average and x");
    if (!call.input(0).shape.is_concrete())
      value_error(name(), ": average must be a variable of known shape, got ", call.input(0).str());
    finite_attribute(name(), call.attributes, "momentum", 0.99);
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return moving_average_implementations();
  }
};

}  // namespace

void add_batch_norm_ops(OpList& ops) {
  ops.push_back(std::make_unique<BatchNormOp>());
  ops.push_back(std::make_unique<BatchNormTrainingOp>());
  ops.push_back(std::make_unique<BatchNormBackwardOp>());
  ops.push_back(std::make_unique<MovingAverageOp>());
}

}  // namespace cnnfast
