// Checks that the losses and metrics share: predictions (..., classes) against one-hot targets or
// integer labels.
#pragma once

#include "ops/op.h"

namespace cnnfast {

struct RowSizes {
  std::int64_t rows, classes;
};
// The shape as rows of its last axis; it must be concrete.
RowSizes row_sizes(const TensorType& type);
// How many vectors of 16 floats the rows take: work, for deciding on threads.
double vectors_of(const RowSizes& s);

Shape without_last(const Shape& shape);
bool shapes_agree(const Shape& a, const Shape& b);

// Input 0 is y_pred (..., classes), input 1 is y_true of the same shape and dtype.
void expect_one_hot_targets(std::string_view op, const Call& call);
// Input 0 is y_pred (..., classes), input 1 is labels (...) of uint8, int32 or int64.
void expect_labels(std::string_view op, const Call& call);

}  // namespace cnnfast
