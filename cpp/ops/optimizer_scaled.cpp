// rmsprop_update and adagrad_update: steps scaled by sums of squared gradients.
#include <array>
#include <cmath>

#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/optimizer_checks.h"
#include "ops/update_step.h"
#include "reference/optimizer.h"

namespace cnnfast {

namespace {

// ---- rmsprop_update ----------------------------------------------------------------------------

// Inputs: param, grad, learning rate, velocity, [average of gradients], [momentum], [counter].
struct RmspropSlots {
  Slot w, g, lr, velocity, average, momentum;

  RmspropSlots(const Problem& p, StepBuilder& steps)
      : w(steps.input(0)), g(steps.input(1)), lr(steps.input(2)), velocity(steps.input(3)) {
    int next = 4;
    if (p.attributes.boolean("centered", false)) average = steps.input(next++);
    if (p.attributes.real("momentum", 0) > 0) momentum = steps.input(next);
  }
};

void build_reference_rmsprop(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel();
  const DType lr_dtype = p.input(2).dtype;
  const RmspropSlots s(p, steps);
  const Gate gate = gate_of(p, steps);
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const reference::RmspropOptions<T> options{
        static_cast<T>(p.attributes.real("rho", 0.9)),
        static_cast<T>(p.attributes.real("momentum", 0)),
        static_cast<T>(p.attributes.real("epsilon", 1e-7)),
        static_cast<T>(p.attributes.real("weight_decay", 0))};
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0 || !gate.due(run)) return;
      reference::rmsprop_update(run.ptr<T>(s.w), run.ptr<const T>(s.g),
                                static_cast<T>(learning_rate(run, s.lr, lr_dtype)),
                                run.ptr<T>(s.velocity), run.ptr<T>(s.average),
                                run.ptr<T>(s.momentum), size, options);
    });
  });
}

void build_vector_rmsprop(const Problem& p, StepBuilder& steps) {
  const DType lr_dtype = p.input(2).dtype;
  const RmspropSlots s(p, steps);
  const Gate gate = gate_of(p, steps);
  const double decay = p.attributes.real("weight_decay", 0);
  const double rho = p.attributes.real("rho", 0.9);
  const auto momentum = static_cast<float>(p.attributes.real("momentum", 0));
  const auto epsilon = static_cast<float>(p.attributes.real("epsilon", 1e-7));
  const auto kernel = p.kernels.train.rmsprop;
  add_update_step(p, steps, [=](const Run& run, const Pieces& pieces) {
    if (!gate.due(run)) return;
    const double rate = learning_rate(run, s.lr, lr_dtype);
    RmspropStep call{};
    call.size = pieces.size;
    call.lr = static_cast<float>(rate);
    call.rho = static_cast<float>(rho);
    call.one_minus_rho = static_cast<float>(1 - rho);
    call.momentum = momentum;
    call.epsilon = epsilon;
    call.decay = static_cast<float>(rate * decay);
    pieces.each([&](std::int64_t first) {
      call.w = run.ptr<float>(s.w) + first;
      call.g = run.ptr<const float>(s.g) + first;
      call.velocity = run.ptr<float>(s.velocity) + first;
      if (s.average.present()) call.average = run.ptr<float>(s.average) + first;
      if (s.momentum.present()) call.momentum_buffer = run.ptr<float>(s.momentum) + first;
      kernel(call);
    });
  });
}

const FunctionImplementation kVectorRmsprop{"vector", declines_unless_f32_parameter,
                                            build_vector_rmsprop};
const FunctionImplementation kReferenceRmsprop{"reference", nullptr, build_reference_rmsprop};
constexpr std::array<const Implementation*, 2> kRmspropImplementations{&kVectorRmsprop,
                                                                       &kReferenceRmsprop};

