// Where a sliding window looks: shared by convolution and pooling. Reads strides, padding, pads
// and dilation from a node's attributes, checks every one before any arithmetic, and works out the
// output's size and the explicit padding on each side.
#pragma once

#include <cstdint>
#include <string_view>

#include "cnnfast/attributes.h"
#include "cnnfast/shape.h"

namespace cnnfast {

enum class Padding : std::uint8_t { valid, same, explicit_sizes };

// The attributes of a window before any shape is known.
struct WindowAttributes {
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;
  Padding padding = Padding::valid;
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;  // with Padding::explicit_sizes
};

// One spatial axis. Output position o reads input o * stride - before + tap * dilation.
struct WindowAxis {
  std::int64_t input = 0;   // kSymbolic when unknown; then output is, and SAME's padding is 0
  std::int64_t window = 1;  // taps
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t before = 0;  // zeros in front of the input
  std::int64_t after = 0;   // zeros behind it
  std::int64_t output = 0;

  std::int64_t extent() const { return (window - 1) * dilation + 1; }  // input places it covers
  std::int64_t padded() const { return before + input + after; }
};

struct WindowGeometry {
  WindowAxis h, w;
};

// Reads "strides" (default_strides when missing), "padding", "pads", "dilation". ValueError with
// `op` in front: not two values, smaller than 1, negative pads, an unknown mode, pads without
// padding="explicit".
WindowAttributes window_attributes(std::string_view op, const Attributes& attributes,
                                   std::int64_t default_stride_h, std::int64_t default_stride_w);

// Geometry over an input of in_h x in_w (either may be kSymbolic) with a window of
// window_h x window_w. SAME is TensorFlow's: output = ceil(input / stride), the odd zero at the
// end. ValueError when the window is larger than the padded input, or a size leaves 62 bits.
WindowGeometry window_geometry(std::string_view op, const WindowAttributes& attributes,
                               std::int64_t in_h, std::int64_t in_w, std::int64_t window_h,
                               std::int64_t window_w);

}  // namespace cnnfast
