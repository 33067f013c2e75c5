// Gradients of pooling. Each element of dx is gathered from the windows that cover it and written
// once; windows that do not overlap are walked in order instead, one output after the other.
#pragma once

#include "kernels/pool_average_stream.h"
#include "kernels/pool_common.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// What output (oh, ow) hands to a place of its window: dy where that place won ...
template <class Index>
struct MaxGradient {
  const Index* argmax;
  vf at(vf dy, int64_t index, int32_t place, float, int lanes) const
      __attribute__((always_inline)) {
    return load_places(argmax + index, lanes) == place ? dy : vf{};
  }
  vi places(int64_t index, int lanes) const __attribute__((always_inline)) {
    return load_places(argmax + index, lanes);
  }
  static vf spread(vf dy, vi winner, vi place, float) __attribute__((always_inline)) {
    return winner == place ? dy : vf{};
  }
  static constexpr bool kMax = true;
};

// ... or its share of the mean.
struct AverageGradient {
  vf at(vf dy, int64_t, int32_t, float share, int) const __attribute__((always_inline)) {
    return dy * share;
  }
  vi places(int64_t, int) const __attribute__((always_inline)) { return vi{}; }
  static vf spread(vf dy, vi, vi place, float share) __attribute__((always_inline)) {
    return place >= 0 ? dy * share : vf{};
  }
  static constexpr bool kMax = false;
};

// Past the caches or into them: whole vectors, aligned where kStreams.
template <bool kStreams>
CNNFAST_INLINE void put(float* p, vf v) {
  if constexpr (kStreams)
    stream(p, v);
  else
    store(p, v);
}

CNNFAST_INLINE void zero(float* p, int64_t count) {
  if (count > 0) memset(p, 0, static_cast<size_t>(count) * sizeof(float));
}

// One over the places of the window at (oh, ow) that lie inside the input; `whole`: of one whose
// columns all do.
CNNFAST_INLINE float whole_share(const PoolSizes& s, int64_t rows) {
  return 1.0f / static_cast<float>(rows * s.window_w);
}
CNNFAST_INLINE float share_of(const PoolSizes& s, int64_t rows, int64_t ow, float whole) {
  const Inside w = clip(s.w, s.window_w, ow * s.stride_w - s.left);
  return w.end - w.first == s.window_w ? whole
                                       : 1.0f / static_cast<float>(rows * (w.end - w.first));
}
CNNFAST_INLINE int64_t rows_inside(const PoolSizes& s, int64_t oh) {
  const Inside h = clip(s.h, s.window_h, oh * s.stride_h - s.top);
  return h.end - h.first;
}

