// Images sampled at places that an affine map gives; reference/affine.h says it in scalar form.
#pragma once

#include "kernels/sample_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Where an index beside an axis of n looks instead; -1: at nothing.
CNNFAST_INLINE int32_t filled_index(FillMode mode, int32_t i, int32_t n) {
  if (i >= 0 && i < n) return i;
  if (mode == FillMode::constant) return -1;
  if (mode == FillMode::nearest) return i < 0 ? 0 : n - 1;
  const int32_t period = mode == FillMode::wrap ? n : 2 * n;
  int32_t m = i % period;
  if (m < 0) m += period;
  return m < n ? m : 2 * n - 1 - m;
}

// Neighbours along one axis for kLanes output pixels.
struct Places {
  int32_t low[kLanes];
  float share[kLanes];  // of the neighbour behind
};
CNNFAST_INLINE void find_places(vf place, bool bilinear, Places& places) {
  constexpr float kFarAway = 1e9f;  // still an int32; NaN ends at -1e9
  place = min(broadcast(kFarAway), max(place, broadcast(-kFarAway)));
  if (!bilinear) place = place + 0.5f;
  const vi whole = __builtin_convertvector(place, vi);
  const vf down = to_float(whole);
  const vi low = whole + (down > place);  // the comparison is -1 where it holds
  store(places.low, low);
  store(places.share, bilinear ? place - to_float(low) : vf{});
}

// The four neighbours of an output pixel: offsets into the image (-1: outside) and weights.
struct Taps {
  int64_t offset[4];
  float weight[4];
  int count;  // 1 where the place is a pixel's, else 4
};
CNNFAST_INLINE Taps find_taps(const AffineShape& s, int32_t column, float right, int32_t row,
                              float lower) {
  const auto width = static_cast<int32_t>(s.width), height = static_cast<int32_t>(s.height);
  const int32_t x0 = filled_index(s.fill, column, width);
  const int32_t y0 = filled_index(s.fill, row, height);
  const auto at = [&](int32_t y, int32_t x) {
    return y < 0 || x < 0 ? int64_t{-1} : (y * s.width + x) * s.channels;
  };
  Taps t;
  t.offset[0] = at(y0, x0);
  t.weight[0] = (1.0f - lower) * (1.0f - right);
  t.count = 1;
  if (right == 0.0f && lower == 0.0f) return t;
  const int32_t x1 = right == 0.0f ? x0 : filled_index(s.fill, column + 1, width);
  const int32_t y1 = lower == 0.0f ? y0 : filled_index(s.fill, row + 1, height);
  t.count = 4;
  t.offset[1] = at(y0, x1);
  t.offset[2] = at(y1, x0);
  t.offset[3] = at(y1, x1);
  t.weight[1] = (1.0f - lower) * right;
  t.weight[2] = lower * (1.0f - right);
  t.weight[3] = lower * right;
  return t;
}

// f(pixel of the row, its taps) for one row of the output.
template <class F>
CNNFAST_INLINE void for_each_pixel(const AffineShape& s, const float* m, int64_t row, const F& f) {
  const float v = static_cast<float>(row);
  vf lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = static_cast<float>(i);
  for (int64_t u = 0; u < s.out_width; u += kLanes) {
    const vf column = lane + static_cast<float>(u);
    Places x, y;
    find_places(column * m[0] + (v * m[1] + m[2]), s.bilinear, x);
    find_places(column * m[3] + (v * m[4] + m[5]), s.bilinear, y);
    const int count = s.out_width - u < kLanes ? static_cast<int>(s.out_width - u) : kLanes;
    for (int i = 0; i < count; ++i)
      f(u + i, find_taps(s, x.low[i], x.share[i], y.low[i], y.share[i]));
  }
}

CNNFAST_INLINE void blend(const Taps& t, const float* x, float value, float* y, int64_t channels) {
  bool inside = true;
  for (int k = 0; k < t.count; ++k) inside = inside && t.offset[k] >= 0;
  if (t.count == 1) {
    for (int64_t c = 0; c < channels; ++c) y[c] = inside ? x[t.offset[0] + c] : value;
    return;
  }
  int64_t c = 0;
  if (inside) {
    const float *p = x + t.offset[0], *q = x + t.offset[1];
    const float *r = x + t.offset[2], *s = x + t.offset[3];
    for (; c + kLanes <= channels; c += kLanes)
      store(y + c, (load(p + c) * t.weight[0] + load(q + c) * t.weight[1]) +
                       (load(r + c) * t.weight[2] + load(s + c) * t.weight[3]));
    for (; c < channels; ++c)
      y[c] = (p[c] * t.weight[0] + q[c] * t.weight[1]) + (r[c] * t.weight[2] + s[c] * t.weight[3]);
    return;
  }
  for (; c < channels; ++c) {
    float total = 0.0f;
    for (int k = 0; k < 4; ++k)
      total += t.weight[k] * (t.offset[k] < 0 ? value : x[t.offset[k] + c]);
    y[c] = total;
  }
}

void affine_kernel(const AffineShape& s, const float* m, const float* x, float* y, int64_t first,
                   int64_t last) {
  const int64_t channels = s.channels;
  const float value = static_cast<float>(s.value);
  for (int64_t row = first; row < last; ++row) {
    float* to = y + row * s.out_width * channels;
    for_each_pixel(s, m, row, [&](int64_t pixel, const Taps& t) {
      blend(t, x, value, to + pixel * channels, channels);
    });
  }
}

void affine_backward_kernel(const AffineShape& s, const float* m, const float* dy, float* dx) {
  const int64_t channels = s.channels;
  memset(dx, 0, static_cast<size_t>(s.height * s.width * channels) * sizeof(float));
  for (int64_t row = 0; row < s.out_height; ++row) {
    const float* from = dy + row * s.out_width * channels;
    for_each_pixel(s, m, row, [&](int64_t pixel, const Taps& t) {
      const float* d = from + pixel * channels;
      for (int k = 0; k < t.count; ++k) {
        if (t.offset[k] < 0) continue;
        float* to = dx + t.offset[k];
        int64_t c = 0;
        for (; c + kLanes <= channels; c += kLanes)
          store(to + c, load(to + c) + load(d + c) * t.weight[k]);
        for (; c < channels; ++c) to[c] += d[c] * t.weight[k];
      }
    });
  }
}

void fill_affine(SampleKernels& table) {
  table.affine = affine_kernel;
  table.affine_backward = affine_backward_kernel;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
