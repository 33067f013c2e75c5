// categorical_crossentropy, sparse_categorical_crossentropy and their backward ops: one loss for
// every row of y_pred (..., classes).
#include "reference/loss.h"

#include <array>

#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/row_labels.h"
#include "ops/row_step.h"
#include "ops/softmax.h"

namespace cnnfast {

namespace {

double smoothing_of(const char* op, const Attributes& attributes) {
  const double smoothing = attributes.real("label_smoothing", 0);
  if (!(smoothing >= 0 && smoothing <= 1))
    value_error(op, ": label_smoothing must be between 0 and 1, got ", smoothing);
  return smoothing;
}

// dlosses has one value for every row.
void expect_loss_gradient(const char* op, const Call& call) {
  expect_floating(op, call, 2, "dlosses");
  if (call.input(2).dtype != call.input(0).dtype)
    type_error(op, ": dlosses must have y_pred's dtype ", name_of(call.input(0).dtype), ", got ",
               call.input(2).str());
  const Shape expected = without_last(call.input(0).shape);
  if (!shapes_agree(expected, call.input(2).shape))
    value_error(op, ": dlosses must have shape ", expected, " for y_pred ", call.input(0).shape,
                ", got ", call.input(2).shape);
}

double loss_flops(const Call& call) {
  return 6.0 * static_cast<double>(call.input(0).shape.numel());
}

// ---- categorical_crossentropy ------------------------------------------------------------------

void build_reference(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const bool from_logits = p.attributes.boolean("from_logits", false);
  const double smoothing = p.attributes.real("label_smoothing", 0);
  const Slot y_pred = steps.input(0), y_true = steps.input(1), losses = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread == 0)
        reference::categorical_crossentropy(run.ptr<const T>(y_pred), run.ptr<const T>(y_true),
                                            run.ptr<T>(losses), s.rows, s.classes, from_logits,
                                            static_cast<T>(smoothing));
    });
  });
}

// The kernels' view of a node, with input and output pointers left open.
CrossEntropy kernel_call(const Problem& p) {
  const RowSizes s = row_sizes(p.input(0));
  CrossEntropy e{};
  e.classes = s.classes;
  e.from_logits = p.attributes.boolean("from_logits", false);
  e.smoothing = static_cast<float>(p.attributes.real("label_smoothing", 0));
  e.label_type = p.input(1).dtype == DType::u8    ? LabelType::uint8
                 : p.input(1).dtype == DType::i32 ? LabelType::int32
                                                  : LabelType::int64;
  return e;
}

// All four ops: the losses, or with dlosses the gradients.
void build_vector(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const CrossEntropy layout = kernel_call(p);
  const bool backward = p.input_count() == 3;
  const bool sparse = is_integer(p.input(1).dtype);
  const Slot y_pred = steps.input(0), target = steps.input(1), dlosses = steps.input(2);
  const Slot out = steps.output();
  const auto kernel =
      backward ? p.kernels.train.cross_entropy_backward : p.kernels.train.cross_entropy;
  const std::int64_t label_bytes = static_cast<std::int64_t>(size_of(p.input(1).dtype));
  add_rows_step(p, steps, "rows", p.input(0), vectors_of(s),
                [=](const Run& run, std::int64_t row, std::int64_t end) {
                  CrossEntropy e = layout;
                  e.rows = end - row;
                  e.y_pred = run.ptr<const float>(y_pred) + row * e.classes;
                  if (sparse)
                    e.labels = run.ptr<const std::byte>(target) + row * label_bytes;
                  else
                    e.y_true = run.ptr<const float>(target) + row * e.classes;
                  if (backward) e.dlosses = run.ptr<const float>(dlosses) + row;
                  e.out = run.ptr<float>(out) + (backward ? row * e.classes : row);
                  kernel(e);
                });
}

const FunctionImplementation kVector{"vector", declines_unless_f32, build_vector};
const FunctionImplementation kReference{"reference", nullptr, build_reference};
constexpr std::array<const Implementation*, 2> kImplementations{&kVector, &kReference};

