// Local response normalisation of x (rows, channels): Krizhevsky, Sutskever and Hinton, 2012,
// section 3.3. y[c] = x[c] u[c]^-beta, u[c] = k + alpha * sum of x^2 over the channels from
// c - size / 2 to c - size / 2 + size - 1 that exist.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace cnnfast::reference {

template <class T>
struct LocalResponse {
  std::int64_t rows, channels, size;
  T alpha, beta, k;

  std::int64_t first(std::int64_t c) const { return std::max<std::int64_t>(c - size / 2, 0); }
  std::int64_t last(std::int64_t c) const {  // one behind
    return std::min(c - size / 2 + size, channels);
  }
  T scale(const T* x, std::int64_t c) const {
    T sum = 0;
    for (std::int64_t i = first(c); i < last(c); ++i) sum += x[i] * x[i];
    return k + alpha * sum;
  }
};

template <class T>
void local_response(const LocalResponse<T>& p, const T* x, T* y) {
  for (std::int64_t r = 0; r < p.rows; ++r, x += p.channels, y += p.channels)
    for (std::int64_t c = 0; c < p.channels; ++c) y[c] = x[c] * std::pow(p.scale(x, c), -p.beta);
}

template <class T>
void local_response_backward(const LocalResponse<T>& p, const T* x, const T* dy, T* dx) {
  for (std::int64_t r = 0; r < p.rows; ++r, x += p.channels, dy += p.channels, dx += p.channels) {
    for (std::int64_t c = 0; c < p.channels; ++c) dx[c] = 0;
    for (std::int64_t c = 0; c < p.channels; ++c) {
      const T u = p.scale(x, c), power = std::pow(u, -p.beta);
      dx[c] += dy[c] * power;
      for (std::int64_t i = p.first(c); i < p.last(c); ++i)
        dx[i] -= 2 * p.alpha * p.beta * dy[c] * x[c] * x[i] * power / u;
    }
  }
}

}  // namespace cnnfast::reference