class RmspropUpdate final : public Op {
 public:
  std::string_view name() const override { return "rmsprop_update"; }
  bool updates(int input) const override { return input == 0 || (input >= 3 && input <= 5); }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 4, 7);
    const int count = inputs_before_gate(name(), call);
    const bool centered = call.attributes.boolean("centered", false);
    const double momentum = real_in(name(), call.attributes, "momentum", 0, 0, 1);
    if (count != 4 + (centered ? 1 : 0) + (momentum > 0 ? 1 : 0))
      value_error(name(), ": expected param, grad, learning rate, velocity",
                  centered ? ", average gradient" : "", momentum > 0 ? ", momentum" : "", ", got ",
                  count, " inputs");
    expect_floating(name(), call, 0, "param");
    expect_concrete(name(), call, "param");
    expect_like(name(), call, 1, "grad", "param");
    expect_learning_rate(name(), call, 2);
    for (int i = 3; i < count; ++i) expect_like(name(), call, i, "state", "param");
    real_in(name(), call.attributes, "rho", 0.9, 0, 1);
    real_in(name(), call.attributes, "epsilon", 1e-7, 0, kLargestReal);
    real_in(name(), call.attributes, "weight_decay", 0, 0, kLargestReal);
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kRmspropImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 9.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

// ---- adagrad_update ----------------------------------------------------------------------------

// Inputs: param, grad, learning rate, accumulator, [counter].
void build_reference_adagrad(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel();
  const DType lr_dtype = p.input(2).dtype;
  const double epsilon = p.attributes.real("epsilon", 1e-7);
  const double decay = p.attributes.real("weight_decay", 0);
  const Slot w = steps.input(0), g = steps.input(1), lr = steps.input(2);
  const Slot accumulator = steps.input(3);
  const Gate gate = gate_of(p, steps);
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread == 0 && gate.due(run))
        reference::adagrad_update(
            run.ptr<T>(w), run.ptr<const T>(g), static_cast<T>(learning_rate(run, lr, lr_dtype)),
            run.ptr<T>(accumulator), size, static_cast<T>(epsilon), static_cast<T>(decay));
    });
  });
}

void build_vector_adagrad(const Problem& p, StepBuilder& steps) {
  const DType lr_dtype = p.input(2).dtype;
  const auto epsilon = static_cast<float>(p.attributes.real("epsilon", 1e-7));
  const double decay = p.attributes.real("weight_decay", 0);
  const Slot w = steps.input(0), g = steps.input(1), lr = steps.input(2);
  const Slot accumulator = steps.input(3);
  const Gate gate = gate_of(p, steps);
  const auto kernel = p.kernels.train.adagrad;
  add_update_step(p, steps, [=](const Run& run, const Pieces& pieces) {
    if (!gate.due(run)) return;
    const double rate = learning_rate(run, lr, lr_dtype);
    AdagradStep call{};
    call.size = pieces.size;
    call.lr = static_cast<float>(rate);
    call.epsilon = epsilon;
    call.decay = static_cast<float>(rate * decay);
    pieces.each([&](std::int64_t first) {
      call.w = run.ptr<float>(w) + first;
      call.g = run.ptr<const float>(g) + first;
      call.accumulator = run.ptr<float>(accumulator) + first;
      kernel(call);
    });
  });
}

const FunctionImplementation kVectorAdagrad{"vector", declines_unless_f32_parameter,
                                            build_vector_adagrad};
const FunctionImplementation kReferenceAdagrad{"reference", nullptr, build_reference_adagrad};
constexpr std::array<const Implementation*, 2> kAdagradImplementations{&kVectorAdagrad,
                                                                       &kReferenceAdagrad};

class AdagradUpdate final : public Op {
 public:
  std::string_view name() const override { return "adagrad_update"; }
  bool updates(int input) const override { return input == 0 || input == 3; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 4, 5);
    if (const int count = inputs_before_gate(name(), call); count != 4)
      value_error(name(), ": expected param, grad, learning rate, accumulator, got ", count,
                  " inputs");
    expect_floating(name(), call, 0, "param");
    expect_concrete(name(), call, "param");
    expect_like(name(), call, 1, "grad", "param");
    expect_learning_rate(name(), call, 2);
    expect_like(name(), call, 3, "accumulator", "param");
    real_in(name(), call.attributes, "epsilon", 1e-7, 0, kLargestReal);
    real_in(name(), call.attributes, "weight_decay", 0, 0, kLargestReal);
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kAdagradImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 6.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

}  // namespace

void add_scaled_optimizer_ops(OpList& ops) {
  ops.push_back(std::make_unique<RmspropUpdate>());
  ops.push_back(std::make_unique<AdagradUpdate>());
}

}  // namespace cnnfast
