// Functions of one number whose output does not tell their slope, with it: of(x) and slope(x).
// Where of() is one long chain, it is second(x, first(x)).
#pragma once

#include "kernels/vector_loop.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct Elu {
  static vf of(vf x, vf alpha, vf) {
    return select(x < 0.0f, expm1_nonpositive(min(broadcast(0.0f), x)) * alpha, x);
  }
  static vf slope(vf x, vf alpha, vf) {
    return select(x < 0.0f, alpha * exp_near_zero(min(broadcast(0.0f), x)), broadcast(1.0f));
  }
};
struct Selu {
  static vf of(vf x, vf, vf) {
    return select(x < 0.0f, expm1_nonpositive(min(broadcast(0.0f), x)) * kBelow, x * kScale);
  }
  static vf slope(vf x, vf, vf) {
    return select(x < 0.0f, exp_near_zero(min(broadcast(0.0f), x)) * kBelow, broadcast(kScale));
  }
  static constexpr float kScale = 1.0507009873554805f, kBelow = 1.7580993408473766f;
};
struct Softplus {
  static vf of(vf x, vf, vf) { return softplus(x); }
  static vf first(vf x) { return exp_near_zero(-abs(x)); }
  static vf second(vf x, vf z) { return max(broadcast(0.0f), x) + log1p_unit(z); }
  static vf slope(vf x, vf, vf) { return sigmoid(x); }
};
struct LogSigmoid {
  static vf of(vf x, vf, vf) { return -softplus(-x); }
  static vf first(vf x) { return Softplus::first(x); }
  static vf second(vf x, vf z) { return -Softplus::second(-x, z); }
  static vf slope(vf x, vf, vf) { return sigmoid(-x); }
};
struct Softsign {
  static vf of(vf x, vf, vf) { return divide_by_one_or_more(x, abs(x) + 1.0f); }
  static vf slope(vf x, vf, vf) {
    const vf inverse = divide_by_one_or_more(broadcast(1.0f), abs(x) + 1.0f);
    return inverse * inverse;
  }
};

// sigmoid(x) and, without a difference that cancels, sigmoid(-x).
struct Shares {
  vf above, below;
};
CNNFAST_INLINE Shares sigmoid_shares(vf x) {
  const vf z = exp_near_zero(-abs(x));
  const vf larger = divide_by_one_to_two(broadcast(1.0f), z + 1.0f), smaller = z * larger;
  const vi negative = x < 0.0f;
  return {select(negative, smaller, larger), select(negative, larger, smaller)};
}

struct Silu {
  static vf of(vf x, vf, vf) { return x * sigmoid(x); }
  static vf slope(vf x, vf, vf) {
    const Shares s = sigmoid_shares(x);
    return s.above * (x * s.below + 1.0f);
  }
};

// x sigmoid(u), which keeps its accuracy far below zero where 0.5 x (1 + tanh(u / 2)) does not.
struct GeluTanh {
  static constexpr float kCubic = 0.044715f, kTwice = 1.5957691216057308f;  // 2 sqrt(2 / pi)
  static vf of(vf x, vf, vf) { return second(x, first(x)); }
  static vf first(vf x) { return exp_near_zero(argument(-abs(x))); }
  static vf second(vf x, vf z) { return x * sigmoid_of(x, z); }
  static vf slope(vf x, vf, vf) {
    const vf near = max(broadcast(-20.0f), min(broadcast(20.0f), x));  // beyond it is 0 or 1
    const Shares s = sigmoid_shares(argument(near));
    const vf steepness = (near * near * (3 * kCubic) + 1.0f) * kTwice;
    return s.above * (near * s.below * steepness + 1.0f);
  }
  static vf argument(vf x) { return x * (x * x * (kCubic * kTwice) + kTwice); }
};

// Phi(-|x|) = e^(-x^2 / 2) g(|x|), g the scaled complementary error function: a polynomial in
// 1 / (1 + 0.304 |x|), relative error 1e-7 up to 14, where e^ is nothing in float32.
struct Gelu {
  // x where Phi is 1, and what is missing of it, or all there is, in the tail.
  static vf of(vf x, vf, vf) {
    const vf t = magnitude(x);
    return max(broadcast(0.0f), x) - t * tail(t, bell(t));
  }
  static vf slope(vf x, vf, vf) {
    const vf t = magnitude(x), e = bell(t), below = tail(t, e);
    return select(x < 0.0f, below, 1.0f - below) + x * e * 0.3989422804f;
  }
  static vf magnitude(vf x) { return min(broadcast(14.0f), abs(x)); }
  static vf bell(vf t) { return exp_near_zero(t * t * -0.5f); }
  static vf tail(vf t, vf bell) {
    const vf k = inverse(t * 0.304f + 1.0f);
    vf g = broadcast(0.036628345897260946f);
    g = g * k - 0.15436595276941378f;
    g = g * k + 0.19062403261380909f;
    g = g * k - 0.041726840219135634f;
    g = g * k + 0.1228296531424728f;
    g = g * k + 0.10263676559915054f;
    g = g * k + 0.12213716971343389f;
    g = g * k + 0.12123682674975154f;
    return g * (k * bell);
  }
};

