// Binary functions, comparisons and select over operands that broadcast as NumPy's do.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "cnnfast/shape.h"
#include "kernels/elementwise_table.h"

namespace cnnfast::reference {

template <class T>
T binary(BinaryKind kind, T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {  // as NumPy has it: add is or, multiply is and
    const bool either = kind == BinaryKind::add || kind == BinaryKind::maximum;
    return either ? (a || b) : (a && b);
  } else if constexpr (std::is_integral_v<T>) {
    const auto p = static_cast<std::uint64_t>(a), q = static_cast<std::uint64_t>(b);
    switch (kind) {  // unsigned, so that what overflows wraps around
      case BinaryKind::add:
        return static_cast<T>(p + q);
      case BinaryKind::subtract:
        return static_cast<T>(p - q);
      case BinaryKind::multiply:
        return static_cast<T>(p * q);
      case BinaryKind::minimum:
        return a < b ? a : b;
      case BinaryKind::maximum:
        return a > b ? a : b;
      case BinaryKind::divide:  // infer() refuses these two for integers
      case BinaryKind::power:
        break;
    }
    return a;
  } else {
    switch (kind) {
      case BinaryKind::add:
        return a + b;
      case BinaryKind::subtract:
        return a - b;
      case BinaryKind::multiply:
        return a * b;
      case BinaryKind::divide:
        return a / b;
      case BinaryKind::maximum:
        return a != a ? a : a > b ? a : b;  // NaN when either is
      case BinaryKind::minimum:
        return a != a ? a : a < b ? a : b;
      case BinaryKind::power:
        return std::pow(a, b);
    }
    return a;
  }
}

template <class T>
bool compare(CompareKind kind, T a, T b) {
  switch (kind) {
    case CompareKind::equal:
      return a == b;
    case CompareKind::not_equal:
      return a != b;
    case CompareKind::less:
      return a < b;
    case CompareKind::less_equal:
      return a <= b;
    case CompareKind::greater:
      return a > b;
    case CompareKind::greater_equal:
      return a >= b;
  }
  return false;
}

// Calls f(i, offsets) for every element i of `shape`; offsets[o] is where operand o has the
// element that goes with it.
template <std::size_t N, class F>
void for_each_broadcast(const Shape& shape, const std::array<Shape, N>& operands, const F& f) {
  std::array<std::array<std::int64_t, Shape::kMaxRank>, N> strides{};
  for (std::size_t o = 0; o < N; ++o) {
    std::int64_t stride = 1;
    for (int back = 1; back <= operands[o].rank(); ++back) {
      const std::int64_t size = operands[o][operands[o].rank() - back];
      strides[o][static_cast<std::size_t>(shape.rank() - back)] = size == 1 ? 0 : stride;
      stride *= size;
    }
  }
  const std::int64_t count = shape.numel();
  std::array<std::int64_t, N> offsets;
  for (std::int64_t i = 0; i < count; ++i) {
    offsets.fill(0);
    std::int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const std::int64_t position = rest % shape[axis];
      rest /= shape[axis];
      for (std::size_t o = 0; o < N; ++o)
        offsets[o] += position * strides[o][static_cast<std::size_t>(axis)];
    }
    f(i, offsets);
  }
}

}  // namespace cnnfast::reference
