// Dropout: Srivastava et al., JMLR 15, 2014, in its inverted form (kept elements are scaled up).
// The mask is generated again in the backward pass and never stored.
#include "reference/dropout.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/strided_loop.h"

namespace cnnfast {

namespace {

struct DropoutAttributes {
  double rate;
  std::int64_t stream;
};
DropoutAttributes dropout_attributes(const Attributes& attributes) {
  return {attributes.real("rate"), attributes.integer("stream", 0)};
}

void dropout_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), state = steps.input(1), y = steps.output();
  const std::int64_t n = p.output().shape.numel();
  const DropoutAttributes a = dropout_attributes(p.attributes);
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      const std::int64_t* seed_step = run.ptr<const std::int64_t>(state);
      reference::dropout(run.ptr<const T>(x), run.ptr<T>(y), n,
                         reference::dropout_key(seed_step[0], seed_step[1], a.stream), a.rate);
    });
  });
}

void dropout_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), state = steps.input(1), y = steps.output();
  const Shape& shape = p.output().shape;
  const StridedLoop loop = flat_loop(shape.numel());
  const DropoutAttributes a = dropout_attributes(p.attributes);
  const auto kernel = p.kernels.elementwise.dropout;
  const std::uint32_t threshold = reference::dropout_threshold(a.rate);
  const auto scale = static_cast<float>(1.0 / (1.0 - a.rate));
  const double cost = static_cast<double>(shape.numel()) / 16 * 4;
  add_divided_step(
      steps, "vector", loop, divide_loop(p, loop, cost, rows_apply(shape, p.inputs.first(1))),
      [=](const Run& run, const StridedLoop&, Part part) {
        const std::int64_t* seed_step = run.ptr<const std::int64_t>(state);
        kernel(run.ptr<const float>(x) + part.begin(), run.ptr<float>(y) + part.begin(),
               part.range.begin, part.range.end,
               reference::dropout_key(seed_step[0], seed_step[1], a.stream), threshold, scale);
      });
}

const FunctionImplementation kVector("vector", declines_unless_f32, dropout_vector);
const FunctionImplementation kReference("reference", nullptr, dropout_reference);
const Implementation* const kImplementations[] = {&kVector, &kReference};

// dropout and dropout_backward do the same, to x and to dy.
class DropoutOp final : public Op {
 public:
  DropoutOp(const char* name, const char* operand) : name_(name), operand_(operand) {}

  std::string_view name() const override { return name_; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 2, 2);
    expect_attributes(name_, call, {"rate", "stream"});
    expect_floating(name_, call, 0, operand_);
    const TensorType& state = call.input(1);
    if (state.dtype != DType::i64 || state.shape != Shape{2})
      type_error(name_, ": state must be int64 (2,), a seed and a step, got ", state.str());
    const DropoutAttributes a = dropout_attributes(call.attributes);
    if (!(a.rate >= 0 && a.rate < 1))
      value_error(name_, ": rate must be at least 0 and below 1, got ", a.rate,
                  "; it is the fraction that is set to zero");
    if (a.stream < 0 || a.stream > 4294967295)
      value_error(name_, ": stream must be between 0 and 4294967295, got ", a.stream);
    return {call.input(0)};
  }
  void gradient(GradientContext& g) const override {
    if (g.wants(0))
      g.give(0,
             g.add("dropout_backward", {g.output_gradient(0), g.input(1)}, g.node().attributes)[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return kImplementations;
  }
  int overwrites(int) const override { return 0; }

 private:
  const char* name_;
  const char* operand_;
};

}  // namespace

void add_dropout_ops(OpList& ops) {
  ops.push_back(std::make_unique<DropoutOp>("dropout", "x"));
  ops.push_back(std::make_unique<DropoutOp>("dropout_backward", "dy"));
}

}  // namespace cnnfast
