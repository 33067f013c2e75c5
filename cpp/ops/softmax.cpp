// softmax, log_softmax and softmax_backward over the last axis.
#include "ops/softmax.h"

#include <array>

#include "ops/dispatch.h"
#include "ops/row_labels.h"
#include "ops/row_step.h"
#include "reference/softmax.h"

namespace cnnfast {

namespace {

void expect_last_axis(std::string_view op, const Call& call) {
  const int rank = call.input(0).shape.rank();
  if (rank < 1) value_error(op, ": x must have at least one axis, got a scalar");
  const std::int64_t axis = call.attributes.integer("axis", -1);
  if (axis != -1 && axis != rank - 1)
    value_error(op, ": axis must be the last one (-1 or ", rank - 1, "), got ", axis,
                "; transpose x first");
}

std::vector<TensorType> infer_forward(std::string_view op, const Call& call) {
  expect_inputs(op, call, 1, 1);
  expect_floating(op, call, 0, "x");
  expect_last_axis(op, call);
  return {call.input(0)};
}

double softmax_flops(const Call& call) {
  return 5.0 * static_cast<double>(call.input(0).shape.numel());  // max, subtract, exp, add, divide
}

// Operand and result together.
bool exceeds_caches(const RowSizes& s) { return 2 * s.rows * s.classes > kCachedFloats; }

// ---- softmax -----------------------------------------------------------------------------------

template <bool kLog>
void build_reference(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const Slot x = steps.input(0), y = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0) return;
      if constexpr (kLog)
        reference::log_softmax(run.ptr<const T>(x), run.ptr<T>(y), s.rows, s.classes);
      else
        reference::softmax(run.ptr<const T>(x), run.ptr<T>(y), s.rows, s.classes);
    });
  });
}

template <bool kLog>
void build_vector(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const Slot x = steps.input(0), y = steps.output();
  const TrainKernels& kernels = p.kernels.train;
  const bool uncached = exceeds_caches(s);
  add_rows_step(p, steps, "rows", p.input(0), vectors_of(s),
                [=, &kernels](const Run& run, std::int64_t row, std::int64_t end) {
                  const float* from = run.ptr<const float>(x) + row * s.classes;
                  float* to = run.ptr<float>(y) + row * s.classes;
                  if constexpr (kLog)
                    kernels.log_softmax(from, to, end - row, s.classes);
                  else
                    kernels.softmax(from, to, end - row, s.classes, uncached);
                });
}

const FunctionImplementation kVector{"vector", declines_unless_f32, build_vector<false>};
const FunctionImplementation kReference{"reference", nullptr, build_reference<false>};
constexpr std::array<const Implementation*, 2> kImplementations{&kVector, &kReference};

class Softmax final : public Op {
 public:
  std::string_view name() const override { return "softmax"; }
  std::vector<TensorType> infer(const Call& call) const override {
    return infer_forward("softmax", call);
  }
  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue || !g.wants(0)) return;
    g.give(0, g.add("softmax_backward", {g.output(0), g.output_gradient(0)})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return kImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return softmax_flops(call);
  }
};

// ---- log_softmax -------------------------------------------------------------------------------

const FunctionImplementation kVectorLog{"vector", declines_unless_f32, build_vector<true>};
const FunctionImplementation kReferenceLog{"reference", nullptr, build_reference<true>};
constexpr std::array<const Implementation*, 2> kLogImplementations{&kVectorLog, &kReferenceLog};

