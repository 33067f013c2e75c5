// Folds over any set of axes, and the places where the extreme ones stand.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "cnnfast/shape.h"
#include "kernels/elementwise_table.h"

namespace cnnfast::reference {

// Calls f(i, o) for every element i of x: o is the element of the reduced output it belongs to.
template <class F>
void for_each_reduced(const Shape& x, const std::vector<std::int64_t>& axes, const F& f) {
  std::vector<std::int64_t> stride(static_cast<std::size_t>(x.rank()), 0);
  std::int64_t next = 1;
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    bool reduced = false;
    for (const std::int64_t a : axes) reduced = reduced || a == axis;
    if (reduced) continue;
    stride[static_cast<std::size_t>(axis)] = next;
    next *= x[axis];
  }
  const std::int64_t count = x.numel();
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t rest = i, o = 0;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      o += rest % x[axis] * stride[static_cast<std::size_t>(axis)];
      rest /= x[axis];
    }
    f(i, o);
  }
}

// y: `outputs` sums, each divided by `divisor` at the end; lost: room for as many. Integers add up
// modulo 2^64.
template <class T, class R>
void sum(const T* x, const Shape& shape, const std::vector<std::int64_t>& axes, R* y, R* lost,
         std::int64_t outputs, R divisor) {
  if constexpr (std::is_floating_point_v<R>) {
    // Neumaier's compensated sum, so that the oracle's own error does not grow with the count.
    for (std::int64_t o = 0; o < outputs; ++o) y[o] = lost[o] = R(0);
    for_each_reduced(shape, axes, [&](std::int64_t i, std::int64_t o) {
      const R a = y[o], b = static_cast<R>(x[i]), total = a + b;
      const R big = (a < 0 ? -a : a) >= (b < 0 ? -b : b) ? a : b;
      const R small = big == a ? b : a;
      const R error = (big - total) + small;
      if (error == error) lost[o] += error;  // inf - inf loses nothing
      y[o] = total;
    });
    for (std::int64_t o = 0; o < outputs; ++o) y[o] = (y[o] + lost[o]) / divisor;
  } else {
    (void)lost;
    (void)divisor;
    for (std::int64_t o = 0; o < outputs; ++o) y[o] = R(0);
    for_each_reduced(shape, axes, [&](std::int64_t i, std::int64_t o) {
      y[o] = static_cast<R>(static_cast<std::uint64_t>(y[o]) + static_cast<std::uint64_t>(x[i]));
    });
  }
}

// Does x come before the best so far? NaN beats everything, the first of equals stays.
template <class T>
bool beats(ReduceKind kind, T x, T best) {
  if (best != best) return false;
  if (x != x) return true;
  return kind == ReduceKind::max ? x > best : x < best;
}

// winner[o]: index in x of the first winner, -1 where nothing is folded.
template <class T>
void find_winners(ReduceKind kind, const T* x, const Shape& shape,
                  const std::vector<std::int64_t>& axes, std::int64_t* winner,
                  std::int64_t outputs) {
  for (std::int64_t o = 0; o < outputs; ++o) winner[o] = -1;
  for_each_reduced(shape, axes, [&](std::int64_t i, std::int64_t o) {
    std::int64_t& w = winner[o];
    if (w < 0 || beats(kind, x[i], x[w])) w = i;
  });
}

}  // namespace cnnfast::reference
