// Updates of a parameter w (size) with its gradient g, as Keras defines them. Weight decay is
// decoupled: w shrinks by lr * weight_decay before the step (Loshchilov and Hutter, 2019).
#pragma once

#include <cmath>
#include <cstdint>

namespace cnnfast::reference {

template <class T>
struct SgdOptions {
  T momentum = 0, weight_decay = 0;
  bool nesterov = false;
};

// velocity may be null (plain descent).
template <class T>
void sgd_update(T* w, const T* g, T lr, T* velocity, std::int64_t size, SgdOptions<T> o) {
  for (std::int64_t i = 0; i < size; ++i) {
    w[i] -= w[i] * o.weight_decay * lr;
    if (velocity == nullptr) {
      w[i] -= lr * g[i];
      continue;
    }
    const T m = o.momentum * velocity[i] - lr * g[i];
    velocity[i] = m;
    w[i] += o.nesterov ? o.momentum * m - lr * g[i] : m;
  }
}

template <class T>
struct AdamOptions {
  T beta1 = T(0.9), beta2 = T(0.999), epsilon = T(1e-7), weight_decay = 0;
};

// lr sqrt(1 - beta2^t) / (1 - beta1^t), t counting from 1 (Kingma and Ba, 2015, end of section 2).
inline double adam_step_size(double lr, double beta1, double beta2, std::int64_t t) {
  const double n = static_cast<double>(t);
  return lr * std::sqrt(1 - std::pow(beta2, n)) / (1 - std::pow(beta1, n));
}

template <class T>
void adam_update(T* w, const T* g, T lr, T* m, T* v, T step_size, std::int64_t size,
                 AdamOptions<T> o) {
  for (std::int64_t i = 0; i < size; ++i) {
    w[i] -= w[i] * o.weight_decay * lr;
    m[i] += (g[i] - m[i]) * (T(1) - o.beta1);
    v[i] += (g[i] * g[i] - v[i]) * (T(1) - o.beta2);
    w[i] -= step_size * m[i] / (std::sqrt(v[i]) + o.epsilon);
  }
}

}  // namespace cnnfast::reference
