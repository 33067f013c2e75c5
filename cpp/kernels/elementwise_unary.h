// y[i] = f(x[i]) and the gradients of activations from their outputs.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct Relu {
  static vf of(vf x, vf) { return max(broadcast(0.0f), x); }  // in this order NaN stays
};
struct LeakyRelu {
  static vf of(vf x, vf alpha) { return select(x < 0.0f, x * alpha, x); }
};
struct Elu {
  static vf of(vf x, vf alpha) {
    return select(x < 0.0f, expm1_nonpositive(min(broadcast(0.0f), x)) * alpha, x);
  }
};
struct Tanh {
  static vf of(vf x, vf) { return tanh(x); }
};
struct Sigmoid {
  static vf of(vf x, vf) { return sigmoid(x); }
};
struct Softplus {
  static vf of(vf x, vf) { return softplus(x); }
};
struct Exp {
  static vf of(vf x, vf) { return exp(x); }
};
struct Log {
  static vf of(vf x, vf) { return log(x); }
};
struct Sqrt {
  static vf of(vf x, vf) { return sqrt(x); }
};
struct Square {
  static vf of(vf x, vf) { return x * x; }
};
struct Abs {
  static vf of(vf x, vf) { return abs(x); }
};
struct Negative {
  static vf of(vf x, vf) { return -x; }
};
struct Reciprocal {
  static vf of(vf x, vf) { return 1.0f / x; }
};
struct Sign {
  static vf of(vf x, vf) {
    return select(x > 0.0f, broadcast(1.0f), select(x < 0.0f, broadcast(-1.0f), x));
  }
};

template <class F>
void unary_kernel(const float* x, float* y, int64_t n, float alpha) {
  const vf a = broadcast(alpha);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, F::of(load(x + i), a));
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    store_first(y + i, F::of(load_first(x + i, rest), a), rest);
  }
}

// d loss / d x from y = f(x) and dy; see reference/activation.h.
struct FromLinear {
  static vf of(vf, vf dy, vf) { return dy; }
};
struct FromRelu {
  static vf of(vf y, vf dy, vf) { return select(y > 0.0f, dy, vf{}); }
};
struct FromLeakyRelu {
  static vf of(vf y, vf dy, vf alpha) { return select(y > 0.0f, dy, dy * alpha); }
};
struct FromTanh {
  static vf of(vf y, vf dy, vf) { return dy * (1.0f - y * y); }
};
struct FromSigmoid {
  static vf of(vf y, vf dy, vf) { return dy * y * (1.0f - y); }
};

template <class F>
void activation_backward_kernel(const float* y, const float* dy, float* dx, int64_t n,
                                float alpha) {
  const vf a = broadcast(alpha);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(dx + i, F::of(load(y + i), load(dy + i), a));
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    store_first(dx + i, F::of(load_first(y + i, rest), load_first(dy + i, rest), a), rest);
  }
}

void fill_unary(ElementwiseKernels& table) {
  const auto set = [&](UnaryKind kind, auto kernel) {
    table.unary[static_cast<int>(kind)] = kernel;
  };
  set(UnaryKind::relu, unary_kernel<Relu>);
  set(UnaryKind::leaky_relu, unary_kernel<LeakyRelu>);
  set(UnaryKind::elu, unary_kernel<Elu>);
  set(UnaryKind::tanh, unary_kernel<Tanh>);
  set(UnaryKind::sigmoid, unary_kernel<Sigmoid>);
  set(UnaryKind::softplus, unary_kernel<Softplus>);
  set(UnaryKind::exp, unary_kernel<Exp>);
  set(UnaryKind::log, unary_kernel<Log>);
  set(UnaryKind::sqrt, unary_kernel<Sqrt>);
  set(UnaryKind::square, unary_kernel<Square>);
  set(UnaryKind::abs, unary_kernel<Abs>);
  set(UnaryKind::negative, unary_kernel<Negative>);
  set(UnaryKind::reciprocal, unary_kernel<Reciprocal>);
  set(UnaryKind::sign, unary_kernel<Sign>);
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
