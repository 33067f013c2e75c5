// What pooling forward and backward share: places in a window as vectors, permutations, and how a
// few pixels of a few channels fill one vector.
#pragma once

#include "kernels/pool_table.h"
#include "kernels/shuffle.h"
#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
CNNFAST_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// ---- places in memory: uint8 or int32, int32 lanes in registers ------------------------------

CNNFAST_INLINE void store_places(uint8_t* p, vi places, int n) {
#if defined(__AVX512F__)
  // Narrowed in a register: the instruction that narrows into memory is microcoded on Zen 4 and
  // took half the time of a 2 x 2 window.
  const __m128i narrow = _mm512_maskz_cvtepi32_epi8(0xffff, reinterpret_cast<__m512i>(places));
  if (n == kLanes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow);
  } else {
    _mm_mask_storeu_epi8(p, static_cast<__mmask16>((1u << n) - 1u), narrow);
  }
#elif defined(__AVX2__)
  const __m256i wide = reinterpret_cast<__m256i>(places);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  const uint64_t narrow = static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_packus_epi16(words, words)));
  if (n == kLanes) {
    memcpy(p, &narrow, kLanes);
  } else {
    for (int i = 0; i < n; ++i) p[i] = static_cast<uint8_t>(narrow >> (8 * i));
  }
#else
  typedef uint8_t bytes __attribute__((vector_size(kLanes)));
  const bytes narrow = __builtin_convertvector(places, bytes);
  if (n == kLanes) {
    memcpy(p, &narrow, kLanes);
  } else {
    for (int i = 0; i < n; ++i) p[i] = narrow[i];
  }
#endif
}
CNNFAST_INLINE void store_places(int32_t* p, vi places, int n) {
  store_first(reinterpret_cast<float*>(p), reinterpret_cast<vf>(places), n);
}
CNNFAST_INLINE vi load_places(const uint8_t* p, int n) {
#if defined(__AVX512F__)
  const __mmask16 mask = static_cast<__mmask16>((1u << n) - 1u);
  return reinterpret_cast<vi>(_mm512_maskz_cvtepu8_epi32(0xffff, _mm_maskz_loadu_epi8(mask, p)));
#elif defined(__AVX2__)
  uint64_t narrow = 0;
  if (n == kLanes) {
    memcpy(&narrow, p, kLanes);
  } else {
    for (int i = 0; i < n; ++i) narrow |= static_cast<uint64_t>(p[i]) << (8 * i);
  }
  return reinterpret_cast<vi>(
      _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(narrow))));
#else
  typedef uint8_t bytes __attribute__((vector_size(kLanes)));
  bytes narrow = {};
  if (n == kLanes) {
    memcpy(&narrow, p, kLanes);
  } else {
    for (int i = 0; i < n; ++i) narrow[i] = p[i];
  }
  return __builtin_convertvector(narrow, vi);
#endif
}
CNNFAST_INLINE vi load_places(const int32_t* p, int n) {
  return reinterpret_cast<vi>(load_first(reinterpret_cast<const float*>(p), n));
}

// ---- a few pixels of a few channels in one vector --------------------------------------------

// `pixels` neighbours of `channels` each fill the first lanes of a vector; in the input they stand
// `stride` pixels apart.
struct Folding {
  int pixels = 1;
  int channels = 0, stride = 1;
  vi gather = {};           // lane -> float of the input, from the first pixel's first channel
  vi spread[2] = {{}, {}};  // float of the input (two vectors) -> lane
  vi tap[2] = {{}, {}};     // float of the input -> column of the window, 0 .. stride - 1

  int lanes(int64_t count) const { return static_cast<int>(count) * channels; }
  // Floats from the first to the last that `gather` touches.
  int span(int64_t count) const { return ((static_cast<int>(count) - 1) * stride + 1) * channels; }
};

// As many pixels as two vectors of input hold. Worth it from three pixels on (two with stride 1,
// where nothing is permuted): each tap costs two loads and a permutation instead of one load.
CNNFAST_INLINE Folding fold(int64_t channels, int64_t stride, bool spread) {
  Folding f;
  if (channels > kLanes / 2 || stride > 8 || (!spread && stride == 1 && channels * 2 > kLanes))
    return f;
  const int c = static_cast<int>(channels), s = static_cast<int>(stride);
  int pixels = kLanes / c;
  const int room = 2 * kLanes / c;  // pixels of input
  const int fits = spread ? room / s : (room - 1) / s + 1;
  pixels = pixels < fits ? pixels : fits;
  const int least = spread || s == 1 ? 2 : 3;
  if (pixels < least) return f;
  f.pixels = pixels;
  f.channels = c;
  f.stride = s;
  for (int l = 0; l < pixels * c; ++l) f.gather[l] = l / c * s * c + l % c;
  // Only the backward pass spreads, and only there do the pixels' strides fit two vectors.
  for (int q = 0; spread && q < pixels * s * c; ++q) {
    f.spread[q / kLanes][q % kLanes] = q / (s * c) * c + q % c;
    f.tap[q / kLanes][q % kLanes] = q / c % s;
  }
  return f;
}

// `count` pixels from p on, `stride` apart.
CNNFAST_INLINE vf load_folded(const Folding& f, const float* p, int count) {
  const int span = f.span(count);
  if (f.stride == 1) return load_first(p, span);
  const vf a = load_first(p, span < kLanes ? span : kLanes);
  const vf b = span > kLanes ? load_first(p + kLanes, span - kLanes) : vf{};
  return permute(a, b, f.gather);
}

// Pixels of so many channels that a vector touches.
CNNFAST_INLINE int64_t columns_of_vector(int64_t channels) {
  return (kLanes + channels - 1) / channels;
}

// Positions [first, end) of an axis whose windows lie wholly inside `input`.
struct Inside {
  int64_t first, end;
};
CNNFAST_INLINE Inside inside(int64_t input, int64_t output, int64_t window, int64_t stride,
                             int64_t before) {
  const int64_t first = smaller((before + stride - 1) / stride, output);
  const int64_t room = input + before - window;  // last allowed start
  const int64_t end = room < 0 ? 0 : smaller(room / stride + 1, output);
  return {first, larger(first, end)};
}

// Taps [first, end) of the window at `position` that lie inside `input`.
CNNFAST_INLINE Inside clip(int64_t input, int64_t window, int64_t start) {
  return {start < 0 ? smaller(-start, window) : 0, larger(0, smaller(window, input - start))};
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
