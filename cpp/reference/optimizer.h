// Updates of a parameter w (size) with its gradient g, as Keras defines them. Weight decay is
// decoupled: w shrinks by lr * weight_decay before the step (Loshchilov and Hutter, 2019).
#pragma once

#include <algorithm>
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

// v_largest may be null; otherwise (AMSGrad: Reddi, Kale and Kumar, 2018) it keeps the largest v.
template <class T>
void adam_update(T* w, const T* g, T lr, T* m, T* v, T* v_largest, T step_size, std::int64_t size,
                 AdamOptions<T> o) {
  for (std::int64_t i = 0; i < size; ++i) {
    w[i] -= w[i] * o.weight_decay * lr;
    m[i] += (g[i] - m[i]) * (T(1) - o.beta1);
    v[i] += (g[i] * g[i] - v[i]) * (T(1) - o.beta2);
    T second = v[i];
    if (v_largest != nullptr) second = v_largest[i] = std::max(v_largest[i], v[i]);
    w[i] -= step_size * m[i] / (std::sqrt(second) + o.epsilon);
  }
}

template <class T>
struct RmspropOptions {
  T rho = T(0.9), momentum = 0, epsilon = T(1e-7), weight_decay = 0;
};

// average (of gradients: the centred form, Graves, 2013) and momentum may be null.
template <class T>
void rmsprop_update(T* w, const T* g, T lr, T* velocity, T* average, T* momentum, std::int64_t size,
                    RmspropOptions<T> o) {
  for (std::int64_t i = 0; i < size; ++i) {
    w[i] -= w[i] * o.weight_decay * lr;
    velocity[i] = o.rho * velocity[i] + (T(1) - o.rho) * g[i] * g[i];
    T square = velocity[i] + o.epsilon;
    if (average != nullptr) {
      average[i] = o.rho * average[i] + (T(1) - o.rho) * g[i];
      square -= average[i] * average[i];
    }
    T step = lr * g[i] / std::sqrt(square);
    if (momentum != nullptr) step = momentum[i] = o.momentum * momentum[i] + step;
    w[i] -= step;
  }
}

// Duchi, Hazan and Singer, 2011.
template <class T>
void adagrad_update(T* w, const T* g, T lr, T* accumulator, std::int64_t size, T epsilon,
                    T weight_decay) {
  for (std::int64_t i = 0; i < size; ++i) {
    w[i] -= w[i] * weight_decay * lr;
    accumulator[i] += g[i] * g[i];
    w[i] -= lr * g[i] / std::sqrt(accumulator[i] + epsilon);
  }
}

// The moving average of a weight; with `overwrite` the weight becomes its average.
template <class T>
void ema_update(T* average, T* w, T momentum, bool overwrite, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) {
    average[i] = momentum * average[i] + (T(1) - momentum) * w[i];
    if (overwrite) w[i] = average[i];
  }
}

}  // namespace cnnfast::reference
