// Winograd's minimal filtering on 6x6 tiles: F(4x4, 3x3) and F(2x2, 5x5) share the six points
// 0, +-5/8, +-3/2, infinity and with them the input transform (Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2016; the points minimise the error as in Barabasz et al., "Error
// Analysis and Improving the Accuracy of Winograd Convolution", 2020: 7e-7 relative at 128 channels
// where 0, +-1, +-2 give 1.6e-6).
//
// One-dimensional, with M(x) = x (x^2 - A)(x^2 - B), A = (5/8)^2, B = (3/2)^2:
//   output = At [(G w) * (Bt d)]
//   Bt  rows: coefficients of M(x) / (x - point); the last one those of M(x)
//   G   rows: powers of the point over M'(point); the last one picks the highest power
//   At  columns: powers of the point; the last one picks the highest power
#pragma once

#include "kernels/conv_tile.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int kPoints = 6;
constexpr int kTileValues = kPoints * kPoints;

constexpr float kPa = 0.625f, kPb = 1.5f;  // every product of these below is exact in float32
constexpr float kSa = kPa * kPa, kSb = kPb * kPb;
// 1 / M'(point)
constexpr double kInverseA = 0.5 / (kSa * (double(kSa) - kSb));
constexpr double kInverseB = 0.5 / (kSb * (double(kSb) - kSa));
constexpr float rounded(double x) { return static_cast<float>(x); }

// Six of a vector's 36 points, which lie in planes: a row's or a column's, then the next one's. Of
// 36 plain addresses the compiler spills most; here one pointer moves on, opaque to it, and three
// registers reach the six.
template <class T>
class SixPoints {
 public:
  __attribute__((always_inline)) SixPoints(T* points, int64_t apart, int64_t next)
      : at_(reinterpret_cast<const char*>(points)),
        next_(next * static_cast<int64_t>(sizeof(T))),
        offset_(apart * static_cast<int64_t>(sizeof(T))) {}
  __attribute__((always_inline)) T* operator[](int i) const {
    return reinterpret_cast<T*>(const_cast<char*>(at_ + offset_[i]));
  }
  __attribute__((always_inline)) void next() {
    at_ += next_;
    __asm__("" : "+r"(at_));
  }

 private:
  const char* at_;
  int64_t next_;
  PixelOffsets<kPoints> offset_;
};
template <class T>
CNNFAST_INLINE SixPoints<T> point_rows(T* points, int64_t plane) {
  return {points, plane, kPoints * plane};
}
template <class T>
CNNFAST_INLINE SixPoints<T> point_columns(T* points, int64_t plane) {
  return {points, kPoints * plane, plane};
}

// d[0], d[stride] ... d[5 * stride] -> Bt d in place.
CNNFAST_INLINE void transform_input(vf* d, int stride) {
  const vf d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride],
           d5 = d[5 * stride];
  const vf even_a = d4 - kSb * d2, odd_a = d3 - kSb * d1;
  const vf even_b = d4 - kSa * d2, odd_b = d3 - kSa * d1;
  d[0] = (d4 - (kSa + kSb) * d2) + (kSa * kSb) * d0;
  d[stride] = even_a + kPa * odd_a;
  d[2 * stride] = even_a - kPa * odd_a;
  d[3 * stride] = even_b + kPb * odd_b;
  d[4 * stride] = even_b - kPb * odd_b;
  d[5 * stride] = (d5 - (kSa + kSb) * d3) + (kSa * kSb) * d1;
}

// At m: six values -> M outputs, in place (the first M places).
template <int M>
CNNFAST_INLINE void transform_output(vf* m, int stride) {
  const vf m0 = m[0], m5 = m[5 * stride];
  const vf sum_a = m[stride] + m[2 * stride], difference_a = m[stride] - m[2 * stride];
  const vf sum_b = m[3 * stride] + m[4 * stride], difference_b = m[3 * stride] - m[4 * stride];
  m[0] = m0 + (sum_a + sum_b);
  m[stride] = kPa * difference_a + kPb * difference_b;
  if constexpr (M == 4) {
    m[2 * stride] = kSa * sum_a + kSb * sum_b;
    m[3 * stride] = (kSa * kPa) * difference_a + ((kSb * kPb) * difference_b + m5);
  } else {
    m[stride] += m5;
  }
}

