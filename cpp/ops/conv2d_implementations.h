// The ways to run each pass of a convolution, fastest first.
#pragma once

#include "ops/conv2d_shape.h"
#include "ops/implementation.h"

namespace cnnfast {

std::span<const Implementation* const> conv2d_forward_implementations();
std::span<const Implementation* const> conv2d_backward_input_implementations();
std::span<const Implementation* const> conv2d_backward_kernel_implementations();

extern const FunctionImplementation kConv2dDepthwise;
extern const FunctionImplementation kConv2dBackwardInputDepthwise;
extern const FunctionImplementation kConv2dBackwardKernelDepthwise;
extern const FunctionImplementation kConv2dPlanar;
extern const FunctionImplementation kConv2dBackwardInputPlanar;
extern const FunctionImplementation kConv2dBackwardKernelPlanar;
extern const FunctionImplementation kConv2dBackwardInputOverlap;
extern const FunctionImplementation kConv2dBackwardInputDoubling;
extern const FunctionImplementation kConv2dWinograd;
extern const FunctionImplementation kConv2dBackwardInputWinograd;
extern const FunctionImplementation kConv2dBackwardKernelWinograd;
extern const FunctionImplementation kConv2dBackwardInputSparse;
extern const FunctionImplementation kConv2dBackwardKernelSparse;
extern const FunctionImplementation kConv2dDirect;
extern const FunctionImplementation kConv2dBackwardInputDirect;
extern const FunctionImplementation kConv2dBackwardKernelDirect;
extern const FunctionImplementation kConv2dInside;
extern const FunctionImplementation kConv2dBackwardInputInside;
extern const FunctionImplementation kConv2dBackwardKernelInside;
extern const FunctionImplementation kConv2dReference;
extern const FunctionImplementation kConv2dBackwardInputReference;
extern const FunctionImplementation kConv2dBackwardKernelReference;

// Concrete sizes of a node that infer() accepted. conv2d_transpose runs as conv2d_backward_input,
// with a bias and an activation.
Conv2dShape conv2d_forward_shape(const Problem& problem);
Conv2dShape conv2d_backward_input_shape(const Problem& problem);
Conv2dShape conv2d_backward_kernel_shape(const Problem& problem);

// Of forward kernels that compute in float32 and do not pool: why they cannot run.
std::optional<std::string> declines_unless_f32_unpooled(const Problem& problem);

}  // namespace cnnfast
