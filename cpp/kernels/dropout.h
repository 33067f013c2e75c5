// Dropout with its mask made on the way: Philox4x32-10 (base/philox.h has it in scalar form and
// names the paper) for kWords elements at a time.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Each 64-bit lane works on one block of four words; what stands in the upper half of a lane is
// ignored by the multiplication, so it is never cleared: 2 multiplications, 2 shifts and 2
// three-way xors a round. A round waits some 7 cycles for the one before, so that kChains of them
// go side by side. Nanoseconds for 16 elements at AVX-512, 1, 2, 4 chains: 9.9, 7.5, 6.5.
constexpr int kChains = kRegisters == 32 ? 4 : 2;
constexpr int kBlocks = kLanes / 2;    // of a chain
constexpr int kVectors = 2 * kChains;  // of elements a call
constexpr int kWords = kVectors * kLanes;
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

// words: those of elements 4 * block .. 4 * block + kWords, in order.
CNNFAST_INLINE void philox_words(int64_t block, const DropoutKey& key, vi (&words)[kVectors]) {
  // Lane 2j has block j, lane 2j + 1 block j + kBlocks / 2: interleaving pairs of words within 128
  // bits then leaves the elements in order.
  vu order;
  CNNFAST_UNROLL
  for (int i = 0; i < kBlocks; ++i) order[i] = static_cast<uint64_t>(i / 2 + i % 2 * (kBlocks / 2));
  vu c0[kChains], c1[kChains], c2[kChains], c3[kChains];
  CNNFAST_UNROLL
  for (int c = 0; c < kChains; ++c) {
    c0[c] = order + static_cast<uint64_t>(block + c * kBlocks);
    c1[c] = c0[c] >> 32;
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

// 0 or scale for each of the kWords elements from 4 * block on.
CNNFAST_INLINE void dropout_factors(int64_t block, const DropoutKey& key, vi threshold, vf scale,
                                    vf (&factors)[kVectors]) {
  vi words[kVectors];
  philox_words(block, key, words);
  CNNFAST_UNROLL
  for (int v = 0; v < kVectors; ++v)  // unsigned comparison: both with the top bit turned
    factors[v] = select((words[v] ^ kSignBit) >= threshold, scale, vf{});
}

// x * factor where kept; a dropped infinity is 0, not NaN.
CNNFAST_INLINE vf apply_factor(vf x, vf factor) { return select(factor != 0.0f, x * factor, vf{}); }

// The elements [first, last) of the group that starts at element `group`, through a buffer.
void dropout_part(const float* x, float* y, int64_t group, int first, int last,
                  const DropoutKey& key, vi threshold, vf scale) {
  vf factors[kVectors];
  dropout_factors(group / 4, key, threshold, scale, factors);
  float factor[kWords];
  for (int v = 0; v < kVectors; ++v) store(factor + v * kLanes, factors[v]);
  for (int i = first; i < last; ++i)
    y[i - first] = factor[i] != 0.0f ? x[i - first] * factor[i] : 0.0f;
}

void dropout_kernel(const float* x, float* y, int64_t begin, int64_t end, DropoutKey key,
                    uint32_t threshold, float scale) {
  const vi limit = broadcast(static_cast<int32_t>(threshold)) ^ kSignBit;
  const vf factor = broadcast(scale);
  int64_t i = begin;
  if (i % kWords != 0 && i < end) {
    const int64_t group = i - i % kWords;
    const int64_t stop = group + kWords < end ? group + kWords : end;
    dropout_part(x, y, group, static_cast<int>(i - group), static_cast<int>(stop - group), key,
                 limit, factor);
    i = stop;
  }
  for (; i + kWords <= end; i += kWords) {
    vf factors[kVectors];
    dropout_factors(i / 4, key, limit, factor, factors);
    const float* from = x + (i - begin);
    float* to = y + (i - begin);
    CNNFAST_UNROLL
    for (int v = 0; v < kVectors; ++v)
      store(to + v * kLanes, apply_factor(load(from + v * kLanes), factors[v]));
  }
  if (i < end)
    dropout_part(x + (i - begin), y + (i - begin), i, 0, static_cast<int>(end - i), key, limit,
                 factor);
}

void fill_dropout(ElementwiseKernels& table) { table.dropout = dropout_kernel; }

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
