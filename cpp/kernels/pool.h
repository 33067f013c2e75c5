// Maximum and average pooling.
#pragma once

#include "kernels/pool_average_stream.h"
#include "kernels/pool_common.h"
#include "kernels/prefetch.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct MaxState {
  vf best;
  vi place;
};
CNNFAST_INLINE void take(MaxState& s, vf v, int32_t place) {
  const vi wins = (v > s.best) | (v != v);  // NaN wins, as in torch
  s.best = wins ? v : s.best;
  s.place = wins ? broadcast(place) : s.place;
}

// Where the window at (oh, ow) lies in x, clipped to the input.
struct Window {
  const float* x;  // tap (0, 0), perhaps outside
  int64_t row;     // floats between rows
  int64_t pixel;   // floats between columns
  Inside h, w;
  int64_t columns;  // of the whole window: for places
};

// What is known of a window when code is compiled: all K x K taps are inside; 0: nothing.
template <int K>
struct Square {};

// Calls f(Square): whole windows of 2 x 2 and 3 x 3, which nearly all are, get code of their own.
template <class F>
CNNFAST_INLINE void with_square(const PoolSizes& s, const Window& t, F f) {
  const bool whole = t.h.first == 0 && t.w.first == 0 && t.h.end == s.window_h &&
                     t.w.end == s.window_w && s.window_h == s.window_w;
  if (whole && s.window_w == 2) return f(Square<2>{});
  if (whole && s.window_w == 3) return f(Square<3>{});
  f(Square<0>{});
}

// Loads come from load_at(pointer); for each tap f(vector, place).
template <int K, class Load, class F>
CNNFAST_INLINE void for_taps(Square<K>, const Window& t, int64_t offset, Load load_at, F f) {
  CNNFAST_UNROLL
  for (int kh = 0; kh < K; ++kh) {
    CNNFAST_UNROLL
    for (int kw = 0; kw < K; ++kw)
      f(load_at(t.x + kh * t.row + kw * t.pixel + offset), kh * K + kw);
  }
}
template <class Load, class F>
CNNFAST_INLINE void for_taps(Square<0>, const Window& t, int64_t offset, Load load_at, F f) {
  for (int64_t kh = t.h.first; kh < t.h.end; ++kh)
    for (int64_t kw = t.w.first; kw < t.w.end; ++kw)
      f(load_at(t.x + kh * t.row + kw * t.pixel + offset),
        static_cast<int32_t>(kh * t.columns + kw));
}

CNNFAST_INLINE bool any(vi mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask)) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps(reinterpret_cast<__m256>(mask)) != 0;
#else
  for (int i = 0; i < kLanes; ++i)
    if (mask[i] != 0) return true;
  return false;
#endif
}

// Without regard to NaN; the sum of all taps is NaN if one of them was (or if opposite infinities
// met: then the careful way is taken for nothing).
template <bool kPlaces, int K, class Load>
CNNFAST_INLINE vi max_ordered(Square<K> square, const Window& t, int64_t offset, Load load_at,
                              int32_t first, MaxState& s) {
  s.best = load_at(t.x + t.h.first * t.row + t.w.first * t.pixel + offset);
  s.place = broadcast(first);
  vf total = s.best;
  for_taps(square, t, offset, load_at, [&](vf v, int32_t place) __attribute__((always_inline)) {
    if (place == first) return;
    if (kPlaces) s.place = v > s.best ? broadcast(place) : s.place;
    s.best = max(v, s.best);
    total += v;
  });
  return total != total;
}

// kPlaces: where the best stood goes to `argmax`.
template <bool kPlaces, int K, class Load, class Index>
CNNFAST_INLINE void max_vector(Square<K> square, const Window& t, int64_t offset, Load load_at,
                               float* y, Index* argmax, int lanes) {
  constexpr float kMinusInfinity = -__builtin_inff();
  const int32_t first = K ? 0 : static_cast<int32_t>(t.h.first * t.columns + t.w.first);
  const bool empty = K == 0 && (t.h.first >= t.h.end || t.w.first >= t.w.end);
  MaxState s;
  if (empty || any(max_ordered<kPlaces>(square, t, offset, load_at, first, s))) {
    s = {broadcast(kMinusInfinity), broadcast(empty ? 0 : first)};
    for_taps(square, t, offset, load_at,
             [&](vf v, int32_t place) __attribute__((always_inline)) { take(s, v, place); });
  }
  if (y && lanes == kLanes)
    store(y, s.best);
  else if (y)
    store_first(y, s.best, lanes);
  if (kPlaces) store_places(argmax, s.place, lanes);
}

template <int K, class Load>
CNNFAST_INLINE void average_vector(Square<K> square, const Window& t, int64_t offset, Load load_at,
                                   float* y, int lanes) {
  vf sum = {};
  for_taps(square, t, offset, load_at,
           [&](vf v, int32_t) __attribute__((always_inline)) { sum += v; });
  const int64_t count = (t.h.end - t.h.first) * (t.w.end - t.w.first);
  const vf mean = count > 0 ? sum * (1.0f / static_cast<float>(count)) : vf{};
  if (lanes == kLanes)
    store(y, mean);
  else
    store_first(y, mean, lanes);
}

