// Batch normalisation of x (rows, channels): Ioffe and Szegedy, ICML 2015, algorithm 1. The
// variance is the biased one (divided by rows). Sums are in double whatever T is; of a mean that
// float32 cannot hold, `mean_low` is what is left.
#pragma once

#include <cmath>
#include <cstdint>

#include "reference/epilogue.h"

namespace cnnfast::reference {

template <class T>
void batch_moments(const T* x, std::int64_t rows, std::int64_t channels, T* mean, T* variance,
                   T* mean_low) {
  for (std::int64_t c = 0; c < channels; ++c) {
    double sum = 0, squares = 0, left = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += static_cast<double>(x[r * channels + c]);
    const double n = static_cast<double>(rows), middle = sum / n;
    for (std::int64_t r = 0; r < rows; ++r) {
      const double d = static_cast<double>(x[r * channels + c]) - middle;
      squares += d * d;
      left += d;
    }
    // What rounding left in the mean shows in the sum of deviations.
    const double exact = middle + left / n;
    mean[c] = static_cast<T>(exact);
    mean_low[c] = static_cast<T>(exact - static_cast<double>(mean[c]));
    variance[c] = static_cast<T>((squares - left * left / n) / n);
  }
}

template <class T>
struct BatchNorm {
  std::int64_t rows, channels;
  const T *x, *gamma, *beta, *mean, *variance;
  const T* mean_low;  // may be null
  double epsilon;
  ActivationKind activation;
  T alpha;

  T inverse_deviation(std::int64_t c) const {
    return static_cast<T>(1 / std::sqrt(static_cast<double>(variance[c]) + epsilon));
  }
  T centred(std::int64_t r, std::int64_t c) const {
    return (x[r * channels + c] - mean[c]) - (mean_low ? mean_low[c] : T(0));
  }
  // Before the activation.
  T normalised(std::int64_t r, std::int64_t c) const {
    return centred(r, c) * (gamma[c] * inverse_deviation(c)) + beta[c];
  }
};

template <class T>
void batch_norm(const BatchNorm<T>& b, T* y) {
  for (std::int64_t r = 0; r < b.rows; ++r)
    for (std::int64_t c = 0; c < b.channels; ++c)
      y[r * b.channels + c] = apply_activation(b.activation, b.alpha, b.normalised(r, c));
}

// dy arrives behind the activation, which is linear, relu or leaky_relu. Training: the statistics
// are those of x and pass gradients on. Outputs may be null.
template <class T>
void batch_norm_backward(const BatchNorm<T>& b, const T* dy, bool training, T* dx, T* dgamma,
                         T* dbeta) {
  const double n = static_cast<double>(b.rows);
  for (std::int64_t c = 0; c < b.channels; ++c) {
    const auto arriving = [&](std::int64_t r) {
      const T g = dy[r * b.channels + c];
      if (b.activation == ActivationKind::linear || b.normalised(r, c) > T(0)) return g;
      return b.activation == ActivationKind::relu ? T(0) : b.alpha * g;
    };
    double sum = 0, product = 0;
    for (std::int64_t r = 0; r < b.rows; ++r) {
      sum += static_cast<double>(arriving(r));
      product += static_cast<double>(arriving(r)) * static_cast<double>(b.centred(r, c));
    }
    const double inverse = static_cast<double>(b.inverse_deviation(c));
    const double scale = static_cast<double>(b.gamma[c]) * inverse;
    if (dgamma) dgamma[c] = static_cast<T>(product * inverse);
    if (dbeta) dbeta[c] = static_cast<T>(sum);
    if (!dx) continue;
    for (std::int64_t r = 0; r < b.rows; ++r) {
      double g = static_cast<double>(arriving(r));
      if (training)
        g -= sum / n + static_cast<double>(b.centred(r, c)) * inverse * inverse * product / n;
      dx[r * b.channels + c] = static_cast<T>(scale * g);
    }
  }
}

template <class T>
void moving_average(T* average, const T* x, std::int64_t size, T momentum) {
  for (std::int64_t i = 0; i < size; ++i)
    average[i] = average[i] * momentum + x[i] * (T(1) - momentum);
}

}  // namespace cnnfast::reference
