// binary_crossentropy and its backward op: one loss for every value of y_pred.
#include <array>

#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/row_labels.h"
#include "ops/row_step.h"
#include "reference/loss.h"

namespace cnnfast {

namespace {

double smoothing_of(std::string_view op, const Attributes& attributes) {
  const double smoothing = attributes.real("label_smoothing", 0);
  if (!(smoothing >= 0 && smoothing <= 1))
    value_error(op, ": label_smoothing must be between 0 and 1, got ", smoothing);
  return smoothing;
}

// Inputs y_pred, y_true and, backward, dlosses: all of one type.
void expect_operands(std::string_view op, const Call& call, int count) {
  expect_inputs(op, call, count, count);
  expect_floating(op, call, 0, "y_pred");
  constexpr std::array<const char*, 3> names{"y_pred", "y_true", "dlosses"};
  for (int i = 1; i < count; ++i) {
    const char* name = names[static_cast<std::size_t>(i)];
    if (call.input(i).dtype != call.input(0).dtype)
      type_error(op, ": ", name, " must have y_pred's dtype ", name_of(call.input(0).dtype),
                 ", got ", call.input(i).str(), "; cast one of them");
    if (!shapes_agree(call.input(i).shape, call.input(0).shape))
      value_error(op, ": ", name, " must have y_pred's shape ", call.input(0).shape, ", got ",
                  call.input(i).shape, "; reshape one of them");
  }
  call.attributes.boolean("from_logits", false);
  smoothing_of(op, call.attributes);
}

void build_reference(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel();
  const bool from_logits = p.attributes.boolean("from_logits", false);
  const double smoothing = p.attributes.real("label_smoothing", 0);
  const bool backward = p.input_count() == 3;
  const Slot y_pred = steps.input(0), y_true = steps.input(1), dlosses = steps.input(2);
  const Slot out = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0) return;
      if (backward)
        reference::binary_crossentropy_backward(run.ptr<const T>(y_pred), run.ptr<const T>(y_true),
                                                run.ptr<const T>(dlosses), run.ptr<T>(out), size,
                                                from_logits, static_cast<T>(smoothing));
      else
        reference::binary_crossentropy(run.ptr<const T>(y_pred), run.ptr<const T>(y_true),
                                       run.ptr<T>(out), size, from_logits,
                                       static_cast<T>(smoothing));
    });
  });
}

// Both ops: the losses, or with dlosses the gradients.
void build_vector(const Problem& p, StepBuilder& steps) {
  BinaryCrossEntropy layout{};
  layout.from_logits = p.attributes.boolean("from_logits", false);
  layout.smoothing = static_cast<float>(p.attributes.real("label_smoothing", 0));
  const Slot y_pred = steps.input(0), y_true = steps.input(1), dlosses = steps.input(2);
  const Slot out = steps.output();
  const auto kernel = p.kernels.train.binary_cross_entropy;
  add_array_step(steps, "values", p.input(0).shape.numel(),
                 [=](const Run& run, std::int64_t first, std::int64_t count) {
                   BinaryCrossEntropy e = layout;
                   e.y_pred = run.ptr<const float>(y_pred) + first;
                   e.y_true = run.ptr<const float>(y_true) + first;
                   if (dlosses.present()) e.dlosses = run.ptr<const float>(dlosses) + first;
                   e.out = run.ptr<float>(out) + first;
                   e.size = count;
                   kernel(e);
                 });
}

const FunctionImplementation kVector{"vector", declines_unless_f32, build_vector};
const FunctionImplementation kReference{"reference", nullptr, build_reference};
constexpr std::array<const Implementation*, 2> kImplementations{&kVector, &kReference};

// (1 - smoothing) (log(1 - p) - log(p)), which is -z for logits: wanted where the targets are
// computed too, so rarely that it has no kernel of its own.
void give_gradient_of_targets(GradientContext& g) {
  const Attributes& attributes = g.node().attributes;
  TensorType number = g.type(g.input(0));
  number.shape = Shape{};
  ValueId slope = g.input(0);
  if (!attributes.boolean("from_logits", false)) {
    const ValueId above =
        g.add("maximum", {slope, g.fill(number, reference::kSmallestProbability)})[0];
    const ValueId p =
        g.add("minimum", {above, g.fill(number, 1 - reference::kSmallestProbability)})[0];
    const ValueId rest = g.add("subtract", {g.fill(number, 1), p})[0];
    slope = g.add("subtract", {g.add("log", {p})[0], g.add("log", {rest})[0]})[0];
  }
  const double scale = smoothing_of("binary_crossentropy", attributes) - 1;
  const ValueId scaled = g.add("multiply", {g.output_gradient(0), g.fill(number, scale)})[0];
  g.give(1, g.add("multiply", {slope, scaled})[0]);
}

class BinaryCrossentropyOp final : public Op {
 public:
  std::string_view name() const override { return "binary_crossentropy"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_operands(name(), call, 2);
    return {call.input(0)};
  }
  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue) return;
    if (g.wants(0))
      g.give(0, g.add("binary_crossentropy_backward",
                      {g.input(0), g.input(1), g.output_gradient(0)}, g.node().attributes)[0]);
    if (g.wants(1)) give_gradient_of_targets(g);
  }
  std::span<const Implementation* const> implementations() const override {
    return kImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 8.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

class BinaryCrossentropyBackward final : public Op {
 public:
  std::string_view name() const override { return "binary_crossentropy_backward"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_operands(name(), call, 3);
    return {call.input(0)};
  }
  std::span<const Implementation* const> implementations() const override {
    return kImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 8.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

}  // namespace

void add_binary_loss_ops(OpList& ops) {
  ops.push_back(std::make_unique<BinaryCrossentropyOp>());
  ops.push_back(std::make_unique<BinaryCrossentropyBackward>());
}

}  // namespace cnnfast
