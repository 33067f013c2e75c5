// Arithmetic, comparisons and select with NumPy's broadcasting.
#include "ops/elementwise.h"

#include "ops/checks.h"
#include "ops/families.h"

namespace cnnfast {

namespace {

using BinaryGradient = void (*)(GradientContext& g, ValueId a, ValueId b, ValueId dy);

class BinaryOp final : public Op {
 public:
  BinaryOp(const char* name, BinaryKind kind, BinaryGradient gradient)
      : name_(name), kind_(kind), gradient_(gradient) {}

  std::string_view name() const override { return name_; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 2, 2);
    expect_attributes(name_, call, {});
    expect_one_dtype(name_, call, 0, 1);
    const DType dtype = call.input(0).dtype;
    if (kind_ == BinaryKind::divide || kind_ == BinaryKind::power)
      expect_floating(name_, call, 0, "a and b");
    if (kind_ == BinaryKind::subtract && dtype == DType::boolean)
      type_error(name_, ": bool has no subtraction; use not_equal(a, b), or cast to a number");
    TensorType y = call.input(0);
    y.shape = broadcast_shapes(name_, call.input(0).shape, call.input(1).shape);
    return {y};
  }

  void gradient(GradientContext& g) const override {
    gradient_(g, g.input(0), g.input(1), g.output_gradient(0));
  }
  std::span<const Implementation* const> implementations() const override {
    return binary_implementations();
  }
  // The planner asks for one type of input and output, so a broadcast operand is never it.
  int overwrites(int) const override { return 0; }

  BinaryKind kind() const { return kind_; }

 private:
  const char* name_;
  BinaryKind kind_;
  BinaryGradient gradient_;
};

class CompareOp final : public Op {
 public:
  CompareOp(const char* name, CompareKind kind) : name_(name), kind_(kind) {}

  std::string_view name() const override { return name_; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 2, 2);
    expect_attributes(name_, call, {});
    expect_one_dtype(name_, call, 0, 1);
    TensorType y = call.input(0);
    y.shape = broadcast_shapes(name_, call.input(0).shape, call.input(1).shape);
    y.dtype = DType::boolean;
    return {y};
  }
  void gradient(GradientContext&) const override {}  // constant almost everywhere
  std::span<const Implementation* const> implementations() const override {
    return compare_implementations();
  }

  CompareKind kind() const { return kind_; }

 private:
  const char* name_;
  CompareKind kind_;
};

class SelectOp final : public Op {
 public:
  std::string_view name() const override { return "select"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 3, 3);
    expect_attributes(name(), call, {});
    if (call.input(0).dtype != DType::boolean)
      type_error(name(), ": the condition must be bool, got ", name_of(call.input(0).dtype),
                 "; compare it with something, as in x > 0");
    expect_one_dtype(name(), call, 1, 2);
    TensorType y = call.input(1);
    y.shape =
        broadcast_shapes(name(), broadcast_shapes(name(), call.input(0).shape, call.input(1).shape),
                         call.input(2).shape);
    return {y};
  }

  void gradient(GradientContext& g) const override {
    const ValueId dy = g.output_gradient(0);
    for (const int i : {1, 2}) {
      if (!g.wants(i)) continue;
      const ValueId zero = scalar(g, g.type(dy).dtype, 0.0);
      const ValueId part = g.add("select", i == 1 ? std::vector<ValueId>{g.input(0), dy, zero}
                                                  : std::vector<ValueId>{g.input(0), zero, dy})[0];
      g.give(i, sum_to_shape(g, part, g.type(g.input(i)).shape));
    }
  }
  std::span<const Implementation* const> implementations() const override {
    return select_implementations();
  }
  int overwrites(int) const override { return 1; }
};

// ---- gradients ---------------------------------------------------------------------------------
ValueId apply(GradientContext& g, const char* op, ValueId a, ValueId b) {
  return g.add(op, {a, b})[0];
}
void give(GradientContext& g, int i, ValueId gradient) {
  g.give(i, sum_to_shape(g, gradient, g.type(g.input(i)).shape));
}
ValueId negative(GradientContext& g, ValueId x) { return g.add("negative", {x})[0]; }

void add_gradient(GradientContext& g, ValueId, ValueId, ValueId dy) {
  if (g.wants(0)) give(g, 0, dy);
  if (g.wants(1)) give(g, 1, dy);
}

