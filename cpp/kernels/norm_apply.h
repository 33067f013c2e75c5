// The affine map of a normalisation and its gradient, one pass over memory each.
#pragma once

#include "kernels/activate.h"
#include "kernels/norm_moments.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// f(first column, lanes of it, first row, rows): four rows share what they load of a column, the
// most whose operands fit the registers of AVX2 beside it.
template <class F>
CNNFAST_INLINE void for_row_tiles(int64_t rows, int64_t columns, F f) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4)
    for_classes(columns, [&](int64_t c, int n) __attribute__((always_inline)) { f(c, n, r, 4); });
  for (; r < rows; ++r)
    for_classes(columns, [&](int64_t c, int n) __attribute__((always_inline)) { f(c, n, r, 1); });
}

template <ActivationKind kKind>
void norm_apply_as(const NormApply& a) {
  for_row_tiles(a.rows, a.columns,
                [&](int64_t c, int n, int64_t r, int count) __attribute__((always_inline)) {
                  const vf centre = load_some(a.centre + c, n);
                  const vf scale = load_some(a.scale + c, n);
                  const vf shift = load_some(a.shift + c, n);
                  for (int i = 0; i < count; ++i) {
                    const int64_t at = (r + i) * a.columns + c;
                    const vf x = load_some(a.x + at, n) - centre;
                    store_some(a.y + at, activate(kKind, a.alpha, x * scale + shift), n);
                  }
                });
}

void norm_apply(const NormApply& a) {
  switch (a.activation) {
    case ActivationKind::linear:
      return norm_apply_as<ActivationKind::linear>(a);
    case ActivationKind::relu:
      return norm_apply_as<ActivationKind::relu>(a);
    case ActivationKind::leaky_relu:
      return norm_apply_as<ActivationKind::leaky_relu>(a);
    case ActivationKind::tanh:
      return norm_apply_as<ActivationKind::tanh>(a);
    case ActivationKind::sigmoid:
      return norm_apply_as<ActivationKind::sigmoid>(a);
  }
}

template <bool kSlope, bool kMask>
void norm_gradient_as(const NormGradient& g) {
  for_row_tiles(g.rows, g.columns,
                [&](int64_t c, int n, int64_t r, int count) __attribute__((always_inline)) {
                  const vf scale = load_some(g.scale + c, n);
                  vf centre = {}, slope = {}, offset = {}, mask_scale = {}, mask_shift = {};
                  if constexpr (kSlope || kMask) centre = load_some(g.centre + c, n);
                  if constexpr (kSlope) {
                    slope = load_some(g.slope + c, n);
                    offset = load_some(g.offset + c, n);
                  }
                  if constexpr (kMask) {
                    mask_scale = load_some(g.mask.scale + c, n);
                    mask_shift = load_some(g.mask.shift + c, n);
                  }
                  for (int i = 0; i < count; ++i) {
                    const int64_t at = (r + i) * g.columns + c;
                    vf x = {}, dy = load_some(g.dy + at, n);
                    if constexpr (kSlope || kMask) x = load_some(g.x + at, n) - centre;
                    if constexpr (kMask) dy = masked(dy, x, mask_scale, mask_shift, g.mask.alpha);
                    vf dx = dy * scale;
                    if constexpr (kSlope) dx += x * slope + offset;
                    store_some(g.dx + at, dx, n);
                  }
                });
}

void norm_gradient(const NormGradient& g) {
  const bool mask = g.mask.scale != nullptr;
  if (g.slope != nullptr)
    mask ? norm_gradient_as<true, true>(g) : norm_gradient_as<true, false>(g);
  else
    mask ? norm_gradient_as<false, true>(g) : norm_gradient_as<false, false>(g);
}

void norm_moving_average(float* average, const float* x, int64_t size, float momentum) {
  const float rest = 1.0f - momentum;
  for_classes(size, [&](int64_t i, int n) __attribute__((always_inline)) {
    store_some(average + i, load_some(average + i, n) * momentum + load_some(x + i, n) * rest, n);
  });
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
