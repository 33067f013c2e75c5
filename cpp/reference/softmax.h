// Softmax over the last axis, x (rows, classes).
#pragma once

#include <cmath>
#include <cstdint>

namespace cnnfast::reference {

// log of the sum of exp(x), shifted by the largest so that nothing overflows.
template <class T>
T log_sum_exp(const T* x, std::int64_t classes) {
  T largest = x[0];
  for (std::int64_t c = 1; c < classes; ++c)
    if (x[c] > largest || x[c] != x[c]) largest = x[c];
  T sum = 0;
  for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(x[c] - largest);
  return largest + std::log(sum);
}

template <class T>
void softmax(const T* x, T* y, std::int64_t rows, std::int64_t classes) {
  if (classes == 0) return;
  for (std::int64_t r = 0; r < rows; ++r, x += classes, y += classes) {
    T largest = x[0], sum = 0;
    for (std::int64_t c = 1; c < classes; ++c)
      if (x[c] > largest || x[c] != x[c]) largest = x[c];
    for (std::int64_t c = 0; c < classes; ++c) sum += y[c] = std::exp(x[c] - largest);
    for (std::int64_t c = 0; c < classes; ++c) y[c] /= sum;
  }
}

template <class T>
void log_softmax(const T* x, T* y, std::int64_t rows, std::int64_t classes) {
  if (classes == 0) return;
  for (std::int64_t r = 0; r < rows; ++r, x += classes, y += classes) {
    T largest = x[0], sum = 0;
    for (std::int64_t c = 1; c < classes; ++c)
      if (x[c] > largest || x[c] != x[c]) largest = x[c];
    for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(x[c] - largest);
    for (std::int64_t c = 0; c < classes; ++c) y[c] = (x[c] - largest) - std::log(sum);
  }
}

// dx = y (dy - sum(dy y)), y being softmax's output.
template <class T>
void softmax_backward(const T* y, const T* dy, T* dx, std::int64_t rows, std::int64_t classes) {
  for (std::int64_t r = 0; r < rows; ++r, y += classes, dy += classes, dx += classes) {
    T dot = 0;
    for (std::int64_t c = 0; c < classes; ++c) dot += dy[c] * y[c];
    for (std::int64_t c = 0; c < classes; ++c) dx[c] = y[c] * (dy[c] - dot);
  }
}

}  // namespace cnnfast::reference