// With e = e^x and n = e (e + 2): tanh(log(1 + e)) = n / (n + 2). Above 20 that is 1.
struct Mish {
  static vf of(vf x, vf, vf) {
    const vf n = numerator(power(x));
    return x * divide_by_one_or_more(n, n + 2.0f);
  }
  static vf slope(vf x, vf, vf) {
    const vf e = power(x), n = numerator(e);
    const vf inverse = divide_by_one_or_more(broadcast(1.0f), n + 2.0f);
    const vf bend = min(broadcast(20.0f), x) * (e * inverse) * ((e + 1.0f) * inverse);
    return n * inverse + bend * 4.0f;
  }
  static vf power(vf x) { return exp_near_zero(min(broadcast(20.0f), x)); }
  static vf numerator(vf e) { return e * (e + 2.0f); }
};

// In this order of min and max NaN stays.
struct Clip {
  static vf of(vf x, vf low, vf high) { return min(high, max(low, x)); }
  static vf slope(vf x, vf low, vf high) {
    return select((x > low) & (x < high), broadcast(1.0f), vf{});
  }
};
struct HardSigmoid {
  static vf of(vf x, vf, vf) {
    return min(broadcast(6.0f), max(broadcast(0.0f), x + 3.0f)) * (1.0f / 6.0f);
  }
  static vf slope(vf x, vf, vf) { return select(abs(x) < 3.0f, broadcast(1.0f / 6.0f), vf{}); }
};
struct HardSilu {
  static vf of(vf x, vf low, vf high) { return x * HardSigmoid::of(x, low, high); }
  static vf slope(vf x, vf, vf) {
    const vf inside = x * (1.0f / 3.0f) + 0.5f;
    return select(x <= -3.0f, vf{}, select(x >= 3.0f, broadcast(1.0f), inside));
  }
};

template <class F>
struct UnaryLoop {
  const float* x;
  float* y;
  vf a, b;
  template <int N>
  __attribute__((always_inline)) void whole(int64_t i) const {
    vf v[N];
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) v[j] = load(x + i + j * kLanes);
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) v[j] = F::of(v[j], a, b);
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) store(y + i + j * kLanes, v[j]);
  }
  __attribute__((always_inline)) void some(int64_t i, int n) const {
    store_first(y + i, F::of(load_first(x + i, n), a, b), n);
  }
};
template <class F>
void unary_kernel(const float* x, float* y, int64_t n, float alpha, float beta) {
  for_vectors_of(n, UnaryLoop<F>{x, y, broadcast(alpha), broadcast(beta)});
}

// z[i] = f(x[i], y[i]).
template <class F>
struct PairLoop {
  const float *x, *y;
  float* z;
  vf a, b;
  template <int N>
  __attribute__((always_inline)) void whole(int64_t i) const {
    vf v[N], w[N];
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) v[j] = load(x + i + j * kLanes);
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) w[j] = load(y + i + j * kLanes);
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) v[j] = F::of(v[j], w[j], a, b);
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) store(z + i + j * kLanes, v[j]);
  }
  __attribute__((always_inline)) void some(int64_t i, int n) const {
    store_first(z + i, F::of(load_first(x + i, n), load_first(y + i, n), a, b), n);
  }
};
// In two stages through L1, if vectors are short: of() of some thirty instructions that wait for
// each other fills all registers that a core renames to, 160 of 256 bits on a Zen 3, with so few
// vectors that it waits for its latency: softplus 13.9 cycles a vector there, 10.9 in stages.
template <class F>
struct FirstStage {
  static vf of(vf x, vf, vf) { return F::first(x); }
};
template <class F>
struct SecondStage {
  static vf of(vf x, vf z, vf, vf) { return F::second(x, z); }
};
template <class F>
void staged_kernel(const float* x, float* y, int64_t n, float alpha, float beta) {
  if constexpr (kLanes != 8) return unary_kernel<F>(x, y, n, alpha, beta);
  constexpr int64_t kStage = 512;
  alignas(64) float z[kStage];
  for (int64_t i = 0; i < n; i += kStage) {
    const int64_t count = n - i < kStage ? n - i : kStage;
    for_vectors_of(count, UnaryLoop<FirstStage<F>>{x + i, z, vf{}, vf{}});
    for_vectors_of(count, PairLoop<SecondStage<F>>{x + i, z, y + i, vf{}, vf{}});
  }
}

template <class F>
struct FromInput {
  static vf of(vf x, vf dy, vf a, vf b) { return dy * F::slope(x, a, b); }
};
template <class F>
void unary_backward_kernel(const float* x, const float* dy, float* dx, int64_t n, float alpha,
                           float beta) {
  for_vectors_of(n, PairLoop<FromInput<F>>{x, dy, dx, broadcast(alpha), broadcast(beta)});
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