// What the windows of the row behind `row` read and those of `row` do not, in so many steps.
CNNFAST_INLINE LinesAhead next_windows(const PoolSizes& s, const float* x, int64_t row,
                                       int64_t steps) {
  const int64_t image = (row + 1) / s.oh, start = (row + 1) % s.oh * s.stride_h - s.top;
  const int64_t read = start > -s.top ? start - s.stride_h + s.window_h : 0;
  const int64_t first = larger(larger(start, read), 0), behind = smaller(start + s.window_h, s.h);
  return {x + (image * s.h + first) * s.w * s.c, (behind - first) * s.w * s.c, steps};
}

// Calls f(Square, window, offset of the channel, load, output offset, lanes) for every vector of
// output row `row`, behind which others come up to `end`.
template <class F>
CNNFAST_INLINE void for_vectors(const PoolSizes& s, const Folding& folding, const float* x,
                                int64_t row, int64_t end, F f) {
  const int64_t start_h = row % s.oh * s.stride_h - s.top;
  Window t;
  t.row = s.w * s.c;
  t.pixel = s.c;
  t.columns = s.window_w;
  t.h = clip(s.h, s.window_h, start_h);
  const float* from = x + (row / s.oh * s.h + start_h) * t.row;
  const bool overlap = s.window_h > s.stride_h;
  LinesAhead ahead = s.distant && row + 1 < end ? next_windows(s, x, row, s.ow) : LinesAhead{};
  const auto one_pixel = [&](int64_t ow) __attribute__((always_inline)) {
    const int64_t start_w = ow * s.stride_w - s.left;
    t.x = from + start_w * s.c;
    if (overlap)
      ahead.ask<2>();
    else
      ahead.ask<3>();
    t.w = clip(s.w, s.window_w, start_w);
    with_square(s, t, [&](auto square) __attribute__((always_inline)) {
      int64_t c = 0;
      for (; c + kLanes <= s.c; c += kLanes)
        f(
            square, t, c, [](const float* p) __attribute__((always_inline)) { return load(p); },
            ow * s.c + c, kLanes);
      if (c < s.c) {
        const int n = static_cast<int>(s.c - c);
        f(
            square, t, c,
            [n](const float* p) __attribute__((always_inline)) { return load_first(p, n); },
            ow * s.c + c, n);
      }
    });
  };
  if (folding.pixels == 1 && s.c >= kLanes) {
    for (int64_t ow = 0; ow < s.ow; ++ow) one_pixel(ow);
    return;
  }
  const Inside whole = inside(s.w, s.ow, s.window_w, s.stride_w, s.left);
  for (int64_t ow = 0; ow < whole.first; ++ow) one_pixel(ow);
  if (folding.pixels == 1) {
    // Whole vectors as long as they stay inside the rows: what they write too much, the next pixels
    // overwrite.
    t.w = {0, s.window_w};
    const int64_t columns = s.w + s.left - (s.window_w - 1), vector = columns_of_vector(s.c);
    const int64_t end =
        larger(whole.first, smaller(smaller(whole.end, s.ow + 1 - vector),
                                    columns < vector ? 0 : (columns - vector) / s.stride_w + 1));
    for (int64_t ow = whole.first; ow < end; ++ow) {
      t.x = from + (ow * s.stride_w - s.left) * s.c;
      with_square(s, t, [&](auto square) __attribute__((always_inline)) {
        f(
            square, t, 0, [](const float* p) __attribute__((always_inline)) { return load(p); },
            ow * s.c, kLanes);
      });
    }
    for (int64_t ow = end; ow < s.ow; ++ow) one_pixel(ow);
    return;
  }
  for (int64_t ow = whole.first; ow < whole.end; ow += folding.pixels) {
    const int count = static_cast<int>(smaller(whole.end - ow, folding.pixels));
    t.x = from + (ow * s.stride_w - s.left) * s.c;
    t.w = {0, s.window_w};
    with_square(s, t, [&](auto square) __attribute__((always_inline)) {
      f(
          square, t, 0,
          [&](const float* p)
              __attribute__((always_inline)) { return load_folded(folding, p, count); },
          ow * s.c, folding.lanes(count));
    });
  }
  for (int64_t ow = whole.end; ow < s.ow; ++ow) one_pixel(ow);
}

template <bool kPlaces, class Index>
void max_pool_rows(const PoolSizes& s, const float* x, float* y, Index* argmax, int64_t row,
                   int64_t end) {
  const Folding folding = fold(s.c, s.stride_w, false);
  for (; row < end; ++row) {
    const int64_t base = row * s.ow * s.c;
    for_vectors(s, folding, x, row, end,
                [&](auto square, const Window& t, int64_t offset, auto load_at, int64_t to,
                    int lanes) __attribute__((always_inline)) {
                  max_vector<kPlaces>(square, t, offset, load_at, y ? y + base + to : nullptr,
                                      kPlaces ? argmax + base + to : nullptr, lanes);
                });
  }
}
template <class Index>
void max_pool(const PoolSizes& s, const float* x, float* y, Index* argmax, int64_t row,
              int64_t end) {
  (argmax ? max_pool_rows<true, Index> : max_pool_rows<false, Index>)(s, x, y, argmax, row, end);
}

void average_pool(const PoolSizes& s, const float* x, float* y, int64_t row, int64_t end) {
  if (streams_average(s)) return average_stream(s, x, y, row, end);
  const Folding folding = fold(s.c, s.stride_w, false);
  for (; row < end; ++row) {
    const int64_t base = row * s.ow * s.c;
    for_vectors(s, folding, x, row, end,
                [&](auto square, const Window& t, int64_t offset, auto load_at, int64_t to,
                    int lanes) __attribute__((always_inline)) {
                  average_vector(square, t, offset, load_at, y + base + to, lanes);
                });
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
