// sgd_update and adam_update; rmsprop_update and adagrad_update are in optimizer_scaled.cpp.
#include "reference/optimizer.h"

#include <array>
#include <cmath>

#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/optimizer_checks.h"
#include "ops/update_step.h"

namespace cnnfast {

namespace {

// ---- sgd_update --------------------------------------------------------------------------------

template <class T>
reference::SgdOptions<T> sgd_options(const Attributes& attributes) {
  return {static_cast<T>(attributes.real("momentum", 0)),
          static_cast<T>(attributes.real("weight_decay", 0)),
          attributes.boolean("nesterov", false)};
}

// Absent without momentum; the input behind it may be the counter of steps.
Slot velocity_of(const Problem& p, StepBuilder& steps) {
  const int gated = p.attributes.integer("every", 1) > 1 ? 1 : 0;
  return p.input_count() - gated == 4 ? steps.input(3) : Slot{};
}

void build_reference_sgd(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel();
  const DType lr_dtype = p.input(2).dtype;
  const Slot w = steps.input(0), g = steps.input(1), lr = steps.input(2);
  const Slot velocity = velocity_of(p, steps);
  const Gate gate = gate_of(p, steps);
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto options = sgd_options<T>(p.attributes);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread == 0 && gate.due(run))
        reference::sgd_update(run.ptr<T>(w), run.ptr<const T>(g),
                              static_cast<T>(learning_rate(run, lr, lr_dtype)),
                              run.ptr<T>(velocity), size, options);
    });
  });
}

void build_vector_sgd(const Problem& p, StepBuilder& steps) {
  const DType lr_dtype = p.input(2).dtype;
  const auto options = sgd_options<float>(p.attributes);
  const Slot w = steps.input(0), g = steps.input(1), lr = steps.input(2);
  const Slot velocity = velocity_of(p, steps);
  const Gate gate = gate_of(p, steps);
  const auto kernel = p.kernels.train.sgd;
  add_update_step(p, steps, [=](const Run& run, const Pieces& pieces) {
    if (!gate.due(run)) return;
    SgdStep call{};
    call.size = pieces.size;
    call.lr = static_cast<float>(learning_rate(run, lr, lr_dtype));
    call.momentum = options.momentum;
    call.weight_decay = options.weight_decay;
    call.nesterov = options.nesterov;
    pieces.each([&](std::int64_t first) {
      call.w = run.ptr<float>(w) + first;
      call.g = run.ptr<const float>(g) + first;
      if (velocity.present()) call.velocity = run.ptr<float>(velocity) + first;
      kernel(call);
    });
  });
}

const FunctionImplementation kVectorSgd{"vector", declines_unless_f32_parameter, build_vector_sgd};
const FunctionImplementation kReferenceSgd{"reference", nullptr, build_reference_sgd};
constexpr std::array<const Implementation*, 2> kSgdImplementations{&kVectorSgd, &kReferenceSgd};

class SgdUpdate final : public Op {
 public:
  std::string_view name() const override { return "sgd_update"; }
  bool updates(int input) const override { return input == 0 || input == 3; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 3, 5);
    const int count = inputs_before_gate(name(), call);
    if (count < 3 || count > 4)
      value_error(name(), ": expected param, grad, learning rate and perhaps velocity, got ", count,
                  " inputs");
    expect_floating(name(), call, 0, "param");
    expect_concrete(name(), call, "param");
    expect_like(name(), call, 1, "grad", "param");
    expect_learning_rate(name(), call, 2);
    if (count == 4) expect_like(name(), call, 3, "velocity", "param");
    const double momentum = real_in(name(), call.attributes, "momentum", 0, 0, 1);
    call.attributes.boolean("nesterov", false);
    real_in(name(), call.attributes, "weight_decay", 0, 0, kLargestReal);
    if (momentum > 0 && count != 4)
      value_error(name(), ": momentum ", momentum, " needs a velocity variable as fourth input");
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kSgdImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 4.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

// ---- adam_update -------------------------------------------------------------------------------

template <class T>
reference::AdamOptions<T> adam_options(const Attributes& attributes) {
  return {static_cast<T>(attributes.real("beta1", 0.9)),
          static_cast<T>(attributes.real("beta2", 0.999)),
          static_cast<T>(attributes.real("epsilon", 1e-7)),
          static_cast<T>(attributes.real("weight_decay", 0))};
}

void build_reference_adam(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel();
  const DType lr_dtype = p.input(2).dtype;
  const double beta1 = p.attributes.real("beta1", 0.9), beta2 = p.attributes.real("beta2", 0.999);
  const Slot w = steps.input(0), g = steps.input(1), lr = steps.input(2);
  const Slot m = steps.input(3), v = steps.input(4), step = steps.input(5);
  const Slot largest = p.attributes.boolean("amsgrad", false) ? steps.input(6) : Slot{};
  const Gate gate = gate_of(p, steps);
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto options = adam_options<T>(p.attributes);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0 || !gate.due(run)) return;
      const double rate = learning_rate(run, lr, lr_dtype);
      const double size_of_step =
          reference::adam_step_size(rate, beta1, beta2, *run.ptr<const std::int64_t>(step) + 1);
      reference::adam_update(run.ptr<T>(w), run.ptr<const T>(g), static_cast<T>(rate),
                             run.ptr<T>(m), run.ptr<T>(v), run.ptr<T>(largest),
                             static_cast<T>(size_of_step), size, options);
    });
  });
}

