// The small vector type that kernels are written over. Included only by files in isa/, which set
// CNNFAST_ISA (a namespace name) and compile with that ISA's flags. Everything is in an anonymous
// namespace and always inlined: nothing of an ISA leaves its translation unit.
//
//   vf / vi       kLanes floats / int32s (GCC and Clang vector extension: + - * / < & work)
//   load, store   unaligned; load_first / store_first touch only the first n lanes' memory
#ifndef CNNFAST_ISA
#error "kernels/vector.h is included by isa/*.cpp only, after CNNFAST_ISA is defined"
#endif
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#define CNNFAST_INLINE static inline __attribute__((always_inline, unused))
// In front of a loop of constant length over registers.
#if defined(__clang__)
#define CNNFAST_UNROLL _Pragma("unroll")
#else
#define CNNFAST_UNROLL _Pragma("GCC unroll 32")
#endif
// In front of a loop of any length: two turns in one, where vectors are short and instructions
// many.
#if defined(__AVX512F__)
#define CNNFAST_UNROLL_TWICE
#elif defined(__clang__)
#define CNNFAST_UNROLL_TWICE _Pragma("clang loop unroll_count(2)")
#else
#define CNNFAST_UNROLL_TWICE _Pragma("GCC unroll 2")
#endif

// Lanes of a and b by constant numbers, b's after a's. GCC 11 has an older builtin only.
#if defined(__clang__) || __GNUC__ >= 12
#define CNNFAST_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define CNNFAST_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, decltype((a) == (b)){__VA_ARGS__})
#endif

namespace cnnfast::CNNFAST_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
constexpr int kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
constexpr int kRegisters = 16;
#else
constexpr int kLanes = 4;
constexpr int kRegisters = 16;
#endif

typedef float vf __attribute__((vector_size(4 * kLanes)));
typedef int32_t vi __attribute__((vector_size(4 * kLanes)));
typedef float vf_unaligned __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
typedef int32_t vi_unaligned __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

CNNFAST_INLINE vf load(const float* p) { return *reinterpret_cast<const vf_unaligned*>(p); }
CNNFAST_INLINE vi load(const int32_t* p) { return *reinterpret_cast<const vi_unaligned*>(p); }
CNNFAST_INLINE void store(float* p, vf v) { *reinterpret_cast<vf_unaligned*>(p) = v; }
CNNFAST_INLINE void store(int32_t* p, vi v) { *reinterpret_cast<vi_unaligned*>(p) = v; }
// Past the caches, for results too large for them: p is aligned to a vector. Other threads see the
// values after fence_streams().
CNNFAST_INLINE void stream(float* p, vf v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, reinterpret_cast<__m512>(v));
#elif defined(__AVX2__)
  _mm256_stream_ps(p, reinterpret_cast<__m256>(v));
#else
  store(p, v);
#endif
}
CNNFAST_INLINE void fence_streams() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}
// Floats before the next vector's boundary, if they are the same in all rows, `row` floats apart: a
// load that touches two lines takes twice as long, and waits for both.
CNNFAST_INLINE int64_t unaligned_floats(const float* p, int64_t row) {
  if (row % kLanes != 0) return 0;
  return -static_cast<int64_t>(reinterpret_cast<uintptr_t>(p) / sizeof(float)) & (kLanes - 1);
}
// x - 0, not 0 + x: only the former is x itself (-0 too), so only it folds to one instruction.
CNNFAST_INLINE vf broadcast(float x) { return x - vf{}; }
CNNFAST_INLINE vi broadcast(int32_t x) { return vi{} + x; }

// First n lanes from memory (0 <= n <= kLanes), zeros behind; reads nothing past p + n.
CNNFAST_INLINE vf load_first(const float* p, int n) {
#if defined(__AVX512F__)
  const __mmask16 mask = static_cast<__mmask16>((1u << n) - 1u);
  return reinterpret_cast<vf>(_mm512_maskz_loadu_ps(mask, p));
#elif defined(__AVX2__)
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
  return reinterpret_cast<vf>(_mm256_maskload_ps(p, mask));
#else
  vf v = {};
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
#endif
}
CNNFAST_INLINE void store_first(float* p, vf v, int n) {
#if defined(__AVX512F__)
  const __mmask16 mask = static_cast<__mmask16>((1u << n) - 1u);
  _mm512_mask_storeu_ps(p, mask, reinterpret_cast<__m512>(v));
#elif defined(__AVX2__)
  // In halves: a masked store of 256 bits is microcoded on Zen (42 operations).
  const __m256 whole = reinterpret_cast<__m256>(v);
  if (n == kLanes) {
    _mm256_storeu_ps(p, whole);
    return;
  }
  __m128 rest = _mm256_castps256_ps128(whole);
  if (n & 4) {
    _mm_storeu_ps(p, rest);
    rest = _mm256_extractf128_ps(whole, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), rest);
    rest = _mm_movehl_ps(rest, rest);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, rest);
#else
  for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}

CNNFAST_INLINE vf select(vi mask, vf yes, vf no) {
  return reinterpret_cast<vf>((mask & reinterpret_cast<vi>(yes)) |
                              (~mask & reinterpret_cast<vi>(no)));
}
// The maskz forms, since GCC 12 warns of an uninitialized operand in the plain ones; the full mask
// costs nothing. max(a, b): b where a is NaN (as x86 maxps has it).
CNNFAST_INLINE vf max(vf a, vf b) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(
      _mm512_maskz_max_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<vf>(
      _mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
#else
  return select(a > b, a, b);
#endif
}
CNNFAST_INLINE vf min(vf a, vf b) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(
      _mm512_maskz_min_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<vf>(
      _mm256_min_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
#else
  return select(a < b, a, b);
#endif
}
// Bit i: lane i is not zero (NaN is not).
CNNFAST_INLINE uint32_t nonzero_lanes(vf v) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(v), _mm512_setzero_ps(), _CMP_NEQ_UQ);
#elif defined(__AVX2__)
  const __m256 differs =
      _mm256_cmp_ps(reinterpret_cast<__m256>(v), _mm256_setzero_ps(), _CMP_NEQ_UQ);
  return static_cast<uint32_t>(_mm256_movemask_ps(differs));
#else
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(v[i] != 0.0f) << i;
  return bits;
#endif
}
template <int... L>
struct LaneList {};
#if defined(__AVX512F__)
using AllLanes = LaneList<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#elif defined(__AVX2__)
using AllLanes = LaneList<0, 1, 2, 3, 4, 5, 6, 7>;
#else
using AllLanes = LaneList<0, 1, 2, 3>;
#endif

// Of the lanes by halves: lane l with lane l + kLanes / 2, and so on.
template <int S, int... L>
CNNFAST_INLINE vf exchange_halves(vf v, LaneList<L...>) {
  return CNNFAST_SHUFFLE(v, v, (L ^ S)...);
}
template <int S = kLanes / 2, class F>
CNNFAST_INLINE float fold_lanes(vf v, F f) {
  if constexpr (S == 0)
    return v[0];
  else
    return fold_lanes<S / 2>(f(v, exchange_halves<S>(v, AllLanes{})), f);
}
// In a fixed order.
CNNFAST_INLINE float sum(vf v) {
  return fold_lanes(v, [](vf a, vf b) __attribute__((always_inline)) { return a + b; });
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