// The sign is turned after the sum, where there may be fewer elements.
void subtract_gradient(GradientContext& g, ValueId, ValueId b, ValueId dy) {
  if (g.wants(0)) give(g, 0, dy);
  if (g.wants(1)) g.give(1, negative(g, sum_to_shape(g, dy, g.type(b).shape)));
}

void multiply_gradient(GradientContext& g, ValueId a, ValueId b, ValueId dy) {
  if (g.wants(0)) give(g, 0, apply(g, "multiply", dy, b));
  if (g.wants(1)) give(g, 1, apply(g, "multiply", dy, a));
}

void divide_gradient(GradientContext& g, ValueId, ValueId b, ValueId dy) {
  const ValueId part = apply(g, "divide", dy, b);
  if (g.wants(0)) give(g, 0, part);
  if (g.wants(1))
    g.give(1,
           negative(g, sum_to_shape(g, apply(g, "multiply", part, g.output(0)), g.type(b).shape)));
}

// Everything goes to the winner; of equals a is the winner.
template <bool largest>
void extreme_gradient(GradientContext& g, ValueId a, ValueId b, ValueId dy) {
  const ValueId b_wins = apply(g, largest ? "less" : "greater", a, b);
  const ValueId zero = scalar(g, g.type(dy).dtype, 0.0);
  if (g.wants(0)) give(g, 0, g.add("select", {b_wins, zero, dy})[0]);
  if (g.wants(1)) give(g, 1, g.add("select", {b_wins, dy, zero})[0]);
}

// d a = b a^(b-1), 0 where b = 0 (not 0 * inf at a = 0). d b = y log a where a > 0, 0 elsewhere,
// as there is no real answer for a < 0 and the limit at 0 is 0 for b > 0.
void power_gradient(GradientContext& g, ValueId a, ValueId b, ValueId dy) {
  const DType dtype = g.type(dy).dtype;
  const ValueId zero = scalar(g, dtype, 0.0), one = scalar(g, dtype, 1.0);
  if (g.wants(0)) {
    const ValueId flat = apply(g, "equal", b, zero);
    const ValueId exponent = g.add("select", {flat, one, apply(g, "subtract", b, one)})[0];
    const ValueId slope = apply(g, "multiply", b, apply(g, "power", a, exponent));
    give(g, 0, apply(g, "multiply", dy, slope));
  }
  if (g.wants(1)) {
    const ValueId positive = apply(g, "greater", a, zero);
    const ValueId logarithm = g.add("log", {g.add("select", {positive, a, one})[0]})[0];
    const ValueId slope =
        g.add("select", {positive, apply(g, "multiply", g.output(0), logarithm), zero})[0];
    give(g, 1, apply(g, "multiply", dy, slope));
  }
}

}  // namespace

BinaryKind binary_kind(const Problem& p) { return static_cast<const BinaryOp&>(*p.node.op).kind(); }
CompareKind compare_kind(const Problem& p) {
  return static_cast<const CompareOp&>(*p.node.op).kind();
}

void add_elementwise_ops(OpList& ops) {
  const auto add = [&](const char* name, BinaryKind kind, BinaryGradient gradient) {
    ops.push_back(std::make_unique<BinaryOp>(name, kind, gradient));
  };
  add("add", BinaryKind::add, add_gradient);
  add("subtract", BinaryKind::subtract, subtract_gradient);
  add("multiply", BinaryKind::multiply, multiply_gradient);
  add("divide", BinaryKind::divide, divide_gradient);
  add("maximum", BinaryKind::maximum, extreme_gradient<true>);
  add("minimum", BinaryKind::minimum, extreme_gradient<false>);
  add("power", BinaryKind::power, power_gradient);
  const auto compare = [&](const char* name, CompareKind kind) {
    ops.push_back(std::make_unique<CompareOp>(name, kind));
  };
  compare("equal", CompareKind::equal);
  compare("not_equal", CompareKind::not_equal);
  compare("less", CompareKind::less);
  compare("less_equal", CompareKind::less_equal);
  compare("greater", CompareKind::greater);
  compare("greater_equal", CompareKind::greater_equal);
  ops.push_back(std::make_unique<SelectOp>());
}

}  // namespace cnnfast
