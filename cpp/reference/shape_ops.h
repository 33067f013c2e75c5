// Transposes, conversions and row gathers, one element at a time.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "cnnfast/shape.h"

namespace cnnfast::reference {

// y's axis i is x's axis permutation[i].
template <class T>
void transpose(const T* x, const Shape& shape, const std::vector<std::int64_t>& permutation, T* y) {
  const int rank = shape.rank();
  std::vector<std::int64_t> stride(static_cast<std::size_t>(rank));  // of y, for x's axes
  std::int64_t next = 1;
  for (int i = rank - 1; i >= 0; --i) {
    const auto axis = static_cast<std::size_t>(permutation[static_cast<std::size_t>(i)]);
    stride[axis] = next;
    next *= shape[static_cast<int>(axis)];
  }
  const std::int64_t count = shape.numel();
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t rest = i, to = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      to += rest % shape[axis] * stride[static_cast<std::size_t>(axis)];
      rest /= shape[axis];
    }
    y[to] = x[i];
  }
}

// As C++ converts, and where C++ has no answer: floats become integers through int64 (wrapping as
// NumPy does), saturate beyond it, NaN becomes 0; anything but 0 becomes true.
template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr From kLimit = From(9223372036854775808.0);  // 2^63, exact
    if (x != x) return To(0);
    if (x >= kLimit) return static_cast<To>(std::numeric_limits<std::int64_t>::max());
    if (x < -kLimit) return static_cast<To>(std::numeric_limits<std::int64_t>::min());
    return static_cast<To>(static_cast<std::int64_t>(x));
  } else {
    return static_cast<To>(x);
  }
}

// What stands in a row whose index is out of range.
template <class T>
T missing() {
  if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::quiet_NaN();
  return T(0);
}

// y (count, width): row i is row indices[i] of data (rows, width).
template <class To, class From>
void gather(const From* data, std::int64_t rows, std::int64_t width, const std::int64_t* indices,
            std::int64_t count, To* y) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = indices[i];
    const bool inside = row >= 0 && row < rows;
    for (std::int64_t j = 0; j < width; ++j)
      y[i * width + j] = inside ? convert<To>(data[row * width + j]) : missing<To>();
  }
}

}  // namespace cnnfast::reference
