// Slices, paddings and concatenations, one element at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cnnfast/shape.h"

namespace cnnfast::reference {

// Where element `index` of a slice stands on an axis of `size`: `begin` elements are left out at
// the side it starts from, the front for step > 0 and the back for step < 0.
inline std::int64_t slice_place(std::int64_t begin, std::int64_t step, std::int64_t index,
                                std::int64_t size) {
  return (step > 0 ? begin : size - 1 - begin) + index * step;
}

// f(i, whole index) for every element i of the slice `part` of a tensor `whole`.
template <class F>
void for_each_of_slice(const Shape& whole, const std::vector<std::int64_t>& begin,
                       const std::vector<std::int64_t>& step, const Shape& part, F f) {
  const std::int64_t count = part.numel();
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t rest = i, at = 0, stride = 1;
    for (int axis = part.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<std::size_t>(axis);
      at += stride * slice_place(begin[a], step[a], rest % part[axis], whole[axis]);
      rest /= part[axis];
      stride *= whole[axis];
    }
    f(i, at);
  }
}

template <class T>
void slice(const T* x, const Shape& x_shape, const std::vector<std::int64_t>& begin,
           const std::vector<std::int64_t>& step, const Shape& y_shape, T* y) {
  for_each_of_slice(x_shape, begin, step, y_shape,
                    [&](std::int64_t i, std::int64_t at) { y[i] = x[at]; });
}

// Zeros, and dy where the slice was taken.
template <class T>
void slice_backward(const T* dy, const Shape& dy_shape, const std::vector<std::int64_t>& begin,
                    const std::vector<std::int64_t>& step, const Shape& dx_shape, T* dx) {
  std::fill(dx, dx + dx_shape.numel(), T(0));
  for_each_of_slice(dx_shape, begin, step, dy_shape,
                    [&](std::int64_t i, std::int64_t at) { dx[at] = dy[i]; });
}

// x inside a border of `value`.
template <class T>
void pad(const T* x, const Shape& x_shape, const std::vector<std::int64_t>& before, T value,
         const Shape& y_shape, T* y) {
  std::fill(y, y + y_shape.numel(), value);
  for_each_of_slice(y_shape, before, std::vector<std::int64_t>(before.size(), 1), x_shape,
                    [&](std::int64_t i, std::int64_t at) { y[at] = x[i]; });
}

// Puts x (outer, size, inner) at [first, first + size) of y (outer, total, inner).
template <class T>
void put_along_axis(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* y,
                    std::int64_t first, std::int64_t total) {
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < size * inner; ++i)
      y[(o * total + first) * inner + i] = x[o * size * inner + i];
}

}  // namespace cnnfast::reference
