// Sizes of a 2-D convolution, the same for its three passes. x is (N, H, W, C), w is
// (KH, KW, C / groups, K), y is (N, OH, OW, K), or (N, OH / 2, OW / 2, K) behind a pool.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/pool_kind.h"
#include "ops/op.h"
#include "ops/window.h"

namespace cnnfast {

struct Conv2dShape {
  std::int64_t n = 0;  // kSymbolic when unknown, like the window's sizes
  std::int64_t c = 0, k = 0, groups = 1;
  WindowGeometry window;
  PoolKind pool = PoolKind::none;  // of the forward pass only

  std::int64_t group_c() const { return c / groups; }
  std::int64_t group_k() const { return k / groups; }
  // One channel in per group, and several groups; group_k() channels out of each.
  bool is_depthwise() const { return groups > 1 && c == groups; }
  std::int64_t taps() const { return window.h.window * window.w.window; }
  Shape x() const { return {n, window.h.input, window.w.input, c}; }
  Shape w() const { return {window.h.window, window.w.window, group_c(), k}; }
  Shape y() const { return {n, made(window.h), made(window.w), k}; }
  // Rows or columns of y.
  std::int64_t made(const WindowAxis& axis) const {
    return pool == PoolKind::none || axis.output == kSymbolic ? axis.output : axis.output / 2;
  }
  // Two per multiplication that falls inside the input or its padding.
  double flops() const;
  // The share of flops() that is left where Winograd's algorithm usually pays, else 1.
  double effort() const;
};

// Checks the attributes "strides", "padding", "pads", "dilation", "groups" against the shapes of x
// and w. ValueError with `op` in front.
Conv2dShape conv2d_shape(std::string_view op, const Attributes& attributes, const Shape& x,
                         const Shape& w);

// From the operands of one node, symbolic sizes allowed. Each validates everything.
Conv2dShape conv2d_forward_shape(const Call& call);          // x, w [, b]; pool
Conv2dShape conv2d_backward_input_shape(const Call& call);   // dy, w; input_shape
Conv2dShape conv2d_backward_kernel_shape(const Call& call);  // x, dy; kernel_shape

// x, w [, b]; output_padding: the convolution whose input is the result, x in the place of its
// output. Its padding is explicit.
Conv2dShape conv2d_transpose_shape(const Call& call);

}  // namespace cnnfast
