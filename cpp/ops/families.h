// Every op family, in the order in which the registry lists them.
#pragma once

#include "ops/op.h"

namespace cnnfast {

void add_conv2d_ops(OpList& ops);            // ops/conv2d.cpp
void add_conv2d_transpose_ops(OpList& ops);  // ops/conv2d_transpose.cpp
void add_pooling_ops(OpList& ops);           // ops/pooling.cpp
void add_dense_ops(OpList& ops);             // ops/dense.cpp
void add_activation_ops(OpList& ops);        // ops/activation.cpp
void add_unary_backward_ops(OpList& ops);    // ops/unary_backward.cpp
void add_elementwise_ops(OpList& ops);       // ops/elementwise.cpp
void add_reduction_ops(OpList& ops);         // ops/reduction.cpp
void add_shape_ops(OpList& ops);             // ops/shape_ops.cpp
void add_rearrange_ops(OpList& ops);         // ops/rearrange.cpp
void add_axis_map_ops(OpList& ops);          // ops/axis_map.cpp
void add_affine_ops(OpList& ops);            // ops/affine.cpp
void add_erf_ops(OpList& ops);               // ops/erf.cpp
void add_prelu_ops(OpList& ops);             // ops/prelu.cpp
void add_dropout_ops(OpList& ops);           // ops/dropout.cpp
void add_loss_ops(OpList& ops);              // ops/loss.cpp
void add_binary_loss_ops(OpList& ops);       // ops/binary_loss.cpp
void add_metric_ops(OpList& ops);            // ops/metric.cpp
void add_optimizer_ops(OpList& ops);         // ops/optimizer.cpp, which adds the next two as well
void add_scaled_optimizer_ops(OpList& ops);  // ops/optimizer_scaled.cpp
void add_variable_ops(OpList& ops);          // ops/variable_updates.cpp
void add_schedule_ops(OpList& ops);          // ops/schedule.cpp
void add_gradients_op(OpList& ops);          // graph/gradients_op.cpp

}  // namespace cnnfast
