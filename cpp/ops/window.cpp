#include "ops/window.h"

#include <string>
#include <vector>

#include "cnnfast/error.h"

namespace cnnfast {

namespace {

// Far beyond any real attribute, small enough that the sums below stay inside 64 bits.
constexpr std::int64_t kLargest = std::int64_t{1} << 31;
constexpr std::int64_t kLargestSize = std::int64_t{1} << 61;

std::string list(const std::vector<std::int64_t>& values) {
  std::string text = "(";
  for (std::size_t i = 0; i < values.size(); ++i)
    text += (i ? ", " : "") + std::to_string(values[i]);
  return text + ")";
}

void read_pair(std::string_view op, const Attributes& attributes, const char* name,
               std::int64_t& first, std::int64_t& second) {
  const std::vector<std::int64_t> values = attributes.integers(name, {first, second});
  if (values.size() != 2)
    value_error(op, ": ", name, " must be two integers (vertical, horizontal), got ", list(values));
  for (const std::int64_t v : values)
    if (v < 1 || v > kLargest)
      value_error(op, ": ", name, " must be at least 1", v > kLargest ? " and at most 2^31" : "",
                  ", got ", list(values));
  first = values[0];
  second = values[1];
}

WindowAxis axis_geometry(std::string_view op, const char* axis, Padding padding, std::int64_t input,
                         std::int64_t window, std::int64_t stride, std::int64_t dilation,
                         std::int64_t before, std::int64_t after) {
  WindowAxis a;
  a.input = input;
  a.window = window;
  a.stride = stride;
  a.dilation = dilation;
  if (window < 1) value_error(op, ": window ", axis, " must be at least 1, got ", window);
  checked_multiply(window, dilation, "window extent");
  if (padding == Padding::explicit_sizes) {
    a.before = before;
    a.after = after;
  }
  if (input == kSymbolic) {
    a.output = kSymbolic;
    return a;
  }
  if (input < 0 || input > kLargestSize || window > kLargestSize)
    value_error(op, ": ", axis, " of ", input, " is beyond what can be addressed");
  if (padding == Padding::same) {
    a.output = input / stride + (input % stride != 0);
    if (a.output > 0) {
      const std::int64_t needed = (a.output - 1) * stride + a.extent() - input;
      const std::int64_t total = needed > 0 ? needed : 0;
      a.before = total / 2;
      a.after = total - a.before;
    }
    return a;
  }
  if (a.extent() > a.padded())
    value_error(op, ": the window's ", axis, " covers ", a.extent(), " places (", window,
                " taps, dilation ", dilation, "), the input has ", a.padded(),
                a.before + a.after > 0 ? " with its padding" : "",
                "; use a smaller window, a larger input or padding='same'");
  a.output = (a.padded() - a.extent()) / stride + 1;
  return a;
}

}  // namespace

WindowAttributes window_attributes(std::string_view op, const Attributes& attributes,
                                   std::int64_t default_stride_h, std::int64_t default_stride_w) {
  WindowAttributes w;
  w.stride_h = default_stride_h;
  w.stride_w = default_stride_w;
  read_pair(op, attributes, "strides", w.stride_h, w.stride_w);
  read_pair(op, attributes, "dilation", w.dilation_h, w.dilation_w);

  const std::string mode = attributes.text("padding", "valid");
  if (mode == "valid") {
    w.padding = Padding::valid;
  } else if (mode == "same") {
    w.padding = Padding::same;
  } else if (mode == "explicit") {
    w.padding = Padding::explicit_sizes;
  } else {
    value_error(op, ": padding must be 'valid', 'same' or 'explicit', got '", mode, "'");
  }
  if (w.padding != Padding::explicit_sizes) return w;

  const std::vector<std::int64_t> pads = attributes.integers("pads", {});
  if (pads.size() != 4)
    value_error(op, ": padding='explicit' needs pads=(top, bottom, left, right), got ", list(pads));
  for (const std::int64_t p : pads)
    if (p < 0 || p > kLargest)
      value_error(op, ": pads must not be negative", p > kLargest ? " or above 2^31" : "", ", got ",
                  list(pads), "; crop the input instead");
  w.top = pads[0];
  w.bottom = pads[1];
  w.left = pads[2];
  w.right = pads[3];
  return w;
}

WindowGeometry window_geometry(std::string_view op, const WindowAttributes& a, std::int64_t in_h,
                               std::int64_t in_w, std::int64_t window_h, std::int64_t window_w) {
  return {axis_geometry(op, "height", a.padding, in_h, window_h, a.stride_h, a.dilation_h, a.top,
                        a.bottom),
          axis_geometry(op, "width", a.padding, in_w, window_w, a.stride_w, a.dilation_w, a.left,
                        a.right)};
}

}  // namespace cnnfast
