// Images sampled at places that an affine map gives, and the draws of such maps.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "kernels/sample_table.h"
#include "reference/dropout.h"

namespace cnnfast::reference {

// Where an index beside an axis of n looks instead; -1: at nothing. `reflect` repeats the edge
// (d c b a | a b c d | d c b a), as Keras has it.
inline std::int64_t filled_index(FillMode mode, std::int64_t i, std::int64_t n) {
  switch (mode) {
    case FillMode::constant:
      return i >= 0 && i < n ? i : -1;
    case FillMode::nearest:
      return i < 0 ? 0 : i < n ? i : n - 1;
    case FillMode::wrap:
      return ((i % n) + n) % n;
    case FillMode::reflect: {
      const std::int64_t m = ((i % (2 * n)) + 2 * n) % (2 * n);
      return m < n ? m : 2 * n - 1 - m;
    }
  }
  return -1;
}

// Beyond this there is no image; NaN counts as far to the left.
inline constexpr double kFarAway = 1e9;

// The two neighbours along one axis and the share of the second.
template <class T>
struct Neighbours {
  std::int64_t low, high;
  T share;
};
template <class T>
Neighbours<T> neighbours(T place, std::int64_t n, FillMode mode, bool bilinear) {
  const T far = static_cast<T>(kFarAway);
  place = place > -far ? (place < far ? place : far) : -far;
  const T floor = std::floor(bilinear ? place : place + T(0.5));
  const auto low = static_cast<std::int64_t>(floor);
  const T share = bilinear ? place - floor : T(0);
  const std::int64_t first = filled_index(mode, low, n);
  return {first, share == T(0) ? first : filled_index(mode, low + 1, n), share};
}

// f(output pixel, input pixel or -1, weight) for the four neighbours of every output pixel.
template <class T, class F>
void for_each_tap(const AffineShape& s, const T* matrix, F f) {
  for (std::int64_t oy = 0; oy < s.out_height; ++oy)
    for (std::int64_t ox = 0; ox < s.out_width; ++ox) {
      const T u = static_cast<T>(ox), v = static_cast<T>(oy);
      const Neighbours<T> x =
          neighbours(matrix[0] * u + matrix[1] * v + matrix[2], s.width, s.fill, s.bilinear);
      const Neighbours<T> y =
          neighbours(matrix[3] * u + matrix[4] * v + matrix[5], s.height, s.fill, s.bilinear);
      for (const bool lower : {false, true})
        for (const bool right : {false, true}) {
          const T weight = (lower ? y.share : 1 - y.share) * (right ? x.share : 1 - x.share);
          const std::int64_t row = lower ? y.high : y.low, column = right ? x.high : x.low;
          if (weight != T(0))
            f(oy * s.out_width + ox, row < 0 || column < 0 ? -1 : row * s.width + column, weight);
        }
    }
}

// One image: y (out_height, out_width, channels) from x (height, width, channels).
template <class T>
void affine(const AffineShape& s, const T* matrix, const T* x, T* y) {
  const std::int64_t c = s.channels;
  for (std::int64_t i = 0; i < s.out_height * s.out_width * c; ++i) y[i] = T(0);
  for_each_tap(s, matrix, [&](std::int64_t to, std::int64_t from, T weight) {
    for (std::int64_t k = 0; k < c; ++k)
      y[to * c + k] += weight * (from < 0 ? static_cast<T>(s.value) : x[from * c + k]);
  });
}

template <class T>
void affine_backward(const AffineShape& s, const T* matrix, const T* dy, T* dx) {
  const std::int64_t c = s.channels;
  for (std::int64_t i = 0; i < s.height * s.width * c; ++i) dx[i] = T(0);
  for_each_tap(s, matrix, [&](std::int64_t to, std::int64_t from, T weight) {
    if (from < 0) return;
    for (std::int64_t k = 0; k < c; ++k) dx[from * c + k] += weight * dy[to * c + k];
  });
}

// What a random map is drawn from. Ranges are [low, high); angles in radians, counter-clockwise.
struct AffineDraw {
  bool flip_horizontal = false, flip_vertical = false, crop = false, one_zoom = false;
  std::array<double, 2> shift_y{}, shift_x{};         // in pixels, down and to the right
  std::array<double, 2> angle{}, zoom_y{}, zoom_x{};  // zoom 0: as it is; above: smaller
  std::int64_t height = 0, width = 0, out_height = 0, out_width = 0;
};

// Word i of a stream of numbers.
inline std::uint32_t random_word(const DropoutKey& key, std::int64_t i) {
  const std::int64_t block = i / 4;
  return philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                 key.stream, key.seed_high},
                {key.seed_low, key.step})[static_cast<std::size_t>(i % 4)];
}

// Word `which` of image i, as a number in [0, 1). An image has 16 of them.
inline double image_uniform(const DropoutKey& key, std::int64_t image, int which) {
  return static_cast<double>(random_word(key, image * 16 + which)) / 4294967296.0;
}

// (a, b, c, d, e, f): output (u, v) looks at input x = a u + b v + c, y = d u + e v + f.
inline std::array<double, 6> draw_affine(const AffineDraw& d, const DropoutKey& key,
                                         std::int64_t image) {
  const auto draw = [&](int which, const std::array<double, 2>& range) {
    return range[0] + image_uniform(key, image, which) * (range[1] - range[0]);
  };
  if (d.crop) {
    const auto offset = [&](int which, std::int64_t room) {
      return std::floor(image_uniform(key, image, which) * static_cast<double>(room + 1));
    };
    return {1, 0, offset(8, d.width - d.out_width), 0, 1, offset(7, d.height - d.out_height)};
  }
  const double cx = static_cast<double>(d.width - 1) / 2;
  const double cy = static_cast<double>(d.height - 1) / 2;
  const double ty = draw(2, d.shift_y), tx = draw(3, d.shift_x), angle = draw(4, d.angle);
  const double zy = 1 + draw(5, d.zoom_y), zx = d.one_zoom ? zy : 1 + draw(6, d.zoom_x);
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double a = cosine * zx, b = -sine * zy, e = cosine * zy, f = sine * zx;
  std::array<double, 6> m = {a, b, cx - a * (cx + tx) - b * (cy + ty),
                             f, e, cy - f * (cx + tx) - e * (cy + ty)};
  if (d.flip_horizontal && image_uniform(key, image, 0) < 0.5)
    m = {-m[0], -m[1], 2 * cx - m[2], m[3], m[4], m[5]};
  if (d.flip_vertical && image_uniform(key, image, 1) < 0.5)
    m = {m[0], m[1], m[2], -m[3], -m[4], 2 * cy - m[5]};
  return m;
}

}  // namespace cnnfast::reference
