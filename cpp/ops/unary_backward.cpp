// Gradients of unary functions whose output does not tell their slope: dx = dy f'(x).
#include "ops/activation.h"
#include "ops/checks.h"
#include "ops/families.h"

namespace cnnfast {

namespace {

// Arithmetic on values of a gradient's graph.
struct Term {
  GradientContext& g;
  ValueId id;

  Term apply(const char* op) const { return {g, g.add(op, {id})[0]}; }
  Term apply(const char* op, ValueId other) const { return {g, g.add(op, {id, other})[0]}; }
  Term apply(const char* op, double other) const {
    return apply(op, scalar(g, g.type(id).dtype, other));
  }
};
Term operator*(Term a, Term b) { return a.apply("multiply", b.id); }
Term operator*(Term a, double b) { return a.apply("multiply", b); }
Term operator+(Term a, Term b) { return a.apply("add", b.id); }
Term operator+(Term a, double b) { return a.apply("add", b); }
Term select(Term condition, Term yes) {
  const ValueId zero = scalar(yes.g, yes.g.type(yes.id).dtype, 0.0);
  return {yes.g, yes.g.add("select", {condition.id, yes.id, zero})[0]};
}

// v f''(x); sloped = v f'(x).
using Curvature = Term (*)(Term x, Term v, Term sloped);

// Below zero the exponential is its own derivative.
Term exponential_below(Term x, Term, Term sloped) { return select(x.apply("less", 0.0), sloped); }
Term sigmoid_slope(Term x) {
  const Term share = x.apply("sigmoid");
  return share * (share * -1.0 + 1.0);
}
Term of_softplus(Term x, Term v, Term) { return v * sigmoid_slope(x); }
Term of_log_sigmoid(Term x, Term v, Term) { return v * sigmoid_slope(x) * -1.0; }
Term of_softsign(Term x, Term, Term sloped) {
  return sloped * x.apply("sign") * (x.apply("abs") + 1.0).apply("reciprocal") * -2.0;
}
Term of_silu(Term x, Term v, Term) {
  const Term share = x.apply("sigmoid");
  return v * sigmoid_slope(x) * (x * (share * -2.0 + 1.0) + 2.0);
}
Term of_gelu(Term x, Term v, Term) {
  const Term square = x.apply("square");
  return v * (square * -0.5).apply("exp") * (square * -1.0 + 2.0) * 0.39894228040143268;
}
// f = x s(u): f'' = s' (2 u' + x u'' + x (1 - 2 s) u'^2).
Term of_gelu_tanh(Term x, Term v, Term) {
  constexpr double kTwice = 1.5957691216057308, kCubic = 0.044715;
  const Term square = x.apply("square");
  const Term u = x * (square * kCubic + 1.0) * kTwice;
  const Term steepness = (square * (3 * kCubic) + 1.0) * kTwice;
  const Term bent = x * steepness * steepness * (u.apply("sigmoid") * -2.0 + 1.0);
  return v * sigmoid_slope(u) * (steepness * 2.0 + square * (6 * kCubic * kTwice) + bent);
}
// f = x t, t = tanh(softplus(x)), t' = (1 - t^2) s: f'' = t' (2 + x (1 - s - 2 t s)).
Term of_mish(Term x, Term v, Term) {
  const Term share = x.apply("sigmoid"), t = x.apply("softplus").apply("tanh");
  const Term first = (t.apply("square") * -1.0 + 1.0) * share;
  return v * first * (x * (share * -1.0 + 1.0 + t * share * -2.0) + 2.0);
}
Term of_hard_silu(Term x, Term v, Term) {
  return select(x.apply("abs").apply("less", 3.0), v * (1.0 / 3.0));
}

class UnaryBackwardOp final : public Op {
 public:
  // curvature null: the slope is constant in parts.
  UnaryBackwardOp(const char* name, UnaryKind kind, Curvature curvature)
      : name_(name), kind_(kind), curvature_(curvature) {}

  std::string_view name() const override { return name_; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 2, 2);
    expect_floating(name_, call, 0, "x");
    expect_same_type(name_, call, 0, 1, "x and dy");
    unary_factors(name_, kind_, call);
    return {call.input(1)};
  }
  void gradient(GradientContext& g) const override {
    const Term x{g, g.input(0)}, d{g, g.output_gradient(0)};
    const auto sloped = [&](Term v) {
      return Term{g, g.add(std::string(name_), {x.id, v.id}, g.node().attributes)[0]};
    };
    if (g.wants(1)) g.give(1, sloped(d).id);
    if (!g.wants(0) || curvature_ == nullptr) return;
    const Term both = d * Term{g, g.input(1)};
    g.give(0, curvature_(x, both, sloped(both)).id);
  }
  std::span<const Implementation* const> implementations() const override {
    return unary_backward_implementations();
  }
  int overwrites(int) const override { return 1; }

  UnaryKind kind() const { return kind_; }

 private:
  const char* name_;
  UnaryKind kind_;
  Curvature curvature_;
};

}  // namespace

UnaryKind unary_backward_kind(const Problem& p) {
  return static_cast<const UnaryBackwardOp&>(*p.node.op).kind();
}

void add_unary_backward_ops(OpList& ops) {
  const auto add = [&](const char* name, UnaryKind kind, Curvature curvature) {
    ops.push_back(std::make_unique<UnaryBackwardOp>(name, kind, curvature));
  };
  add("elu_backward", UnaryKind::elu, exponential_below);
  add("selu_backward", UnaryKind::selu, exponential_below);
  add("silu_backward", UnaryKind::silu, of_silu);
  add("gelu_backward", UnaryKind::gelu, of_gelu);
  add("gelu_tanh_backward", UnaryKind::gelu_tanh, of_gelu_tanh);
  add("mish_backward", UnaryKind::mish, of_mish);
  add("softplus_backward", UnaryKind::softplus, of_softplus);
  add("softsign_backward", UnaryKind::softsign, of_softsign);
  add("log_sigmoid_backward", UnaryKind::log_sigmoid, of_log_sigmoid);
  add("hard_sigmoid_backward", UnaryKind::hard_sigmoid, nullptr);
  add("hard_silu_backward", UnaryKind::hard_silu, of_hard_silu);
  add("clip_backward", UnaryKind::clip, nullptr);
}

}  // namespace cnnfast
