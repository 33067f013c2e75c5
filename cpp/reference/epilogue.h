// What conv2d and dense do to a result before they store it: add the bias, apply an activation.
#pragma once

#include <cmath>

#include "kernels/activation_kind.h"

namespace cnnfast::reference {

template <class T>
T apply_activation(ActivationKind kind, T alpha, T x) {
  switch (kind) {
    case ActivationKind::linear:
      return x;
    case ActivationKind::relu:
      return x < T(0) ? T(0) : x;  // NaN stays NaN
    case ActivationKind::leaky_relu:
      return x < T(0) ? alpha * x : x;
    case ActivationKind::tanh:
      return std::tanh(x);
    case ActivationKind::sigmoid:
      return x >= T(0) ? T(1) / (T(1) + std::exp(-x)) : std::exp(x) / (T(1) + std::exp(x));
  }
  return x;
}

}  // namespace cnnfast::reference
