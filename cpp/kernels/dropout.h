// Dropout with its mask made on the way: Philox4x32-10 (base/philox.h has it in scalar form and
// names the paper) for kElements at a time. reference/dropout.h says which words they get.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Each 64-bit lane works on one block of four words; what stands in the upper half of a lane is
// ignored by the multiplication, so it is never cleared: 2 multiplications, 2 shifts and 2
// three-way xors a round. A round waits some 7 cycles for the one before, so that kChains of them
// go side by side. Nanoseconds for 16 words at AVX-512, 1, 2, 4 chains: 9.9, 7.5, 6.5.
constexpr int kChains = kRegisters == 32 ? 4 : 2;
constexpr int kBlocks = kLanes / 2;    // of a chain
constexpr int kVectors = 2 * kChains;  // of words a call
constexpr int kElements = 2 * kVectors * kLanes;
typedef uint64_t vu __attribute__((vector_size(4 * kLanes)));

CNNFAST_INLINE vu multiply_low_halves(vu a, uint32_t b) {
  const vu factor = vu{} + b;
#if defined(__AVX512F__)
  return reinterpret_cast<vu>(_mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a),
                                                     reinterpret_cast<__m512i>(factor)));
#elif defined(__AVX2__)
  return reinterpret_cast<vu>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(factor)));
#elif defined(__SSE2__)
  return reinterpret_cast<vu>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(factor)));
#else
  return (a & 0xffffffffu) * factor;
#endif
}

