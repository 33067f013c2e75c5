// An activation on one vector, chosen at run time.
#pragma once

#include "kernels/activation_kind.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE vf activated(vf x, ActivationKind kind, float alpha) {
  switch (kind) {
    case ActivationKind::relu:
      return max(vf{}, x);
    case ActivationKind::leaky_relu:
      return select(x < vf{}, x * broadcast(alpha), x);
    case ActivationKind::tanh:
      return tanh(x);
    case ActivationKind::sigmoid:
      return sigmoid(x);
    case ActivationKind::linear:
      break;
  }
  return x;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
