// Elementary functions on vf, written once for every ISA. Right at infinities, NaN, overflow and
// denormals (those flush to zero where the thread does). Largest errors found, in units in the
// last place against float64, over one in 1013 of all float32:
//   exp 0.9 (SSE2: 1.2)   log 0.8   tanh 2.5   expm1_nonpositive 1.0
//   exp_near_zero 1.5 above -10, 2.3 above -30, 4.5 above -87, and with it
//   sigmoid 2.7, 2.7, 4.7   softplus 2.2, 2.2, 4.7
//
// The polynomials are minimax fits (iteratively reweighted least squares in float64, rounded to
// float32) of the functions named beside them; the reductions are the classic ones of Cody and
// Waite, "Software Manual for the Elementary Functions", 1980.
#pragma once

#include "kernels/shuffle.h"
#include "kernels/vector.h"

#if !defined(__AVX2__) && defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE vi bits(vf x) { return reinterpret_cast<vi>(x); }
CNNFAST_INLINE vf from_bits(vi x) { return reinterpret_cast<vf>(x); }
CNNFAST_INLINE vf to_float(vi x) { return __builtin_convertvector(x, vf); }
CNNFAST_INLINE vf abs(vf x) { return from_bits(bits(x) & 0x7fffffff); }
constexpr int32_t kSignBit = static_cast<int32_t>(0x80000000);
// |magnitude| with the sign of `sign`; magnitude must be >= 0.
CNNFAST_INLINE vf with_sign(vf magnitude, vf sign) {
  return from_bits(bits(magnitude) | (bits(sign) & kSignBit));
}

CNNFAST_INLINE vf sqrt(vf x) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_maskz_sqrt_ps(0xffff, reinterpret_cast<__m512>(x)));
#elif defined(__AVX2__)
  return reinterpret_cast<vf>(_mm256_sqrt_ps(reinterpret_cast<__m256>(x)));
#elif defined(__SSE2__)
  return reinterpret_cast<vf>(_mm_sqrt_ps(reinterpret_cast<__m128>(x)));
#else
  for (int i = 0; i < kLanes; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// x = n ln2 + r, |r| <= ln2 / 2: what exp and expm1 share.
struct ExpReduction {
  vf n;         // integral
  vi n_biased;  // n in its low bits, for shifting into an exponent
  vf r;
  vf q;  // (e^r - 1 - r) / r^2, relative error of e^r - 1: 1.4e-8

  vf tail() const __attribute__((always_inline)) { return q * (r * r) + r; }  // e^r - 1
  vf power() const __attribute__((always_inline)) {                           // e^r
    return (q * r + 1.0f) * r + 1.0f;
  }
};

constexpr float kRoundsToIntegers =
    12582912.0f;                                // 1.5 * 2^23, added; the integer is in the low bits
constexpr int32_t kBitsOfRounded = 0x4b400000;  // of it: less them, the integer itself
constexpr float kExpTail[] = {0x1.6bec00p-10f, 0x1.12279cp-7f, 0x1.555674p-5f, 0x1.5554b0p-3f,
                              0x1.fffffep-2f};

// x must lie in [-104, 89] or be NaN.
CNNFAST_INLINE ExpReduction reduce_exp(vf x) {
  constexpr float kLn2High = 0.693359375f;    // 9 bits, so n * kLn2High is exact
  constexpr float kLn2Low = -2.12194440e-4f;  // ln2 - kLn2High
  ExpReduction e;
  const vf shifted = x * 1.44269504f + kRoundsToIntegers;
  e.n_biased = bits(shifted) - kBitsOfRounded;
  e.n = shifted - kRoundsToIntegers;
  e.r = (x - e.n * kLn2High) - e.n * kLn2Low;
  e.q = broadcast(kExpTail[0]);
  CNNFAST_UNROLL
  for (int i = 1; i < 5; ++i) e.q = e.q * e.r + kExpTail[i];
  return e;
}

// 2^n for -126 <= n <= 127.
CNNFAST_INLINE vf power_of_two(vi n) { return from_bits((n + 127) << 23); }

// e^r 2^n for -150 <= n <= 128.
CNNFAST_INLINE vf scaled_power(const ExpReduction& e) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_maskz_scalef_ps(0xffff, reinterpret_cast<__m512>(e.power()),
                                                     reinterpret_cast<__m512>(e.n)));
#else
  // In two factors: the first product is exact, the second rounds.
  const vi half = e.n_biased >> 1;
  return e.power() * power_of_two(half) * power_of_two(e.n_biased - half);
#endif
}

CNNFAST_INLINE vf exp(vf x) {
  // The constants come first: where x is NaN, max and min return their second operand.
  return scaled_power(reduce_exp(min(broadcast(89.0f), max(broadcast(-104.0f), x))));
}

