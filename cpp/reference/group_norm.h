// Normalisation within groups of one sample: x (samples, middle, groups, size), each (sample,
// group) brought to mean 0 and variance 1 over middle and size, gamma and beta (groups, size).
//   group normalisation   middle = positions, size = channels of a group
//   layer normalisation   middle = groups = 1, size = the last axis
// Sums are in double whatever T is; see reference/batch_norm.h for mean_low.
#pragma once

#include <cmath>
#include <cstdint>

namespace cnnfast::reference {

template <class T>
struct GroupNorm {
  std::int64_t samples, middle, groups, size;
  const T *x, *gamma, *beta;
  T *mean, *variance, *mean_low;  // (samples, groups)
  double epsilon;

  std::int64_t at(std::int64_t s, std::int64_t m, std::int64_t g, std::int64_t k) const {
    return ((s * middle + m) * groups + g) * size + k;
  }
  // f(element, channel) for every value of a group.
  template <class F>
  void each(std::int64_t s, std::int64_t g, F f) const {
    for (std::int64_t m = 0; m < middle; ++m)
      for (std::int64_t k = 0; k < size; ++k) f(at(s, m, g, k), g * size + k);
  }
  double centred(std::int64_t element, std::int64_t group) const {
    return static_cast<double>(x[element] - mean[group]) - static_cast<double>(mean_low[group]);
  }
  double inverse_deviation(std::int64_t group) const {
    return 1 / std::sqrt(static_cast<double>(variance[group]) + epsilon);
  }
};

template <class T>
void group_norm(const GroupNorm<T>& p, T* y) {
  const double n = static_cast<double>(p.middle * p.size);
  for (std::int64_t s = 0; s < p.samples; ++s)
    for (std::int64_t g = 0; g < p.groups; ++g) {
      const std::int64_t i = s * p.groups + g;
      double sum = 0, squares = 0, left = 0;
      p.each(s, g, [&](std::int64_t at, std::int64_t) { sum += static_cast<double>(p.x[at]); });
      p.each(s, g, [&](std::int64_t at, std::int64_t) {
        const double d = static_cast<double>(p.x[at]) - sum / n;
        squares += d * d;
        left += d;
      });
      const double mean = sum / n + left / n;
      p.mean[i] = static_cast<T>(mean);
      p.mean_low[i] = static_cast<T>(mean - static_cast<double>(p.mean[i]));
      p.variance[i] = static_cast<T>((squares - left * left / n) / n);
      const double inverse = p.inverse_deviation(i);
      p.each(s, g, [&](std::int64_t at, std::int64_t c) {
        y[at] = static_cast<T>(p.centred(at, i) * inverse * static_cast<double>(p.gamma[c]) +
                               static_cast<double>(p.beta[c]));
      });
    }
}

// dx may be dy.
template <class T>
void group_norm_backward(const GroupNorm<T>& p, const T* dy, T* dx, T* dgamma, T* dbeta) {
  for (std::int64_t c = 0; c < p.groups * p.size; ++c) {
    double product = 0, sum = 0;
    const std::int64_t g = c / p.size, k = c % p.size;
    for (std::int64_t s = 0; s < p.samples; ++s)
      for (std::int64_t m = 0; m < p.middle; ++m) {
        const std::int64_t at = p.at(s, m, g, k), i = s * p.groups + g;
        sum += static_cast<double>(dy[at]);
        product += static_cast<double>(dy[at]) * p.centred(at, i) * p.inverse_deviation(i);
      }
    dgamma[c] = static_cast<T>(product);
    dbeta[c] = static_cast<T>(sum);
  }
  const double n = static_cast<double>(p.middle * p.size);
  for (std::int64_t s = 0; s < p.samples; ++s)
    for (std::int64_t g = 0; g < p.groups; ++g) {
      const std::int64_t i = s * p.groups + g;
      const double inverse = p.inverse_deviation(i);
      double sum = 0, product = 0;
      const auto arriving = [&](std::int64_t at, std::int64_t c) {
        return static_cast<double>(dy[at]) * static_cast<double>(p.gamma[c]);
      };
      p.each(s, g, [&](std::int64_t at, std::int64_t c) {
        sum += arriving(at, c);
        product += arriving(at, c) * p.centred(at, i) * inverse;
      });
      p.each(s, g, [&](std::int64_t at, std::int64_t c) {
        const double normal = p.centred(at, i) * inverse;
        dx[at] = static_cast<T>(inverse * (arriving(at, c) - sum / n - normal * product / n));
      });
    }
}

}  // namespace cnnfast::reference
