#include "ops/optimizer_checks.h"

namespace cnnfast {

void expect_like(std::string_view op, const Call& call, int input, const char* what,
                 const char* first) {
  if (!(call.input(input) == call.input(0)))
    value_error(op, ": ", what, " must have the type of ", first, ", ", call.input(0).str(),
                ", got ", call.input(input).str());
}

void expect_concrete(std::string_view op, const Call& call, const char* what) {
  if (!call.input(0).shape.is_concrete())
    value_error(op, ": ", what, " must be a variable of known shape, got ", call.input(0).str());
}

void expect_learning_rate(std::string_view op, const Call& call, int input) {
  const TensorType& lr = call.input(input);
  if (lr.shape.rank() != 0 || !is_floating(lr.dtype))
    value_error(op, ": learning rate must be a float32 or float64 scalar, got ", lr.str());
}

void expect_counter(std::string_view op, const Call& call, int input, const char* what) {
  const TensorType& counter = call.input(input);
  if (counter.shape.rank() != 0 || counter.dtype != DType::i64)
    value_error(op, ": ", what, " must be an int64 scalar, got ", counter.str());
}

double real_in(std::string_view op, const Attributes& attributes, const char* name,
               double otherwise, double least, double most) {
  const double value = attributes.real(name, otherwise);
  if (!(value >= least && value <= most))
    value_error(op, ": ", name, " must be between ", least, " and ", most, ", got ", value);
  return value;
}

double learning_rate(const Run& run, Slot slot, DType dtype) {
  return dtype == DType::f64 ? *run.ptr<const double>(slot)
                             : static_cast<double>(*run.ptr<const float>(slot));
}

std::optional<std::string> declines_unless_f32_parameter(const Problem& p) {
  if (p.input(0).dtype == DType::f32) return std::nullopt;
  return concat("dtype is ", name_of(p.input(0).dtype), ", this kernel computes in float32");
}

int inputs_before_gate(std::string_view op, const Call& call) {
  const std::int64_t every = call.attributes.integer("every", 1);
  if (every < 1) value_error(op, ": every must be at least 1, got ", every);
  if (every == 1) return call.count();
  if (call.count() < 2)
    value_error(op, ": every=", every, " needs a counter of steps as last input");
  expect_counter(op, call, call.count() - 1, "the counter of steps");
  return call.count() - 1;
}

Gate gate_of(const Problem& p, StepBuilder& steps) {
  Gate gate;
  gate.every = p.attributes.integer("every", 1);
  if (gate.every > 1) gate.counter = steps.input(p.input_count() - 1);
  return gate;
}

}  // namespace cnnfast
