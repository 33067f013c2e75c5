// Activations of a register: what kernels do to a result before they store it.
#pragma once

#include "kernels/activation_kind.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE vf activate(ActivationKind kind, float alpha, vf x) {
  switch (kind) {
    case ActivationKind::linear:
      return x;
    case ActivationKind::relu:
      return max(broadcast(0.0f), x);
    case ActivationKind::leaky_relu:
      return select(x < 0.0f, x * alpha, x);
    case ActivationKind::tanh:
      return tanh(x);
    case ActivationKind::sigmoid:
      return sigmoid(x);
  }
  return x;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
