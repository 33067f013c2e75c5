// Graph -> Graph rewrites, in the order in which a plan runs them. Each returns a new graph (or
// edits one in place) whose nodes stand in an order in which they can run.
#pragma once

#include <functional>
#include <vector>

#include "cnnfast/graph.h"

namespace cnnfast {

// A graph and the values somebody wants from it; passes keep both in step.
struct Program {
  Graph graph;
  std::vector<ValueId> outputs;
};

// Runs every shape rule again with concrete input types (the traced batch is symbolic).
// ValueError when a type does not fit the traced one.
Program specialise(const Program& program, const std::vector<TensorType>& input_types);

// cross-entropy(softmax(z)) -> cross-entropy of logits z: one stable op whichever way it was
// written. Before differentiation.
void use_logits(Program& program);

// Replaces every "gradients" node by the ops that compute them (reverse mode, adjoints summed in
// a fixed order). Shapes must be concrete.
Program differentiate(const Program& program);

// activation_backward(y, max_pool2d_backward(g, argmax)), where the pooling was of y, becomes
// max_pool2d_backward(activation_backward(pooled, g), argmax): gradients arrive only at winners,
// and a winner's value is the pooled one. The mask is then taken over the small map, and y need
// not be kept. After differentiation.
void mask_before_unpooling(Program& program);

// conv2d/dense/batch_norm followed only by an activation -> the same with the activation as its
// epilogue. After differentiation: gradients of activations use their output, so nothing else
// changes.
void fuse_activations(Program& program);

// conv2d followed only by pooling over 2 x 2 places, two apart, -> conv2d that pools, where
// serves(conv2d, conv2d that pools) says that the way the convolution is made can pool too. After
// fuse_activations: what stood between the two is an attribute of the convolution by then.
void fuse_pooling(Program& program, const std::function<bool(const Node&, const Node&)>& serves);

// batch_norm_backward(x, activation_backward(y, dy)), where y is the batch norm of x behind that
// activation, becomes batch_norm_backward(x, dy) with the activation as an attribute: it finds
// the mask again from x, so that neither y is read nor the masked gradient written. After
// fuse_activations; what was activation_backward is dead.
void mask_in_normalisation(Program& program);

// transpose(transpose(x)) that cancel, and transposes of rank-preserving identity order.
void cancel_transposes(Program& program);

// Ops that nobody reads and that update no variable go.
void drop_dead(Program& program);

// Each update of a variable moves to right after the last reader of the old value, so that its
// gradient dies early; relative order of everything else stays.
void place_updates(Program& program);

}  // namespace cnnfast