void build_vector_adam(const Problem& p, StepBuilder& steps) {
  const DType lr_dtype = p.input(2).dtype;
  const double beta1 = p.attributes.real("beta1", 0.9), beta2 = p.attributes.real("beta2", 0.999);
  const double decay = p.attributes.real("weight_decay", 0);
  const float epsilon = static_cast<float>(p.attributes.real("epsilon", 1e-7));
  const Slot w = steps.input(0), g = steps.input(1), lr = steps.input(2);
  const Slot m = steps.input(3), v = steps.input(4), step = steps.input(5);
  const Slot largest = p.attributes.boolean("amsgrad", false) ? steps.input(6) : Slot{};
  const Gate gate = gate_of(p, steps);
  const auto kernel = p.kernels.train.adam;
  add_update_step(p, steps, [=](const Run& run, const Pieces& pieces) {
    if (!gate.due(run)) return;
    const double rate = learning_rate(run, lr, lr_dtype);
    AdamStep call{};
    call.size = pieces.size;
    call.step_size = static_cast<float>(
        reference::adam_step_size(rate, beta1, beta2, *run.ptr<const std::int64_t>(step) + 1));
    call.one_minus_beta1 = static_cast<float>(1 - beta1);
    call.one_minus_beta2 = static_cast<float>(1 - beta2);
    call.epsilon = epsilon;
    call.decay = static_cast<float>(rate * decay);
    pieces.each([&](std::int64_t first) {
      call.w = run.ptr<float>(w) + first;
      call.g = run.ptr<const float>(g) + first;
      call.m = run.ptr<float>(m) + first;
      call.v = run.ptr<float>(v) + first;
      if (largest.present()) call.v_largest = run.ptr<float>(largest) + first;
      kernel(call);
    });
  });
}

const FunctionImplementation kVectorAdam{"vector", declines_unless_f32_parameter,
                                         build_vector_adam};
const FunctionImplementation kReferenceAdam{"reference", nullptr, build_reference_adam};
constexpr std::array<const Implementation*, 2> kAdamImplementations{&kVectorAdam, &kReferenceAdam};

class AdamUpdate final : public Op {
 public:
  std::string_view name() const override { return "adam_update"; }
  bool updates(int input) const override {
    return input == 0 || input == 3 || input == 4 || input == 6;
  }
  std::vector<TensorType> infer(const Call& call) const override {
    const bool amsgrad = call.attributes.boolean("amsgrad", false);
    expect_inputs(name(), call, 6, 8);
    const int count = inputs_before_gate(name(), call);
    if (count != (amsgrad ? 7 : 6))
      value_error(name(), ": expected param, grad, learning rate, m, v, step",
                  amsgrad ? " and the largest v" : "", ", got ", count, " inputs");
    expect_floating(name(), call, 0, "param");
    expect_concrete(name(), call, "param");
    expect_like(name(), call, 1, "grad", "param");
    expect_learning_rate(name(), call, 2);
    expect_like(name(), call, 3, "m", "param");
    expect_like(name(), call, 4, "v", "param");
    expect_counter(name(), call, 5, "step");
    if (amsgrad) expect_like(name(), call, 6, "the largest v", "param");
    const double below_one = std::nextafter(1.0, 0.0);
    real_in(name(), call.attributes, "beta1", 0.9, 0, below_one);
    real_in(name(), call.attributes, "beta2", 0.999, 0, below_one);
    real_in(name(), call.attributes, "epsilon", 1e-7, 0, kLargestReal);
    real_in(name(), call.attributes, "weight_decay", 0, 0, kLargestReal);
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kAdamImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 12.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

}  // namespace

void add_optimizer_ops(OpList& ops) {
  ops.push_back(std::make_unique<SgdUpdate>());
  ops.push_back(std::make_unique<AdamUpdate>());
  add_scaled_optimizer_ops(ops);
  add_variable_ops(ops);
}

}  // namespace cnnfast
