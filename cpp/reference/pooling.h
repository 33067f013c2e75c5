// Pooling over NHWC: x (n, h, w, c), y (n, oh, ow, c). Places in the padding count for nothing: a
// window that sees only padding has the maximum -infinity and the mean 0.
#pragma once

#include <cstdint>
#include <limits>

namespace cnnfast::reference {

struct PoolShape {
  std::int64_t n, h, w, c, oh, ow;
  std::int64_t window_h, window_w, stride_h, stride_w, top, left;
};

// Calls visit(input row, input column, place in the window) for all places inside the input.
template <class Visit>
void visit_window(const PoolShape& s, std::int64_t oh, std::int64_t ow, Visit visit) {
  for (std::int64_t kh = 0; kh < s.window_h; ++kh)
    for (std::int64_t kw = 0; kw < s.window_w; ++kw) {
      const std::int64_t ih = oh * s.stride_h - s.top + kh, iw = ow * s.stride_w - s.left + kw;
      if (ih >= 0 && ih < s.h && iw >= 0 && iw < s.w) visit(ih, iw, kh * s.window_w + kw);
    }
}

// Calls visit(batch, output row, output column, channel, index of that output).
template <class Visit>
void visit_outputs(const PoolShape& s, Visit visit) {
  std::int64_t index = 0;
  for (std::int64_t n = 0; n < s.n; ++n)
    for (std::int64_t oh = 0; oh < s.oh; ++oh)
      for (std::int64_t ow = 0; ow < s.ow; ++ow)
        for (std::int64_t c = 0; c < s.c; ++c) visit(n, oh, ow, c, index++);
}

// The first of equals wins; NaN wins over everything. argmax is the winner's place in the window.
template <class T, class Index>
void max_pool2d(const T* x, T* y, Index* argmax, const PoolShape& s) {
  visit_outputs(s, [&](auto n, auto oh, auto ow, auto c, auto out) {
    T best = -std::numeric_limits<T>::infinity();
    std::int64_t winner = -1;
    visit_window(s, oh, ow, [&](auto ih, auto iw, auto place) {
      const T v = x[((n * s.h + ih) * s.w + iw) * s.c + c];
      if (winner < 0 || v > best || v != v) {
        best = v;
        winner = place;
      }
    });
    y[out] = best;
    if (argmax != nullptr) argmax[out] = static_cast<Index>(winner < 0 ? 0 : winner);
  });
}

template <class T, class Index>
void max_pool2d_backward(const T* dy, const Index* argmax, T* dx, const PoolShape& s) {
  for (std::int64_t i = 0; i < s.n * s.h * s.w * s.c; ++i) dx[i] = 0;
  visit_outputs(s, [&](auto n, auto oh, auto ow, auto c, auto out) {
    visit_window(s, oh, ow, [&](auto ih, auto iw, auto place) {
      if (place == static_cast<std::int64_t>(argmax[out]))
        dx[((n * s.h + ih) * s.w + iw) * s.c + c] += dy[out];
    });
  });
}

inline std::int64_t places_inside(const PoolShape& s, std::int64_t oh, std::int64_t ow) {
  std::int64_t count = 0;
  visit_window(s, oh, ow, [&](auto, auto, auto) { ++count; });
  return count;
}

template <class T>
void avg_pool2d(const T* x, T* y, const PoolShape& s) {
  visit_outputs(s, [&](auto n, auto oh, auto ow, auto c, auto out) {
    T sum = 0;
    visit_window(s, oh, ow,
                 [&](auto ih, auto iw, auto) { sum += x[((n * s.h + ih) * s.w + iw) * s.c + c]; });
    const std::int64_t count = places_inside(s, oh, ow);
    y[out] = count > 0 ? sum / T(count) : T(0);
  });
}

template <class T>
void avg_pool2d_backward(const T* dy, T* dx, const PoolShape& s) {
  for (std::int64_t i = 0; i < s.n * s.h * s.w * s.c; ++i) dx[i] = 0;
  visit_outputs(s, [&](auto n, auto oh, auto ow, auto c, auto out) {
    const std::int64_t count = places_inside(s, oh, ow);
    visit_window(s, oh, ow, [&](auto ih, auto iw, auto) {
      dx[((n * s.h + ih) * s.w + iw) * s.c + c] += dy[out] / T(count);
    });
  });
}

}  // namespace cnnfast::reference
