// Dense layers as the textbook writes them: y = act(x w + b). x (rows, in), w (in, out), b (out),
// y (rows, out).
#pragma once

#include <cstdint>

#include "reference/epilogue.h"

namespace cnnfast::reference {

template <class T>
void dense(const T* x, const T* w, const T* b, T* y, std::int64_t rows, std::int64_t in,
           std::int64_t out, ActivationKind activation, T alpha) {
  for (std::int64_t m = 0; m < rows; ++m)
    for (std::int64_t o = 0; o < out; ++o) {
      T sum = 0;
      for (std::int64_t i = 0; i < in; ++i) sum += x[m * in + i] * w[i * out + o];
      if (b != nullptr) sum += b[o];
      y[m * out + o] = apply_activation(activation, alpha, sum);
    }
}

// dx = dy wT
template <class T>
void dense_backward_input(const T* dy, const T* w, T* dx, std::int64_t rows, std::int64_t in,
                          std::int64_t out) {
  for (std::int64_t m = 0; m < rows; ++m)
    for (std::int64_t i = 0; i < in; ++i) {
      T sum = 0;
      for (std::int64_t o = 0; o < out; ++o) sum += dy[m * out + o] * w[i * out + o];
      dx[m * in + i] = sum;
    }
}

// dw = xT dy, db = dy summed over the rows (skipped when db is null)
template <class T>
void dense_backward_kernel(const T* x, const T* dy, T* dw, T* db, std::int64_t rows,
                           std::int64_t in, std::int64_t out) {
  for (std::int64_t i = 0; i < in; ++i)
    for (std::int64_t o = 0; o < out; ++o) {
      T sum = 0;
      for (std::int64_t m = 0; m < rows; ++m) sum += x[m * in + i] * dy[m * out + o];
      dw[i * out + o] = sum;
    }
  if (db == nullptr) return;
  for (std::int64_t o = 0; o < out; ++o) {
    T sum = 0;
    for (std::int64_t m = 0; m < rows; ++m) sum += dy[m * out + o];
    db[o] = sum;
  }
}

}  // namespace cnnfast::reference