// log(p) of y_pred, made of ordinary ops.
ValueId log_probabilities(GradientContext& g, ValueId y_pred, bool from_logits) {
  if (from_logits) return g.add("log_softmax", {y_pred}, {{"axis", std::int64_t{-1}}})[0];
  TensorType number = g.type(y_pred);
  const std::vector<std::int64_t> last = {number.shape.rank() - 1};
  number.shape = Shape{};
  const ValueId sum = g.add("sum", {y_pred}, {{"axes", last}, {"keepdims", true}})[0];
  const ValueId p = g.add("divide", {y_pred, sum})[0];
  const ValueId above = g.add("maximum", {p, g.fill(number, reference::kSmallestProbability)})[0];
  return g.add("log", {g.add("minimum",
                             {above, g.fill(number, 1 - reference::kSmallestProbability)})[0]})[0];
}

// -dloss (1 - smoothing) log(p): wanted where the targets are computed too (distillation), so
// rarely that it has no kernel of its own.
void give_gradient_of_targets(GradientContext& g) {
  const Attributes& attributes = g.node().attributes;
  const ValueId log_p = log_probabilities(g, g.input(0), attributes.boolean("from_logits", false));
  TensorType number = g.type(g.input(0));
  std::vector<std::int64_t> column = g.type(g.output_gradient(0)).shape.vector();
  column.push_back(1);
  number.shape = Shape{};
  const double scale = smoothing_of("categorical_crossentropy", attributes) - 1;
  const ValueId dlosses = g.add("reshape", {g.output_gradient(0)}, {{"shape", column}})[0];
  const ValueId scaled = g.add("multiply", {dlosses, g.fill(number, scale)})[0];
  g.give(1, g.add("multiply", {log_p, scaled})[0]);
}

class CategoricalCrossentropy final : public Op {
 public:
  std::string_view name() const override { return "categorical_crossentropy"; }
  std::vector<TensorType> infer(const Call& call) const override {
    const char* op = "categorical_crossentropy";
    expect_inputs(op, call, 2, 2);
    expect_one_hot_targets(op, call);
    call.attributes.boolean("from_logits", false);
    smoothing_of(op, call.attributes);
    TensorType losses = call.input(0);
    losses.shape = without_last(losses.shape);
    return {losses};
  }
  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue) return;
    if (g.wants(0))
      g.give(0, g.add("categorical_crossentropy_backward",
                      {g.input(0), g.input(1), g.output_gradient(0)}, g.node().attributes)[0]);
    if (g.wants(1)) give_gradient_of_targets(g);
  }
  std::span<const Implementation* const> implementations() const override {
    return kImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return loss_flops(call);
  }
};

void build_reference_backward(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const bool from_logits = p.attributes.boolean("from_logits", false);
  const double smoothing = p.attributes.real("label_smoothing", 0);
  const Slot y_pred = steps.input(0), y_true = steps.input(1), dlosses = steps.input(2);
  const Slot dx = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread == 0)
        reference::categorical_crossentropy_backward(
            run.ptr<const T>(y_pred), run.ptr<const T>(y_true), run.ptr<const T>(dlosses),
            run.ptr<T>(dx), s.rows, s.classes, from_logits, static_cast<T>(smoothing));
    });
  });
}

const FunctionImplementation kReferenceBackward{"reference", nullptr, build_reference_backward};
constexpr std::array<const Implementation*, 2> kBackwardImplementations{&kVector,
                                                                        &kReferenceBackward};

class CategoricalCrossentropyBackward final : public Op {
 public:
  std::string_view name() const override { return "categorical_crossentropy_backward"; }
  std::vector<TensorType> infer(const Call& call) const override {
    const char* op = "categorical_crossentropy_backward";
    expect_inputs(op, call, 3, 3);
    expect_one_hot_targets(op, call);
    expect_loss_gradient(op, call);
    call.attributes.boolean("from_logits", false);
    smoothing_of(op, call.attributes);
    return {call.input(0)};
  }
  std::span<const Implementation* const> implementations() const override {
    return kBackwardImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return loss_flops(call);
  }
};

