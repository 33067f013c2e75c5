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

template <class T>
T unary(UnaryKind kind, T x, T alpha) {
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
  }
  return x;
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
