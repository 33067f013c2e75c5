#include "reference/conv2d.h"

#include <algorithm>

namespace cnnfast::reference {

namespace {

// Calls visit(x index, w index, y index) for every product of the convolution: the three passes
// differ only in which of the three they add to.
template <class Visit>
void for_each_product(const Conv2dShape& s, Visit visit) {
  const WindowAxis &h = s.window.h, &w = s.window.w;
  for (std::int64_t n = 0; n < s.n; ++n)
    for (std::int64_t oh = 0; oh < h.output; ++oh)
      for (std::int64_t ow = 0; ow < w.output; ++ow)
        for (std::int64_t kh = 0; kh < h.window; ++kh) {
          const std::int64_t ih = oh * h.stride - h.before + kh * h.dilation;
          if (ih < 0 || ih >= h.input) continue;
          for (std::int64_t kw = 0; kw < w.window; ++kw) {
            const std::int64_t iw = ow * w.stride - w.before + kw * w.dilation;
            if (iw < 0 || iw >= w.input) continue;
            for (std::int64_t g = 0; g < s.groups; ++g)
              for (std::int64_t c = 0; c < s.group_c(); ++c)
                for (std::int64_t j = 0; j < s.group_k(); ++j) {
                  const std::int64_t k = g * s.group_k() + j;
                  const std::int64_t xi =
                      ((n * h.input + ih) * w.input + iw) * s.c + g * s.group_c() + c;
                  const std::int64_t wi = ((kh * w.window + kw) * s.group_c() + c) * s.k + k;
                  const std::int64_t yi = ((n * h.output + oh) * w.output + ow) * s.k + k;
                  visit(xi, wi, yi);
                }
          }
        }
}

}  // namespace

template <class T>
void conv2d(const Conv2dShape& s, const T* x, const T* w, const T* b, T* y) {
  const std::int64_t pixels = s.n * s.window.h.output * s.window.w.output;
  for (std::int64_t i = 0; i < pixels * s.k; ++i) y[i] = b ? b[i % s.k] : T(0);
  for_each_product(
      s, [=](std::int64_t xi, std::int64_t wi, std::int64_t yi) { y[yi] += x[xi] * w[wi]; });
}

template <class T>
void conv2d_backward_input(const Conv2dShape& s, const T* dy, const T* w, T* dx) {
  std::fill_n(dx, s.n * s.window.h.input * s.window.w.input * s.c, T(0));
  for_each_product(
      s, [=](std::int64_t xi, std::int64_t wi, std::int64_t yi) { dx[xi] += dy[yi] * w[wi]; });
}

template <class T>
void conv2d_backward_kernel(const Conv2dShape& s, const T* x, const T* dy, T* dw, T* db) {
  std::fill_n(dw, s.taps() * s.group_c() * s.k, T(0));
  for_each_product(
      s, [=](std::int64_t xi, std::int64_t wi, std::int64_t yi) { dw[wi] += x[xi] * dy[yi]; });
  if (!db) return;
  std::fill_n(db, s.k, T(0));
  const std::int64_t pixels = s.n * s.window.h.output * s.window.w.output;
  for (std::int64_t i = 0; i < pixels * s.k; ++i) db[i % s.k] += dy[i];
}

template void conv2d(const Conv2dShape&, const float*, const float*, const float*, float*);
template void conv2d(const Conv2dShape&, const double*, const double*, const double*, double*);
template void conv2d_backward_input(const Conv2dShape&, const float*, const float*, float*);
template void conv2d_backward_input(const Conv2dShape&, const double*, const double*, double*);
template void conv2d_backward_kernel(const Conv2dShape&, const float*, const float*, float*,
                                     float*);
template void conv2d_backward_kernel(const Conv2dShape&, const double*, const double*, double*,
                                     double*);

}  // namespace cnnfast::reference
