// Transposes and sums across lanes, by exchanging blocks of lanes between pairs of vectors, and
// permutations.
#pragma once

#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Lanes of a pair (a, b) exchanged in blocks of S: low keeps a's blocks with an even number and
// takes b's even ones behind them, high does the same with the odd ones.
//   a = a0 a1 a2 a3, b = b0 b1 b2 b3, S = 1:  low = a0 b0 a2 b2, high = a1 b1 a3 b3
template <int S, int... L>
CNNFAST_INLINE vf exchange_low(vf a, vf b, LaneList<L...>) {
  return CNNFAST_SHUFFLE(a, b, ((L & S) == 0 ? L : kLanes + L - S)...);
}
template <int S, int... L>
CNNFAST_INLINE vf exchange_high(vf a, vf b, LaneList<L...>) {
  return CNNFAST_SHUFFLE(a, b, ((L & S) == 0 ? L + S : kLanes + L)...);
}

template <int S>
CNNFAST_INLINE void transpose_stage(vf* rows) {
  CNNFAST_UNROLL
  for (int i = 0; i < kLanes; ++i) {
    if (i & S) continue;
    const vf a = rows[i], b = rows[i + S];
    rows[i] = exchange_low<S>(a, b, AllLanes{});
    rows[i + S] = exchange_high<S>(a, b, AllLanes{});
  }
}

// rows[i] lane j <-> rows[j] lane i, kLanes vectors: log2(kLanes) rounds in registers
// (Eklundh 1972).
CNNFAST_INLINE void transpose(vf* rows) {
  transpose_stage<1>(rows);
  transpose_stage<2>(rows);
  if constexpr (kLanes > 4) transpose_stage<4>(rows);
  if constexpr (kLanes > 8) transpose_stage<8>(rows);
}

template <int R, int S>
CNNFAST_INLINE vf sum_each_from(vf* v) {
  if constexpr (S >= kLanes) {
    return v[0];
  } else if constexpr (S < R) {
    CNNFAST_UNROLL
    for (int i = 0; i < R; i += 2 * S)
      v[i] = exchange_low<S>(v[i], v[i + S], AllLanes{}) +
             exchange_high<S>(v[i], v[i + S], AllLanes{});
    return sum_each_from<R, 2 * S>(v);
  } else {
    v[0] = exchange_low<S>(v[0], v[0], AllLanes{}) + exchange_high<S>(v[0], v[0], AllLanes{});
    return sum_each_from<R, 2 * S>(v);
  }
}

// Lane r (of the first R) is the sum of the lanes of v[r]; R a power of two, at most kLanes.
// Overwrites v.
template <int R>
CNNFAST_INLINE vf sum_each(vf* v) {
  return sum_each_from<R, 1>(v);
}

// Lane l is element index[l] of a.
CNNFAST_INLINE vf permute(vf a, vi index) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_maskz_permutexvar_ps(0xffff, reinterpret_cast<__m512i>(index),
                                                          reinterpret_cast<__m512>(a)));
#elif defined(__AVX2__)
  return reinterpret_cast<vf>(
      _mm256_permutevar8x32_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256i>(index)));
#else
  vf r = {};
  for (int l = 0; l < kLanes; ++l) r[l] = a[index[l]];
  return r;
#endif
}

// Lane l is element index[l] of the 2 * kLanes floats a, b.
CNNFAST_INLINE vf permute(vf a, vf b, vi index) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_permutex2var_ps(
      reinterpret_cast<__m512>(a), reinterpret_cast<__m512i>(index), reinterpret_cast<__m512>(b)));
#elif defined(__AVX2__)
  return index >= kLanes ? permute(b, index) : permute(a, index);
#else
  vf r = {};
  for (int l = 0; l < kLanes; ++l) r[l] = index[l] < kLanes ? a[index[l]] : b[index[l] - kLanes];
  return r;
#endif
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