// Windows at least a stride apart: row ih of dx belongs to row kh of the windows of one output row.
template <bool kStreams, class Gradient>
void separate_row(const PoolSizes& s, const Folding& folding, const Gradient& gradient,
                  const float* dy, float* dx, int64_t row) {
  float* to = dx + row * s.w * s.c;
  const int64_t oh = (row % s.h + s.top) / s.stride_h, kh = (row % s.h + s.top) % s.stride_h;
  if (oh >= s.oh || kh >= s.window_h) return zero(to, s.w * s.c);
  const int64_t outputs = (row / s.h * s.oh + oh) * s.ow * s.c;
  const int64_t rows = rows_inside(s, oh);
  const int32_t first_place = static_cast<int32_t>(kh * s.window_w);

  const float whole_windows = Gradient::kMax ? 0.0f : whole_share(s, rows);
  const auto one_pixel = [&](int64_t ow) __attribute__((always_inline)) {
    const float share = Gradient::kMax ? 0.0f : share_of(s, rows, ow, whole_windows);
    const int64_t start = ow * s.stride_w - s.left;
    const int64_t taps = smaller(s.stride_w, s.w - start);
    const auto some = [&](int64_t c, int n) __attribute__((always_inline)) {
      const int64_t index = outputs + ow * s.c + c;
      const vf d = n == kLanes ? load(dy + index) : load_first(dy + index, n);
      const vi winner = gradient.places(index, n);
      for (int64_t kw = start < 0 ? -start : 0; kw < taps; ++kw) {
        const int32_t place = kw < s.window_w ? first_place + static_cast<int32_t>(kw) : -1;
        const vf x = Gradient::spread(d, winner, broadcast(place), share);
        float* out = to + (start + kw) * s.c + c;
        if (n == kLanes)
          put<kStreams>(out, x);
        else
          store_first(out, x, n);
      }
    };
    int64_t c = 0;
    for (; c + kLanes <= s.c; c += kLanes) some(c, kLanes);
    if (c < s.c) some(c, static_cast<int>(s.c - c));
  };
  // Columns behind the last window's stride belong to nobody.
  const int64_t covered = s.ow * s.stride_w - s.left;
  if (covered < s.w) zero(to + larger(covered, 0) * s.c, (s.w - larger(covered, 0)) * s.c);
  if (folding.pixels == 1) {
    for (int64_t ow = 0; ow < s.ow; ++ow) one_pixel(ow);
    return;
  }
  const vi no_place = broadcast(-1);
  vi place[2];
  for (int v = 0; v < 2; ++v)
    place[v] =
        folding.tap[v] < static_cast<int32_t>(s.window_w) ? folding.tap[v] + first_place : no_place;
  // Whole strides inside the input, whose windows are then whole too.
  const Inside whole = inside(s.w, s.ow, larger(s.stride_w, s.window_w), s.stride_w, s.left);
  const float share = whole_share(s, rows);
  for (int64_t ow = 0; ow < whole.first; ++ow) one_pixel(ow);
  for (int64_t ow = whole.first; ow < whole.end; ow += folding.pixels) {
    const int count = static_cast<int>(smaller(whole.end - ow, folding.pixels));
    const int64_t index = outputs + ow * s.c;
    const int lanes = folding.lanes(count), span = lanes * folding.stride;
    const vf d = load_first(dy + index, lanes);
    const vf winner = reinterpret_cast<vf>(gradient.places(index, lanes));
    float* out = to + (ow * s.stride_w - s.left) * s.c;
    for (int v = 0; v * kLanes < span; ++v)
      store_first(out + v * kLanes,
                  Gradient::spread(permute(d, d, folding.spread[v]),
                                   reinterpret_cast<vi>(permute(winner, winner, folding.spread[v])),
                                   place[v], share),
                  static_cast<int>(smaller(span - v * kLanes, kLanes)));
  }
  for (int64_t ow = whole.end; ow < s.ow; ++ow) one_pixel(ow);
}

// Outputs [first, end) whose windows cover position i of an axis.
CNNFAST_INLINE Inside covering(int64_t i, int64_t output, int64_t window, int64_t stride,
                               int64_t before) {
  const int64_t reach = i + before - window;  // the last start that does not reach i
  return {reach < 0 ? 0 : reach / stride + 1, smaller((i + before) / stride + 1, output)};
}

// The windows that cover one place of dx, worked out once for all channels.
struct Covering {
  static constexpr int kMost = 16;  // more come in several rounds
  int64_t index[kMost];             // of the window's output, channel 0
  int32_t place[kMost];             // in the window
  float share[kMost];               // of the mean
  int count = 0;
};

// N of them, or as many as there are when N is 0. `first`: to nothing, else to what dx holds.
template <int N, bool kStreams, class Gradient>
CNNFAST_INLINE void add_windows(const PoolSizes& s, const Gradient& gradient, const Covering& w,
                                const float* dy, float* to, bool first) {
  const auto some = [&](int64_t c, int n) __attribute__((always_inline)) {
    vf sum = first ? vf{} : load_first(to + c, n);
    const auto add = [&](int i) __attribute__((always_inline)) {
      const int64_t index = w.index[i] + c;
      const vf d = n == kLanes ? load(dy + index) : load_first(dy + index, n);
      sum += gradient.at(d, index, w.place[i], w.share[i], n);
    };
    if constexpr (N > 0) {
      CNNFAST_UNROLL
      for (int i = 0; i < N; ++i) add(i);
    } else {
      for (int i = 0; i < w.count; ++i) add(i);
    }
    if (n == kLanes)
      put<kStreams>(to + c, sum);
    else
      store_first(to + c, sum, n);
  };
  int64_t c = 0;
  for (; c + kLanes <= s.c; c += kLanes) some(c, kLanes);
  if (c < s.c) some(c, static_cast<int>(s.c - c));
}