#if defined(__AVX2__)
// The powers 2^(j / kLanes), less what j adds to them when a number of so many parts is shifted
// into the exponent. One permutation finds them, and what is left to a polynomial is short.
constexpr int kPartBits = kLanes == 16 ? 4 : 3;
constexpr float kRoundsToParts = kRoundsToIntegers / kLanes;
// (e^r - 1 - r - r^3 / 6) / r^2 for |r| <= ln2 / (2 kLanes), relative error of e^r: 1.6e-9, 2.5e-8.
#if defined(__AVX512F__)
constexpr vi kPowers = {0x3f800000, 0x3f7daac3, 0x3f7b95c2, 0x3f79c3d3, 0x3f7837f0, 0x3f76f532,
                        0x3f75fed7, 0x3f75583f, 0x3f7504f3, 0x3f7508a4, 0x3f75672a, 0x3f76248c,
                        0x3f7744fd, 0x3f78ccdf, 0x3f7ac0c7, 0x3f7d257d};
constexpr float kSquareTerm = 0x1.000220p-1f;
#else
constexpr vi kPowers = {0x3f800000, 0x3f7b95c2, 0x3f7837f0, 0x3f75fed7,
                        0x3f7504f3, 0x3f75672a, 0x3f7744fd, 0x3f7ac0c7};
constexpr float kSquareTerm = 0x1.00087ep-1f;
#endif
#endif

// e^x for x <= 88, the less exact the further from zero, as for sums in which the largest term
// is 1. 0 for what lies below e^-87 (the least normal number is e^-87.3).
CNNFAST_INLINE vf exp_near_zero(vf x) {
  constexpr float kLeast = -87.0f;
#if defined(__AVX2__)
  const vf shifted = x * 1.44269504f + kRoundsToParts;
  // Unsigned: below kLeast the sum leaves int32.
  typedef uint32_t vu __attribute__((vector_size(sizeof(vf))));
  const vu root = reinterpret_cast<vu>(permute(from_bits(kPowers), bits(shifted)));
  const vf power = reinterpret_cast<vf>(root + (reinterpret_cast<vu>(shifted) << (23 - kPartBits)));
  // Without a second part of ln2, which float32 has to 1.9e-9.
  const vf r = x - (shifted - kRoundsToParts) * 0.693147182f;
  const vf q = (r * 0x1.555556p-3f + kSquareTerm) * r + 1.0f;  // (e^r - 1) / r
  const vf e = power * (r * q) + power;
  return x < kLeast ? vf{} : e;
#else
  const ExpReduction e = reduce_exp(max(broadcast(kLeast), x));
  return select(x < kLeast, vf{}, from_bits(bits(e.power()) + (e.n_biased << 23)));
#endif
}

// e^x - 1 for x <= 0, relative accuracy kept down to the smallest |x|.
CNNFAST_INLINE vf expm1_nonpositive(vf x) {
  // Below -18 the result rounds to -1 anyhow.
  const ExpReduction e = reduce_exp(max(broadcast(-18.0f), x));
  const vf scale = power_of_two(e.n_biased);
  // The sign bit makes -0 of the 0 that x = -0 gives.
  return from_bits(bits(e.tail() * scale + (scale - 1.0f)) | kSignBit);
}

CNNFAST_INLINE vf log(vf x) {
  const vi u = bits(x);
  // Denormals (and what is not positive, replaced below) go through an exact integer conversion,
  // which works with denormals flushed to zero as well.
  const vi tiny = u < 0x00800000;
  vi v = (tiny & bits(to_float(u))) | (~tiny & u);
  constexpr int32_t kSqrtHalf = 0x3f3504f3;
  const vi exponent = (v - kSqrtHalf) >> 23;
  v -= exponent << 23;
  const vf e = to_float(exponent - (tiny & 149));
  const vf f = from_bits(v) - 1.0f;  // in [sqrt(1/2) - 1, sqrt(2) - 1], exact
  // (log(1 + f) - f + f^2 / 2) / f^3 there, relative error of log(1 + f): 6e-9.
  vf p = broadcast(-0x1.38b45ep-4f);
  p = p * f + 0x1.056f9cp-3f;
  p = p * f - 0x1.0d8ecep-3f;
  p = p * f + 0x1.22d812p-3f;
  p = p * f - 0x1.547126p-3f;
  p = p * f + 0x1.99a014p-3f;
  p = p * f - 0x1.00022ap-2f;
  p = p * f + 0x1.555554p-2f;
  const vf square = f * f;
  vf y = p * (f * square) + e * -2.12194440e-4f;
  y = (y - square * 0.5f) + f;
  y = y + e * 0.693359375f;
  y = select(u > 0x7f7fffff, x, y);                     // inf, NaN
  y = select(u < 0, broadcast(__builtin_nanf("")), y);  // negative
  return select((u << 1) == 0, broadcast(-__builtin_inff()), y);
}

