// Rectifiers with a learned slope, and the gradient of elu, one number at a time.
#pragma once

#include <cmath>

namespace cnnfast::reference {

template <class T>
T prelu(T x, T slope) {
  return x < T(0) ? slope * x : x;  // NaN stays NaN
}
template <class T>
T prelu_to_x(T x, T slope, T dy) {
  return x < T(0) ? slope * dy : dy;
}
template <class T>
T prelu_to_slope(T x, T dy) {
  return x < T(0) ? x * dy : T(0);
}
template <class T>
T elu_backward(T x, T dy, T alpha) {
  return x < T(0) ? dy * alpha * std::exp(x) : dy;
}

}  // namespace cnnfast::reference