// The words of blocks from `block` on, in order; `completing`: a bit of the counters' second words.
CNNFAST_INLINE void philox_words(int64_t block, uint32_t completing, const DropoutKey& key,
                                 vi (&words)[kVectors]) {
  // Lane 2j has block j, lane 2j + 1 block j + kBlocks / 2: interleaving pairs of words within 128
  // bits then leaves the elements in order.
  vu order;
  CNNFAST_UNROLL
  for (int i = 0; i < kBlocks; ++i) order[i] = static_cast<uint64_t>(i / 2 + i % 2 * (kBlocks / 2));
  vu c0[kChains], c1[kChains], c2[kChains], c3[kChains];
  CNNFAST_UNROLL
  for (int c = 0; c < kChains; ++c) {
    c0[c] = order + static_cast<uint64_t>(block + c * kBlocks);
    c1[c] = (c0[c] >> 32) | completing;
    c2[c] = vu{} + key.stream;
    c3[c] = vu{} + key.seed_high;
  }
  uint32_t k0 = key.seed_low, k1 = key.step;
  CNNFAST_UNROLL
  for (int round = 0; round < 10; ++round) {
    CNNFAST_UNROLL
    for (int c = 0; c < kChains; ++c) {
      const vu p0 = multiply_low_halves(c0[c], 0xD2511F53u);
      const vu p1 = multiply_low_halves(c2[c], 0xCD9E8D57u);
      c0[c] = (p1 >> 32) ^ c1[c] ^ (vu{} + k0);
      c2[c] = (p0 >> 32) ^ c3[c] ^ (vu{} + k1);
      c1[c] = p1;
      c3[c] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  CNNFAST_UNROLL
  for (int c = 0; c < kChains; ++c) {
    const vu low = (c0[c] & 0xffffffffu) | (c1[c] << 32);
    const vu high = (c2[c] & 0xffffffffu) | (c3[c] << 32);
#if defined(__AVX512F__)
    const vu first = CNNFAST_SHUFFLE(low, high, 0, 8, 2, 10, 4, 12, 6, 14);
    const vu second = CNNFAST_SHUFFLE(low, high, 1, 9, 3, 11, 5, 13, 7, 15);
#elif defined(__AVX2__)
    const vu first = CNNFAST_SHUFFLE(low, high, 0, 4, 2, 6);
    const vu second = CNNFAST_SHUFFLE(low, high, 1, 5, 3, 7);
#else
    const vu first = CNNFAST_SHUFFLE(low, high, 0, 2);
    const vu second = CNNFAST_SHUFFLE(low, high, 1, 3);
#endif
    words[2 * c] = reinterpret_cast<vi>(first);
    words[2 * c + 1] = reinterpret_cast<vi>(second);
  }
}

// 0 or scale for each of kElements, whose numbers begin with the halves of `words`. kComplete: and
// end with those of `rest`.
template <bool kComplete>
CNNFAST_INLINE void factors_of(const vi (&words)[kVectors], const vi (&rest)[kVectors],
                               uint32_t threshold, vf scale, vf (&factors)[2 * kVectors]) {
  typedef uint32_t vw __attribute__((vector_size(4 * kLanes)));
  constexpr int kGroup = 16 / kLanes;  // vectors of 16 words
  const vi limit = broadcast(static_cast<int32_t>(threshold ^ 0x80000000u));
  CNNFAST_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    vi first = words[v] << 16, second = words[v];
    if constexpr (kComplete) {
      first |= rest[v] & 0xffff;
      second = (second & ~0xffff) | reinterpret_cast<vi>(reinterpret_cast<vw>(rest[v]) >> 16);
    }
    // Unsigned comparison: both with the top bit turned.
    const int at = v / kGroup * 2 * kGroup + v % kGroup;
    factors[at] = select((first ^ kSignBit) >= limit, scale, vf{});
    factors[at + kGroup] = select((second ^ kSignBit) >= limit, scale, vf{});
  }
}

void complete_factors(int64_t block, const DropoutKey& key, const vi (&words)[kVectors],
                      uint32_t threshold, vf scale, vf (&factors)[2 * kVectors]) {
  vi rest[kVectors];
  philox_words(block, kDropoutCompleting, key, rest);
  factors_of<true>(words, rest, threshold, scale, factors);
}

// kTies: the threshold's lower half is not 0, so that upper halves equal to its own decide nothing.
template <bool kTies>
CNNFAST_INLINE void dropout_factors(int64_t block, const DropoutKey& key, uint32_t threshold,
                                    vf scale, vf (&factors)[2 * kVectors]) {
  vi words[kVectors];
  philox_words(block, 0, key, words);
  if constexpr (kTies) {
    const vi half = broadcast(static_cast<int32_t>(threshold));
    vi ties = {};
    CNNFAST_UNROLL
    for (int v = 0; v < kVectors; ++v)
      ties |= ((((words[v] << 16) ^ half) & ~0xffff) == 0) | (((words[v] ^ half) & ~0xffff) == 0);
    if (__builtin_expect(nonzero_lanes(from_bits(ties)) != 0, 0))
      return complete_factors(block, key, words, threshold, scale, factors);
  }
  factors_of<false>(words, words, threshold, scale, factors);
}

// x * factor where kept; a dropped infinity is 0, not NaN.
CNNFAST_INLINE vf apply_factor(vf x, vf factor) { return select(factor != 0.0f, x * factor, vf{}); }

// The elements [first, last) of the group that starts at element `group`, through a buffer.
template <bool kTies>
void dropout_part(const float* x, float* y, int64_t group, int first, int last,
                  const DropoutKey& key, uint32_t threshold, vf scale) {
  vf factors[2 * kVectors];
  dropout_factors<kTies>(group / 8, key, threshold, scale, factors);
  float factor[kElements];
  for (int v = 0; v < 2 * kVectors; ++v) store(factor + v * kLanes, factors[v]);
  for (int i = first; i < last; ++i)
    y[i - first] = factor[i] != 0.0f ? x[i - first] * factor[i] : 0.0f;
}

template <bool kTies>
void dropout_as(const float* x, float* y, int64_t begin, int64_t end, const DropoutKey& key,
                uint32_t threshold, float scale) {
  const vf factor = broadcast(scale);
  int64_t i = begin;
  if (i % kElements != 0 && i < end) {
    const int64_t group = i - i % kElements;
    const int64_t stop = group + kElements < end ? group + kElements : end;
    dropout_part<kTies>(x, y, group, static_cast<int>(i - group), static_cast<int>(stop - group),
                        key, threshold, factor);
    i = stop;
  }
  for (; i + kElements <= end; i += kElements) {
    vf factors[2 * kVectors];
    dropout_factors<kTies>(i / 8, key, threshold, factor, factors);
    const float* from = x + (i - begin);
    float* to = y + (i - begin);
    CNNFAST_UNROLL
    for (int v = 0; v < 2 * kVectors; ++v)
      store(to + v * kLanes, apply_factor(load(from + v * kLanes), factors[v]));
  }
  if (i < end)
    dropout_part<kTies>(x + (i - begin), y + (i - begin), i, 0, static_cast<int>(end - i), key,
                        threshold, factor);
}

void dropout_kernel(const float* x, float* y, int64_t begin, int64_t end, DropoutKey key,
                    uint32_t threshold, float scale) {
  (threshold % 65536 == 0 ? dropout_as<false> : dropout_as<true>)(x, y, begin, end, key, threshold,
                                                                  scale);
}

void fill_dropout(ElementwiseKernels& table) { table.dropout = dropout_kernel; }

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