// log(1 + z) for 0 <= z <= 1 (or NaN): a polynomial times z, relative error 4.7e-9.
CNNFAST_INLINE vf log1p_unit(vf z) {
  vf p = broadcast(-0x1.a92caep-9f);
  p = p * z + 0x1.453a5ep-6f;
  p = p * z - 0x1.d2976ap-5f;
  p = p * z + 0x1.b25012p-4f;
  p = p * z - 0x1.397432p-3f;
  p = p * z + 0x1.92f614p-3f;
  p = p * z - 0x1.ff0f68p-3f;
  p = p * z + 0x1.554c7ep-2f;
  p = p * z - 0x1.ffffbep-2f;
  p = p * z + 1.0f;
  return p * z;
}

#if defined(__AVX2__)
// About 1 / x: to 14 bits, of 256-bit vectors to 12.
CNNFAST_INLINE vf estimated_inverse(vf x) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_maskz_rcp14_ps(0xffff, reinterpret_cast<__m512>(x)));
#else
  return reinterpret_cast<vf>(_mm256_rcp_ps(reinterpret_cast<__m256>(x)));
#endif
}
// a / b: the remainder of an estimate brings it twice as many bits.
CNNFAST_INLINE vf estimated_quotient(vf a, vf b) {
  const vf inverse = estimated_inverse(b), quotient = a * inverse;
  return quotient + inverse * (a - quotient * b);
}
#endif

// 1 / b of ordinary numbers b.
CNNFAST_INLINE vf inverse(vf b) {
#if defined(__AVX512F__)
  const vf about = estimated_inverse(b);
  return about + about * (1.0f - about * b);
#else
  return 1.0f / b;
#endif
}

// a / b for 1 <= b <= 2. A division of 512 bits takes 10 to 16 cycles, in which no other one
// starts.
CNNFAST_INLINE vf divide_by_one_to_two(vf a, vf b) {
#if defined(__AVX512F__)
  return estimated_quotient(a, b);
#else
  return a / b;
#endif
}

// The same for b >= 1; 0 where b is infinite.
CNNFAST_INLINE vf divide_by_one_or_more(vf a, vf b) {
#if defined(__AVX512F__)
  return estimated_quotient(a, min(broadcast(0x1.fffffep127f), b));
#else
  return a / b;
#endif
}

// a / b for b > 0, within two units in the last place: what an optimizer divides by is a square
// root, and the two would wait for one unit. 0 where b is infinite.
CNNFAST_INLINE vf divide_by_positive(vf a, vf b) {
#if defined(__AVX2__)
  return estimated_quotient(a, min(broadcast(0x1.fffffep127f), b));
#else
  return a / b;
#endif
}

// u / (2 - u) with u = 1 - e^-2|x|: one polynomial and one division for every x. Above 9 e^ is
// nothing beside 1. |x| = r - n ln2 / 2, where n ln2 need not be exact: its error counts e^-2|x|
// times.
CNNFAST_INLINE vf tanh(vf x) {
  const vf magnitude = min(broadcast(9.0f), abs(x));
  const vf shifted = magnitude * -2.88539008f + kRoundsToIntegers;
  const vf r = magnitude + (shifted - kRoundsToIntegers) * 0.346573590f;
  const vf scale = power_of_two(bits(shifted) - kBitsOfRounded);
  // (e^-2r - 1) / r + 2 over r: what reduce_exp has for -2r.
  vf q = broadcast(64 * kExpTail[0]);
  q = q * r - 32 * kExpTail[1];
  q = q * r + 16 * kExpTail[2];
  q = q * r - 8 * kExpTail[3];
  q = q * r + 4 * kExpTail[4];
  const vf u = (1.0f - scale) - (q * r - 2.0f) * (r * scale);
  return with_sign(divide_by_one_to_two(u, 2.0f - u), x);
}

// z = e^-|x| never overflows: 1 / (1 + z) for x >= 0, z / (1 + z) below.
CNNFAST_INLINE vf sigmoid_of(vf x, vf z) {
  return divide_by_one_to_two(select(x < 0.0f, z, broadcast(1.0f)), z + 1.0f);
}
CNNFAST_INLINE vf sigmoid(vf x) { return sigmoid_of(x, exp_near_zero(-abs(x))); }

// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)
CNNFAST_INLINE vf softplus(vf x) {
  return max(broadcast(0.0f), x) + log1p_unit(exp_near_zero(-abs(x)));
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
