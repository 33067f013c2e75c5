#include "ops/row_labels.h"

namespace cnnfast {

namespace {

void expect_predictions(std::string_view op, const Call& call) {
  expect_floating(op, call, 0, "y_pred");
  const Shape& shape = call.input(0).shape;
  if (shape.rank() < 1) value_error(op, ": y_pred must have an axis of classes, got a scalar");
  if (shape[shape.rank() - 1] == 0)
    value_error(op, ": y_pred must have at least one class, got shape ", shape);
}

}  // namespace

RowSizes row_sizes(const TensorType& type) {
  const int last = type.shape.rank() - 1;
  return {type.shape.product(0, last), type.shape[last]};
}

double vectors_of(const RowSizes& s) {
  return static_cast<double>(s.rows) * static_cast<double>((s.classes + 15) / 16);
}

Shape without_last(const Shape& shape) {
  std::vector<std::int64_t> sizes = shape.vector();
  sizes.pop_back();
  return Shape(sizes);
}

bool shapes_agree(const Shape& a, const Shape& b) {
  if (a.rank() != b.rank()) return false;
  for (int i = 0; i < a.rank(); ++i)
    if (!sizes_agree(a[i], b[i])) return false;
  return true;
}

void expect_one_hot_targets(std::string_view op, const Call& call) {
  expect_predictions(op, call);
  const TensorType &y_pred = call.input(0), &y_true = call.input(1);
  if (y_true.dtype != y_pred.dtype)
    type_error(op, ": y_true must have y_pred's dtype ", name_of(y_pred.dtype), ", got ",
               y_true.str(),
               is_integer(y_true.dtype)
                   ? "; for integer labels use the sparse form, or encode them one-hot"
                   : "; cast one of them");
  if (!shapes_agree(y_pred.shape, y_true.shape))
    value_error(op, ": y_true must have y_pred's shape ", y_pred.shape, ", got ", y_true.shape,
                "; for class labels use the sparse form");
}

void expect_labels(std::string_view op, const Call& call) {
  expect_predictions(op, call);
  const TensorType &y_pred = call.input(0), &labels = call.input(1);
  if (!is_integer(labels.dtype))
    type_error(op, ": labels must be uint8, int32 or int64, got ", labels.str(),
               "; cast them, or use the form for one-hot targets");
  const Shape expected = without_last(y_pred.shape);
  if (!shapes_agree(expected, labels.shape))
    value_error(op, ": labels must have shape ", expected, " for y_pred ", y_pred.shape, ", got ",
                labels.shape);
}

}  // namespace cnnfast
