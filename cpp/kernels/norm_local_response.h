// Local response normalisation over neighbouring channels (Krizhevsky, Sutskever and Hinton, 2012,
// section 3.3). Squares go to a row with zeros on both sides; a window is then `size` loads that
// overlap, all from the first cache.
#pragma once

#include "kernels/norm_table.h"
#include "kernels/train_rows.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// u^-beta for u > 0. The power of the paper, 3/4, is two square roots and a division.
CNNFAST_INLINE vf negative_power(vf u, float beta) {
  if (beta == 0.75f) {
    const vf root = sqrt(u);
    return 1.0f / (root * sqrt(root));
  }
  if (beta == 0.5f) return 1.0f / sqrt(u);
  if (beta == 1.0f) return 1.0f / u;
  return exp(log(u) * -beta);
}

// padded[front + c] = f(c, lanes), zeros in front and behind as far as windows reach.
template <class F>
CNNFAST_INLINE void fill_padded(float* padded, int64_t front, int64_t channels, int64_t size, F f) {
  for (int64_t i = 0; i < front; ++i) padded[i] = 0;
  for_classes(channels, [&](int64_t c, int n) __attribute__((always_inline)) {
    store_some(padded + front + c, f(c, n), n);
  });
  for (int64_t i = front + channels; i < channels + size; ++i) padded[i] = 0;
}
CNNFAST_INLINE vf window_sum(const float* padded, int64_t size, int n) {
  vf total = {};
  for (int64_t i = 0; i < size; ++i) total += load_some(padded + i, n);
  return total;
}

void local_response(const LocalResponse& p) {
  const int64_t front = p.size / 2;
  float* squares = p.scratch;
  for (int64_t r = 0; r < p.rows; ++r) {
    const float* x = p.x + r * p.channels;
    float* y = p.y + r * p.channels;
    fill_padded(squares, front, p.channels, p.size,
                [&](int64_t c, int n) __attribute__((always_inline)) {
                  const vf v = load_some(x + c, n);
                  return v * v;
                });
    for_classes(p.channels, [&](int64_t c, int n) __attribute__((always_inline)) {
      const vf u = window_sum(squares + c, p.size, n) * p.alpha + p.k;
      store_some(y + c, load_some(x + c, n) * negative_power(u, p.beta), n);
    });
  }
}

// dx[c] = dy[c] u[c]^-beta - 2 alpha beta x[c] * sum of dy x u^(-beta-1) over the channels whose
// window holds c: those of a window turned round.
void local_response_gradient(const LocalResponse& p) {
  const int64_t front = p.size / 2, back = p.size - 1 - front;
  const int64_t each = p.channels + p.size + 16;
  float *squares = p.scratch, *terms = p.scratch + each, *powers = p.scratch + 2 * each;
  const float factor = 2.0f * p.alpha * p.beta;
  for (int64_t r = 0; r < p.rows; ++r) {
    const float *x = p.x + r * p.channels, *dy = p.dy + r * p.channels;
    float* dx = p.y + r * p.channels;
    fill_padded(squares, front, p.channels, p.size,
                [&](int64_t c, int n) __attribute__((always_inline)) {
                  const vf v = load_some(x + c, n);
                  return v * v;
                });
    fill_padded(terms, back, p.channels, p.size,
                [&](int64_t c, int n) __attribute__((always_inline)) {
                  const vf u = window_sum(squares + c, p.size, n) * p.alpha + p.k;
                  const vf power = negative_power(u, p.beta);
                  store_some(powers + c, power, n);
                  return load_some(dy + c, n) * load_some(x + c, n) * (power / u);
                });
    for_classes(p.channels, [&](int64_t c, int n) __attribute__((always_inline)) {
      const vf others = window_sum(terms + c, p.size, n) * load_some(x + c, n) * factor;
      store_some(dx + c, load_some(dy + c, n) * load_some(powers + c, n) - others, n);
    });
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
