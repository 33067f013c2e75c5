// Average pooling of few channels, whose pixels would fill a vector in part: rows are taken as
// streams of floats instead, a vector of results out of two or three of operands. Which float a
// lane comes from repeats after as many vectors as hold whole pixels.
#pragma once

#include "kernels/pool_common.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int64_t kStreamFloats = 4096;  // most of a row: its vertical sums are on the stack
constexpr int kStreamStride = 2;         // most: further apart, lanes come from more vectors

// Lane -> float of the operand, from `base` on; a period of them.
struct LaneStream {
  int count = 0;        // vectors
  int64_t advance = 0;  // of the operand a period
  int64_t base[kLanes * kStreamStride];
  vi index[kLanes * kStreamStride];
  vi there[kLanes * kStreamStride];  // -1, or 0 in lanes that stay zero
};

// As many vectors as hold whole groups of `group` floats.
CNNFAST_INLINE int period_of(int64_t group) {
  int64_t floats = group;
  while (floats % kLanes != 0) floats += group;
  return static_cast<int>(floats / kLanes);
}

// y's floats from x's: pixel o reads pixel o * stride.
CNNFAST_INLINE void stream_down(int64_t channels, int64_t stride, LaneStream& s) {
  s.count = period_of(channels);
  s.advance = s.count * kLanes * stride;
  int64_t channel = 0, from = 0;
  for (int v = 0; v < s.count; ++v) {
    s.base[v] = from;
    for (int l = 0; l < kLanes; ++l) {
      s.index[v][l] = static_cast<int32_t>(from - s.base[v]);
      ++from;
      if (++channel < channels) continue;
      channel = 0;
      from += (stride - 1) * channels;
    }
  }
}

// dx's floats from dy's: pixel i belongs to pixel i / stride, unless no tap reaches it.
CNNFAST_INLINE void stream_up(int64_t channels, int64_t stride, int64_t taps, LaneStream& s) {
  s.count = period_of(channels * stride);
  s.advance = s.count * kLanes / stride;
  int64_t channel = 0, tap = 0, pixel = 0;
  for (int v = 0; v < s.count; ++v) {
    s.base[v] = pixel;
    for (int l = 0; l < kLanes; ++l) {
      s.index[v][l] = static_cast<int32_t>(pixel - s.base[v] + channel);
      s.there[v][l] = tap < taps ? -1 : 0;
      if (++channel < channels) continue;
      channel = 0;
      if (++tap < stride) continue;
      tap = 0;
      pixel += channels;
    }
  }
}

// Few channels, and every window inside from the first column on.
CNNFAST_INLINE bool streams_average(const PoolSizes& s) {
  return s.c < kLanes && s.left == 0 && s.stride_w <= kStreamStride &&
         (s.ow - 1) * s.stride_w + s.window_w <= s.w && s.w * s.c <= kStreamFloats;
}

void average_stream(const PoolSizes& s, const float* x, float* y, int64_t row, int64_t end) {
  alignas(64) float sums[kStreamFloats + 4 * kLanes];
  LaneStream lanes;
  stream_down(s.c, s.stride_w, lanes);
  const int64_t floats = s.w * s.c, made = s.ow * s.c;
  for (; row < end; ++row) {
    const int64_t start = row % s.oh * s.stride_h - s.top;
    const Inside h = clip(s.h, s.window_h, start);
    const float* from = x + (row / s.oh * s.h + start + h.first) * floats;
    const int64_t rows = larger(0, h.end - h.first);
    const auto add_rows = [&](int64_t i, auto load_at) __attribute__((always_inline)) {
      vf sum = {};
      for (int64_t r = 0; r < rows; ++r) sum += load_at(from + r * floats + i);
      store(sums + i, sum);
    };
    int64_t i = 0;
    for (; i + kLanes <= floats; i += kLanes)
      add_rows(i, [](const float* p) __attribute__((always_inline)) { return load(p); });
    const int rest = static_cast<int>(floats - i);
    if (rest > 0)
      add_rows(i,
               [=](const float* p) __attribute__((always_inline)) { return load_first(p, rest); });
    const vf share = broadcast(rows > 0 ? 1.0f / static_cast<float>(rows * s.window_w) : 0.0f);
    float* to = y + row * made;
    const float* group = sums;
    for (int64_t first = 0; first < made; group += lanes.advance)
      for (int v = 0; v < lanes.count && first < made; ++v, first += kLanes) {
        const float* p = group + lanes.base[v];
        const vi index = lanes.index[v];
        const vi in_two = index & (2 * kLanes - 1), in_third = index & (kLanes - 1);
        vf sum = {};
        for (int64_t kw = 0; kw < s.window_w; ++kw, p += s.c) {
          const vf near = permute(load(p), load(p + kLanes), in_two);
          const vf far = permute(load(p + 2 * kLanes), in_third);
          sum += index < 2 * kLanes ? near : far;
        }
        const int64_t left = made - first;
        if (left >= kLanes)
          store(to + first, sum * share);
        else
          store_first(to + first, sum * share, static_cast<int>(left));
      }
  }
}

// Windows at least a stride apart. Rows of dx that belong to no window are zero.
void average_stream_backward(const PoolSizes& s, const float* dy, float* dx, int64_t row,
                             int64_t end) {
  alignas(64) float gradient[kStreamFloats + 4 * kLanes];
  LaneStream lanes;
  stream_up(s.c, s.stride_w, s.window_w, lanes);
  const int64_t floats = s.w * s.c, read = s.ow * s.c;
  const int64_t covered = smaller(s.ow * s.stride_w, s.w) * s.c;
  int64_t scaled = -1;  // the row of dy whose shares `gradient` holds
  for (; row < end; ++row) {
    float* to = dx + row * floats;
    const int64_t oh = (row % s.h + s.top) / s.stride_h, kh = (row % s.h + s.top) % s.stride_h;
    if (oh >= s.oh || kh >= s.window_h) {
      memset(to, 0, static_cast<size_t>(floats) * sizeof(float));
      continue;
    }
    const int64_t from = row / s.h * s.oh + oh;
    if (from != scaled) {
      const Inside h = clip(s.h, s.window_h, oh * s.stride_h - s.top);
      const float share = 1.0f / static_cast<float>((h.end - h.first) * s.window_w);
      for (int64_t i = 0; i < read; i += kLanes) {
        const int n = static_cast<int>(smaller(kLanes, read - i));
        store(gradient + i, load_first(dy + from * read + i, n) * share);
      }
      scaled = from;
    }
    const float* group = gradient;
    for (int64_t first = 0; first < covered; group += lanes.advance)
      for (int v = 0; v < lanes.count && first < covered; ++v, first += kLanes) {
        const float* p = group + lanes.base[v];
        const vf value = permute(load(p), load(p + kLanes), lanes.index[v]);
        const vf there = reinterpret_cast<vf>(reinterpret_cast<vi>(value) & lanes.there[v]);
        const int64_t left = covered - first;
        if (left >= kLanes)
          store(to + first, there);
        else
          store_first(to + first, there, static_cast<int>(left));
      }
    if (covered < floats)
      memset(to + covered, 0, static_cast<size_t>(floats - covered) * sizeof(float));
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