// A d: M values -> six, in place. The transpose of transform_output.
template <int M>
CNNFAST_INLINE void transform_gradient(vf* d, int stride) {
  const vf d0 = d[0], d1 = d[stride];
  vf even_a = d0, odd_a = kPa * d1, even_b = d0, odd_b = kPb * d1, last = d1;
  if constexpr (M == 4) {
    const vf d2 = d[2 * stride], d3 = d[3 * stride];
    even_a += kSa * d2;
    even_b += kSb * d2;
    odd_a += (kSa * kPa) * d3;
    odd_b += (kSb * kPb) * d3;
    last = d3;
  }
  d[stride] = even_a + odd_a;
  d[2 * stride] = even_a - odd_a;
  d[3 * stride] = even_b + odd_b;
  d[4 * stride] = even_b - odd_b;
  d[5 * stride] = last;
}

// G w: R = 3 or 5 taps -> six, in place.
template <int R>
CNNFAST_INLINE void transform_weights(vf* w, int stride) {
  const vf w0 = w[0], w1 = w[stride], w2 = w[2 * stride];
  vf even_a = rounded(kInverseA) * w0 + rounded(kInverseA * kSa) * w2,
     even_b = rounded(kInverseB) * w0 + rounded(kInverseB * kSb) * w2;
  w[0] = w0 * rounded(1.0 / (double(kSa) * kSb));
  vf odd_a = w1, odd_b = w1, last = w2;
  if constexpr (R == 5) {
    const vf w3 = w[3 * stride], w4 = w[4 * stride];
    even_a += rounded(kInverseA * kSa * kSa) * w4;
    even_b += rounded(kInverseB * kSb * kSb) * w4;
    odd_a += kSa * w3;
    odd_b += kSb * w3;
    last = w4;
  }
  w[stride] = even_a + rounded(kInverseA * kPa) * odd_a;
  w[2 * stride] = even_a - rounded(kInverseA * kPa) * odd_a;
  w[3 * stride] = even_b + rounded(kInverseB * kPb) * odd_b;
  w[4 * stride] = even_b - rounded(kInverseB * kPb) * odd_b;
  w[5 * stride] = last;
}

// Gt u: six values -> R taps, in place. The transpose of transform_weights.
template <int R>
CNNFAST_INLINE void transform_weights_back(vf* u, int stride) {
  const vf u5 = u[5 * stride];
  const vf sum_a = u[stride] + u[2 * stride], difference_a = u[stride] - u[2 * stride];
  const vf sum_b = u[3 * stride] + u[4 * stride], difference_b = u[3 * stride] - u[4 * stride];
  u[0] = u[0] * rounded(1.0 / (double(kSa) * kSb)) +
         (rounded(kInverseA) * sum_a + rounded(kInverseB) * sum_b);
  u[stride] = rounded(kInverseA * kPa) * difference_a + rounded(kInverseB * kPb) * difference_b;
  if constexpr (R == 5) {
    u[2 * stride] = rounded(kInverseA * kSa) * sum_a + rounded(kInverseB * kSb) * sum_b;
    u[3 * stride] = rounded(kInverseA * kSa * kPa) * difference_a +
                    rounded(kInverseB * kSb * kPb) * difference_b;
    u[4 * stride] =
        rounded(kInverseA * kSa * kSa) * sum_a + (rounded(kInverseB * kSb * kSb) * sum_b + u5);
  } else {
    u[2 * stride] = rounded(kInverseA * kSa) * sum_a + (rounded(kInverseB * kSb) * sum_b + u5);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
