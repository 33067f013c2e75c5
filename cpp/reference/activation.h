// Unary functions and the gradients that follow from an activation's output, one number at a time.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/elementwise_table.h"

namespace cnnfast::reference {

template <class T>
T sigmoid(T x) {
  return x >= T(0) ? T(1) / (T(1) + std::exp(-x)) : std::exp(x) / (T(1) + std::exp(x));
}

// log(1 + e^x) without overflow.
template <class T>
T softplus(T x) {
  return (x > T(0) ? x : x == x ? T(0) : x) + std::log1p(std::exp(-std::abs(x)));
}

// The normal distribution's share below x (Hendrycks and Gimpel, 2016, arXiv:1606.08415).
template <class T>
T normal_share(T x) {
  return T(0.5) * std::erfc(-x * T(0.70710678118654752));
}
// What the tanh approximation of gelu takes the sigmoid of, over x: 2 sqrt(2 / pi) (1 + 0.044715
// x^2).
template <class T>
T gelu_factor(T x, T cubic = T(0.044715)) {
  return T(1.5957691216057308) * (T(1) + cubic * x * x);
}
// Klambauer et al., 2017, arXiv:1706.02515.
inline constexpr double kSeluScale = 1.0507009873554805, kSeluAlpha = 1.6732632423543772;
// relu6(x + 3) / 6
template <class T>
T hard_sigmoid(T x) {
  return (x < T(-3) ? T(0) : x > T(3) ? T(6) : x + T(3)) / T(6);
}

// beta: upper bound of clip, whose lower one is alpha.
template <class T>
T unary(UnaryKind kind, T x, T alpha, T beta) {
  switch (kind) {
    case UnaryKind::relu:
      return x < T(0) ? T(0) : x;  // NaN stays NaN
    case UnaryKind::leaky_relu:
      return x < T(0) ? alpha * x : x;
    case UnaryKind::elu:
      return x < T(0) ? alpha * std::expm1(x) : x;
    case UnaryKind::tanh:
      return std::tanh(x);
    case UnaryKind::sigmoid:
      return sigmoid(x);
    case UnaryKind::softplus:
      return softplus(x);
    case UnaryKind::exp:
      return std::exp(x);
    case UnaryKind::log:
      return std::log(x);
    case UnaryKind::sqrt:
      return std::sqrt(x);
    case UnaryKind::square:
      return x * x;
    case UnaryKind::abs:
      return std::abs(x);
    case UnaryKind::negative:
      return -x;
    case UnaryKind::reciprocal:
      return T(1) / x;
    case UnaryKind::sign:
      return x > T(0) ? T(1) : x < T(0) ? T(-1) : x;  // NaN stays NaN, zeros keep their sign
    case UnaryKind::selu:
      return T(kSeluScale) * (x < T(0) ? T(kSeluAlpha) * std::expm1(x) : x);
    case UnaryKind::silu:
      return x * sigmoid(x);
    case UnaryKind::gelu:
      return x < T(-40) ? T(0) : x * normal_share(x);  // of -inf too
    case UnaryKind::gelu_tanh:
      return x * sigmoid(x * gelu_factor(x));
    case UnaryKind::mish:
      return x * std::tanh(softplus(x));
    case UnaryKind::softsign:
      return x / (T(1) + std::abs(x));
    case UnaryKind::log_sigmoid:
      return -softplus(-x);
    case UnaryKind::hard_sigmoid:
      return hard_sigmoid(x);
    case UnaryKind::hard_silu:
      return x * hard_sigmoid(x);
    case UnaryKind::clip:
      return x < alpha ? alpha : x > beta ? beta : x;
  }
  return x;
}

// f'(x) of the kinds whose gradient is an op of its own.
template <class T>
T unary_slope(UnaryKind kind, T x, T alpha, T beta) {
  const T one(1);
  switch (kind) {
    case UnaryKind::elu:
      return x < T(0) ? alpha * std::exp(x) : one;
    case UnaryKind::selu:
      return T(kSeluScale) * (x < T(0) ? T(kSeluAlpha) * std::exp(x) : one);
    case UnaryKind::softplus:
      return sigmoid(x);
    case UnaryKind::log_sigmoid:
      return sigmoid(-x);
    case UnaryKind::softsign:
      return one / ((one + std::abs(x)) * (one + std::abs(x)));
    case UnaryKind::silu:
      return sigmoid(x) * (one + x * (one - sigmoid(x)));
    case UnaryKind::gelu:
      return normal_share(x) + x * T(0.39894228040143268) * std::exp(T(-0.5) * x * x);
    case UnaryKind::gelu_tanh: {
      const T near = x > T(20) ? T(20) : x < T(-20) ? T(-20) : x;  // beyond it is 0 or 1
      const T share = sigmoid(near * gelu_factor(near));
      return share * (one + near * (one - share) * gelu_factor(near, T(3 * 0.044715)));
    }
    case UnaryKind::mish: {
      if (x > T(40)) return one;
      const T t = std::tanh(softplus(x));
      return t + x * (one - t * t) * sigmoid(x);
    }
    case UnaryKind::hard_sigmoid:
      return std::abs(x) < T(3) ? one / T(6) : T(0);
    case UnaryKind::hard_silu:
      return x <= T(-3) ? T(0) : x >= T(3) ? one : x / T(3) + T(0.5);
    case UnaryKind::clip:
      return x > alpha && x < beta ? one : T(0);
    default:
      return one;
  }
}

// The kinds that integers have as well; arithmetic wraps around as NumPy's does.
inline bool has_integer_form(UnaryKind kind) {
  return kind == UnaryKind::relu || kind == UnaryKind::square || kind == UnaryKind::abs ||
         kind == UnaryKind::negative || kind == UnaryKind::sign;
}
template <class T>
T integer_unary(UnaryKind kind, T x) {
  using U = std::make_unsigned_t<T>;
  const bool below = x < T(0);
  const U minus = static_cast<U>(U(0) - static_cast<U>(x));
  switch (kind) {
    case UnaryKind::relu:
      return below ? T(0) : x;
    case UnaryKind::square:  // in 64 bits: a product of two uint8 would be an int, and signed
      return static_cast<T>(static_cast<std::uint64_t>(x) * static_cast<std::uint64_t>(x));
    case UnaryKind::abs:
      return below ? static_cast<T>(minus) : x;
    case UnaryKind::negative:
      return static_cast<T>(minus);
    case UnaryKind::sign:
      return below ? static_cast<T>(-1) : static_cast<T>(x != T(0));
    default:
      return x;
  }
}

// d loss / d x from the output y = f(x) and dy = d loss / d y. alpha >= 0, so that y and x have
// one sign.
template <class T>
T activation_backward(ActivationKind kind, T y, T dy, T alpha) {
  switch (kind) {
    case ActivationKind::linear:
      return dy;
    case ActivationKind::relu:
      return y > T(0) ? dy : T(0);
    case ActivationKind::leaky_relu:
      return y > T(0) ? dy : alpha * dy;
    case ActivationKind::tanh:
      return dy * (T(1) - y * y);
    case ActivationKind::sigmoid:
      return dy * y * (T(1) - y);
  }
  return dy;
}

}  // namespace cnnfast::reference
