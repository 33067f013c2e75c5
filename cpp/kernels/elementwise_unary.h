// y[i] = f(x[i]) and the gradients of activations from their outputs.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/unary_slope.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct Relu {
  static vf of(vf x, vf, vf) { return max(broadcast(0.0f), x); }  // in this order NaN stays
};
struct LeakyRelu {
  static vf of(vf x, vf alpha, vf) { return select(x < 0.0f, x * alpha, x); }
};
struct Tanh {
  static vf of(vf x, vf, vf) { return tanh(x); }
};
struct Sigmoid {
  static vf of(vf x, vf, vf) { return sigmoid(x); }
};
struct Exp {
  static vf of(vf x, vf, vf) { return exp(x); }
};
struct Log {
  static vf of(vf x, vf, vf) { return log(x); }
};
struct Sqrt {
  static vf of(vf x, vf, vf) { return sqrt(x); }
};
struct Square {
  static vf of(vf x, vf, vf) { return x * x; }
};
struct Abs {
  static vf of(vf x, vf, vf) { return abs(x); }
};
struct Negative {
  static vf of(vf x, vf, vf) { return -x; }
};
struct Reciprocal {
  static vf of(vf x, vf, vf) { return 1.0f / x; }
};
struct Sign {
  static vf of(vf x, vf, vf) {
    return select(x > 0.0f, broadcast(1.0f), select(x < 0.0f, broadcast(-1.0f), x));
  }
};

// d loss / d x from y = f(x) and dy; see reference/activation.h.
struct FromLinear {
  static vf of(vf, vf dy, vf, vf) { return dy; }
};
struct FromRelu {
  static vf of(vf y, vf dy, vf, vf) { return select(y > 0.0f, dy, vf{}); }
};
struct FromLeakyRelu {
  static vf of(vf y, vf dy, vf alpha, vf) { return select(y > 0.0f, dy, dy * alpha); }
};
struct FromTanh {
  static vf of(vf y, vf dy, vf, vf) { return dy * (1.0f - y * y); }
};
struct FromSigmoid {
  static vf of(vf y, vf dy, vf, vf) { return dy * y * (1.0f - y); }
};

template <class F>
void activation_backward_kernel(const float* y, const float* dy, float* dx, int64_t n,
                                float alpha) {
  for_vectors_of(n, PairLoop<F>{y, dy, dx, broadcast(alpha), vf{}});
}

void fill_unary(ElementwiseKernels& table) {
  const auto set = [&](UnaryKind kind, auto kernel) {
    table.unary[static_cast<int>(kind)] = kernel;
  };
  set(UnaryKind::relu, unary_kernel<Relu>);
  set(UnaryKind::leaky_relu, unary_kernel<LeakyRelu>);
  set(UnaryKind::tanh, unary_kernel<Tanh>);
  set(UnaryKind::sigmoid, unary_kernel<Sigmoid>);
  set(UnaryKind::exp, unary_kernel<Exp>);
  set(UnaryKind::log, unary_kernel<Log>);
  set(UnaryKind::sqrt, unary_kernel<Sqrt>);
  set(UnaryKind::square, unary_kernel<Square>);
  set(UnaryKind::abs, unary_kernel<Abs>);
  set(UnaryKind::negative, unary_kernel<Negative>);
  set(UnaryKind::reciprocal, unary_kernel<Reciprocal>);
  set(UnaryKind::sign, unary_kernel<Sign>);
  const auto set_both = [&](UnaryKind kind, auto kernel, auto backward) {
    set(kind, kernel);
    table.unary_backward[static_cast<int>(kind)] = backward;
  };
  set_both(UnaryKind::elu, unary_kernel<Elu>, unary_backward_kernel<Elu>);
  set_both(UnaryKind::selu, unary_kernel<Selu>, unary_backward_kernel<Selu>);
  set_both(UnaryKind::softplus, staged_kernel<Softplus>, unary_backward_kernel<Softplus>);
  set_both(UnaryKind::log_sigmoid, staged_kernel<LogSigmoid>, unary_backward_kernel<LogSigmoid>);
  set_both(UnaryKind::softsign, unary_kernel<Softsign>, unary_backward_kernel<Softsign>);
  set_both(UnaryKind::silu, unary_kernel<Silu>, unary_backward_kernel<Silu>);
  set_both(UnaryKind::gelu, unary_kernel<Gelu>, unary_backward_kernel<Gelu>);
  set_both(UnaryKind::gelu_tanh, staged_kernel<GeluTanh>, unary_backward_kernel<GeluTanh>);
  set_both(UnaryKind::mish, unary_kernel<Mish>, unary_backward_kernel<Mish>);
  set_both(UnaryKind::clip, unary_kernel<Clip>, unary_backward_kernel<Clip>);
  set_both(UnaryKind::hard_sigmoid, unary_kernel<HardSigmoid>, unary_backward_kernel<HardSigmoid>);
  set_both(UnaryKind::hard_silu, unary_kernel<HardSilu>, unary_backward_kernel<HardSilu>);
  const auto back = [&](ActivationKind kind, auto kernel) {
    table.activation_backward[static_cast<int>(kind)] = kernel;
  };
  back(ActivationKind::linear, activation_backward_kernel<FromLinear>);
  back(ActivationKind::relu, activation_backward_kernel<FromRelu>);
  back(ActivationKind::leaky_relu, activation_backward_kernel<FromLeakyRelu>);
  back(ActivationKind::tanh, activation_backward_kernel<FromTanh>);
  back(ActivationKind::sigmoid, activation_backward_kernel<FromSigmoid>);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