class LogSoftmax final : public Op {
 public:
  std::string_view name() const override { return "log_softmax"; }
  std::vector<TensorType> infer(const Call& call) const override {
    return infer_forward("log_softmax", call);
  }
  // dx = dy - exp(y) sum(dy)
  void gradient(GradientContext& g) const override {
    const ValueId dy = g.output_gradient(0);
    if (dy == kNoValue || !g.wants(0)) return;
    const std::int64_t last = g.type(dy).shape.rank() - 1;
    const ValueId sum =
        g.add("sum", {dy}, {{"axes", std::vector<std::int64_t>{last}}, {"keepdims", true}})[0];
    const ValueId p = g.add("exp", {g.output(0)})[0];
    const ValueId share = g.add("multiply", {p, sum})[0];
    g.give(0, g.add("subtract", {dy, share})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return kLogImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return softmax_flops(call);
  }
};

// ---- softmax_backward --------------------------------------------------------------------------

void build_reference_backward(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const Slot y = steps.input(0), dy = steps.input(1), dx = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread == 0)
        reference::softmax_backward(run.ptr<const T>(y), run.ptr<const T>(dy), run.ptr<T>(dx),
                                    s.rows, s.classes);
    });
  });
}

void build_vector_backward(const Problem& p, StepBuilder& steps) {
  const RowSizes s = row_sizes(p.input(0));
  const Slot y = steps.input(0), dy = steps.input(1), dx = steps.output();
  const bool uncached = exceeds_caches(s);
  const auto kernel = p.kernels.train.softmax_backward;
  add_rows_step(p, steps, "rows", p.input(0), vectors_of(s) / 8,
                [=](const Run& run, std::int64_t row, std::int64_t end) {
                  const std::int64_t at = row * s.classes;
                  kernel(run.ptr<const float>(y) + at, run.ptr<const float>(dy) + at,
                         run.ptr<float>(dx) + at, end - row, s.classes, uncached);
                });
}

const FunctionImplementation kVectorBackward{"vector", declines_unless_f32, build_vector_backward};
const FunctionImplementation kReferenceBackward{"reference", nullptr, build_reference_backward};
constexpr std::array<const Implementation*, 2> kBackwardImplementations{&kVectorBackward,
                                                                        &kReferenceBackward};

class SoftmaxBackward final : public Op {
 public:
  std::string_view name() const override { return "softmax_backward"; }
  std::vector<TensorType> infer(const Call& call) const override {
    const char* op = "softmax_backward";
    expect_inputs(op, call, 2, 2);
    expect_floating(op, call, 0, "y");
    expect_floating(op, call, 1, "dy");
    expect_same_dtype(op, call);
    expect_last_axis(op, call);
    const Shape &y = call.input(0).shape, &dy = call.input(1).shape;
    if (!shapes_agree(y, dy))
      value_error(op, ": y and dy must have the same shape, got ", y, " and ", dy);
    return {call.input(0)};
  }
  // dx = y (dy - s), s = sum(dy y). With g arriving at dx: dy gets y (g - sum(g y)), y gets
  // g (dy - s) - dy sum(g y).
  void gradient(GradientContext& c) const override {
    const ValueId g = c.output_gradient(0), y = c.input(0), dy = c.input(1);
    if (g == kNoValue) return;
    if (c.wants(1)) c.give(1, c.add("softmax_backward", {y, g})[0]);
    if (!c.wants(0)) return;
    const std::int64_t last = c.type(y).shape.rank() - 1;
    const auto dot_with_y = [&](ValueId v) {
      const ValueId product = c.add("multiply", {v, y})[0];
      return c.add("sum", {product},
                   {{"axes", std::vector<std::int64_t>{last}}, {"keepdims", true}})[0];
    };
    const ValueId centred = c.add("subtract", {dy, dot_with_y(dy)})[0];
    const ValueId first = c.add("multiply", {g, centred})[0];
    const ValueId second = c.add("multiply", {dy, dot_with_y(g)})[0];
    c.give(0, c.add("subtract", {first, second})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return kBackwardImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 4.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

}  // namespace

void add_softmax_ops(OpList& ops) {
  ops.push_back(std::make_unique<Softmax>());
  ops.push_back(std::make_unique<LogSoftmax>());
  ops.push_back(std::make_unique<SoftmaxBackward>());
}

}  // namespace cnnfast