// The usual counts, of windows of 3 two apart and of 2 and 3 one apart, get code of their own: a
// loop of one, two or four rounds ends with a wrong guess of the branch.
template <bool kStreams, class Gradient>
CNNFAST_INLINE void add_covering(const PoolSizes& s, const Gradient& gradient, const Covering& w,
                                 const float* dy, float* to, bool first) {
  if (first && w.count == 1) return add_windows<1, kStreams>(s, gradient, w, dy, to, true);
  if (first && w.count == 2) return add_windows<2, kStreams>(s, gradient, w, dy, to, true);
  if (first && w.count == 4) return add_windows<4, kStreams>(s, gradient, w, dy, to, true);
  if (first && w.count == 9) return add_windows<9, kStreams>(s, gradient, w, dy, to, true);
  add_windows<0, false>(s, gradient, w, dy, to, first);
}

template <bool kStreams, class Gradient>
void overlapping_row(const PoolSizes& s, const Gradient& gradient, const float* dy, float* dx,
                     int64_t row) {
  float* to = dx + row * s.w * s.c;
  const int64_t ih = row % s.h, image = row / s.h * s.oh;
  const Inside rows = covering(ih, s.oh, s.window_h, s.stride_h, s.top);
  Inside columns = covering(0, s.ow, s.window_w, s.stride_w, s.left);
  for (int64_t iw = 0; iw < s.w; ++iw, to += s.c) {
    while (columns.end < s.ow && columns.end * s.stride_w <= iw + s.left) ++columns.end;
    while (columns.first * s.stride_w + s.window_w <= iw + s.left) ++columns.first;
    Covering w;
    bool first = true;
    for (int64_t oh = rows.first; oh < rows.end; ++oh)
      for (int64_t ow = columns.first; ow < columns.end; ++ow) {
        if (w.count == Covering::kMost) {
          add_covering<false>(s, gradient, w, dy, to, first);
          first = false;
          w.count = 0;
        }
        w.index[w.count] = ((image + oh) * s.ow + ow) * s.c;
        w.place[w.count] = static_cast<int32_t>((ih + s.top - oh * s.stride_h) * s.window_w + iw +
                                                s.left - ow * s.stride_w);
        const int64_t high = rows_inside(s, oh);
        w.share[w.count] = Gradient::kMax ? 0.0f : share_of(s, high, ow, whole_share(s, high));
        ++w.count;
      }
    add_covering<kStreams>(s, gradient, w, dy, to, first);
  }
}

template <bool kStreams, class Gradient>
CNNFAST_INLINE void pool_backward_rows(const PoolSizes& s, const Gradient& gradient,
                                       const float* dy, float* dx, int64_t row, int64_t end) {
  const bool separate = s.stride_h >= s.window_h && s.stride_w >= s.window_w;
  const Folding folding = separate ? fold(s.c, s.stride_w, true) : Folding{};
  for (; row < end; ++row) {
    if (separate)
      separate_row<kStreams>(s, folding, gradient, dy, dx, row);
    else
      overlapping_row<kStreams>(s, gradient, dy, dx, row);
  }
  if (kStreams) fence_streams();
}

template <class Gradient>
CNNFAST_INLINE void pool_backward(const PoolSizes& s, const Gradient& gradient, const float* dy,
                                  float* dx, int64_t row, int64_t end) {
  const bool streams =
      s.uncached && s.c % kLanes == 0 && reinterpret_cast<uintptr_t>(dx) % sizeof(vf) == 0;
  (streams ? pool_backward_rows<true, Gradient>
           : pool_backward_rows<false, Gradient>)(s, gradient, dy, dx, row, end);
}

template <class Index>
void max_pool_backward(const PoolSizes& s, const float* dy, const Index* argmax, float* dx,
                       int64_t row, int64_t end) {
  pool_backward(s, MaxGradient<Index>{argmax}, dy, dx, row, end);
}
void average_pool_backward(const PoolSizes& s, const float* dy, float* dx, int64_t row,
                           int64_t end) {
  const bool separate = s.stride_h >= s.window_h && s.stride_w >= s.window_w;
  if (separate && streams_average(s)) return average_stream_backward(s, dy, dx, row, end);
  pool_backward(s, AverageGradient{}, dy, dx, row, end);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
