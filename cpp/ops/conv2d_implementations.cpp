#include "ops/conv2d_implementations.h"

#include "ops/op.h"

namespace cnnfast {

std::span<const Implementation* const> conv2d_forward_implementations() {
  static const Implementation* const list[] = {&kConv2dDepthwise, &kConv2dPlanar,
                                               &kConv2dWinograd,  &kConv2dDirect,
                                               &kConv2dInside,    &kConv2dReference};
  return list;
}

std::span<const Implementation* const> conv2d_backward_input_implementations() {
  static const Implementation* const list[] = {
      &kConv2dBackwardInputDoubling, &kConv2dBackwardInputDepthwise,
      &kConv2dBackwardInputOverlap,  &kConv2dBackwardInputPlanar,
      &kConv2dBackwardInputSparse,   &kConv2dBackwardInputWinograd,
      &kConv2dBackwardInputDirect,   &kConv2dBackwardInputInside,
      &kConv2dBackwardInputReference};
  return list;
}

std::span<const Implementation* const> conv2d_backward_kernel_implementations() {
  static const Implementation* const list[] = {
      &kConv2dBackwardKernelDepthwise, &kConv2dBackwardKernelPlanar, &kConv2dBackwardKernelSparse,
      &kConv2dBackwardKernelWinograd,  &kConv2dBackwardKernelDirect, &kConv2dBackwardKernelInside,
      &kConv2dBackwardKernelReference};
  return list;
}

Conv2dShape conv2d_forward_shape(const Problem& p) {
  return conv2d_forward_shape(Call{p.attributes, p.inputs});
}
Conv2dShape conv2d_backward_input_shape(const Problem& p) {
  if (p.node.op->name() == "conv2d_transpose")
    return conv2d_transpose_shape(Call{p.attributes, p.inputs});
  return conv2d_backward_input_shape(Call{p.attributes, p.inputs});
}
Conv2dShape conv2d_backward_kernel_shape(const Problem& p) {
  return conv2d_backward_kernel_shape(Call{p.attributes, p.inputs});
}

std::optional<std::string> declines_unless_f32_unpooled(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  if (conv2d_forward_shape(problem).pool == PoolKind::none) return std::nullopt;
  return "only planar pools what it made";
}

}  // namespace cnnfast