// ---- sparse_categorical_crossentropy -----------------------------------------------------------

void build_reference_sparse(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const bool from_logits = p.attributes.boolean("from_logits", false);
  const Slot y_pred = steps.input(0), labels = steps.input(1), losses = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    for_labels(p.input(1).dtype, [&](auto label) {
      using T = decltype(zero);
      using Label = decltype(label);
      steps.step({"reference"}, [=](const Run& run, int thread, int) {
        if (thread == 0)
          reference::sparse_categorical_crossentropy(
              run.ptr<const T>(y_pred), run.ptr<const Label>(labels), run.ptr<T>(losses), s.rows,
              s.classes, from_logits);
      });
    });
  });
}

const FunctionImplementation kReferenceSparse{"reference", nullptr, build_reference_sparse};
constexpr std::array<const Implementation*, 2> kSparseImplementations{&kVector, &kReferenceSparse};

class SparseCategoricalCrossentropy final : public Op {
 public:
  std::string_view name() const override { return "sparse_categorical_crossentropy"; }
  std::vector<TensorType> infer(const Call& call) const override {
    const char* op = "sparse_categorical_crossentropy";
    expect_inputs(op, call, 2, 2);
    expect_labels(op, call);
    call.attributes.boolean("from_logits", false);
    TensorType losses = call.input(0);
    losses.shape = without_last(losses.shape);
    return {losses};
  }
  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue || !g.wants(0)) return;
    g.give(0, g.add("sparse_categorical_crossentropy_backward",
                    {g.input(0), g.input(1), g.output_gradient(0)}, g.node().attributes)[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return kSparseImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return loss_flops(call);
  }
};

void build_reference_sparse_backward(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const bool from_logits = p.attributes.boolean("from_logits", false);
  const Slot y_pred = steps.input(0), labels = steps.input(1), dlosses = steps.input(2);
  const Slot dx = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    for_labels(p.input(1).dtype, [&](auto label) {
      using T = decltype(zero);
      using Label = decltype(label);
      steps.step({"reference"}, [=](const Run& run, int thread, int) {
        if (thread == 0)
          reference::sparse_categorical_crossentropy_backward(
              run.ptr<const T>(y_pred), run.ptr<const Label>(labels), run.ptr<const T>(dlosses),
              run.ptr<T>(dx), s.rows, s.classes, from_logits);
      });
    });
  });
}

const FunctionImplementation kReferenceSparseBackward{"reference", nullptr,
                                                      build_reference_sparse_backward};
constexpr std::array<const Implementation*, 2> kSparseBackwardImplementations{
    &kVector, &kReferenceSparseBackward};

class SparseCategoricalCrossentropyBackward final : public Op {
 public:
  std::string_view name() const override { return "sparse_categorical_crossentropy_backward"; }
  std::vector<TensorType> infer(const Call& call) const override {
    const char* op = "sparse_categorical_crossentropy_backward";
    expect_inputs(op, call, 3, 3);
    expect_labels(op, call);
    expect_loss_gradient(op, call);
    call.attributes.boolean("from_logits", false);
    return {call.input(0)};
  }
  std::span<const Implementation* const> implementations() const override {
    return kSparseBackwardImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return loss_flops(call);
  }
};

}  // namespace

void add_loss_ops(OpList& ops) {
  add_softmax_ops(ops);
  ops.push_back(std::make_unique<CategoricalCrossentropy>());
  ops.push_back(std::make_unique<CategoricalCrossentropyBackward>());
  ops.push_back(std::make_unique<SparseCategoricalCrossentropy>());
  ops.push_back(std::make_unique<SparseCategoricalCrossentropyBackward>());
}

}  // namespace cnnfast
