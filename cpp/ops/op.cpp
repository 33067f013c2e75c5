#include "ops/op.h"

namespace cnnfast {

void Op::gradient(GradientContext& g) const {
  (void)g;
  value_error(name(),
              ": this op has no gradient; use stop_gradient on its result where none is "
              "meant to flow");
}

double Op::flops(const Call& call, std::span<const TensorType> outputs) const {
  (void)call;
  double total = 0;
  for (const TensorType& t : outputs) total += static_cast<double>(t.shape.numel());
  return total;
}

double Op::bytes(const Call& call, std::span<const TensorType> outputs) const {
  double total = 0;
  for (const TensorType& t : call.inputs) total += static_cast<double>(t.bytes());
  for (const TensorType& t : outputs) total += static_cast<double>(t.bytes());
  return total;
}

std::optional<std::string> declines_unless_f32(const Problem& problem) {
  const auto wrong = [](const TensorType& t) {
    return is_floating(t.dtype) && t.dtype != DType::f32;
  };
  for (const TensorType& t : problem.inputs)
    if (wrong(t)) return concat("dtype is ", name_of(t.dtype), ", this kernel computes in float32");
  for (const TensorType& t : problem.outputs)
    if (wrong(t)) return concat("dtype is ", name_of(t.dtype), ", this kernel computes in float32");
  return std::nullopt;
}

void expect_inputs(std::string_view op, const Call& call, int least, int most) {
  if (call.count() >= least && call.count() <= most) return;
  if (least == most) value_error(op, ": expected ", least, " inputs, got ", call.count());
  value_error(op, ": expected ", least, " to ", most, " inputs, got ", call.count());
}

void expect_rank(std::string_view op, const Call& call, int input, const char* what, int rank) {
  const Shape& shape = call.input(input).shape;
  if (shape.rank() != rank)
    value_error(op, ": ", what, " must have ", rank, " axes, got ", shape.rank(), " in shape ",
                shape);
}

void expect_floating(std::string_view op, const Call& call, int input, const char* what) {
  const DType dtype = call.input(input).dtype;
  if (!is_floating(dtype))
    type_error(op, ": ", what, " must be float32 or float64, got ", name_of(dtype),
               "; convert it with cast(x, 'float32')");
}

void expect_same_dtype(std::string_view op, const Call& call) {
  const TensorType* first = nullptr;
  for (const TensorType& t : call.inputs) {
    if (!is_floating(t.dtype)) continue;
    if (first && first->dtype != t.dtype)
      type_error(op, ": inputs have different dtypes, ", name_of(first->dtype), " and ",
                 name_of(t.dtype), "; convert one with cast(x, '", name_of(first->dtype), "')");
    first = first ? first : &t;
  }
}

bool sizes_agree(std::int64_t a, std::int64_t b) {
  return a == b || a == kSymbolic || b == kSymbolic;
}

}  // namespace cnnfast
