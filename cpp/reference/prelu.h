// Rectifiers with a learned slope, one number at a time.
#pragma once

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

}  // namespace cnnfast::reference
