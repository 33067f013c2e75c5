// Ops that write variables: accumulate, increment, assign, accumulate_gradient and ema_update.
#include <array>
#include <cstring>

#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/optimizer_checks.h"
#include "ops/row_step.h"
#include "reference/optimizer.h"

namespace cnnfast {

namespace {

// ---- accumulate --------------------------------------------------------------------------------

template <class F>
void for_numbers(DType dtype, F f) {
  if (is_floating(dtype))
    for_floating(dtype, f);
  else
    for_labels(dtype, f);
}

void build_reference_accumulate(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel();
  const Slot total = steps.input(0), x = steps.input(1);
  for_numbers(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0) return;
      T* sum = run.ptr<T>(total);
      const T* values = run.ptr<const T>(x);
      for (std::int64_t i = 0; i < size; ++i) sum[i] = static_cast<T>(sum[i] + values[i]);
    });
  });
}

void build_vector_accumulate(const Problem& p, StepBuilder& steps) {
  const Slot total = steps.input(0), x = steps.input(1);
  const auto kernel = p.kernels.train.accumulate;
  add_array_step(steps, "add", p.input(0).shape.numel(),
                 [=](const Run& run, std::int64_t first, std::int64_t count) {
                   kernel(run.ptr<float>(total) + first, run.ptr<const float>(x) + first, count);
                 });
}

const FunctionImplementation kVectorAccumulate{"vector", declines_unless_f32_parameter,
                                               build_vector_accumulate};
const FunctionImplementation kReferenceAccumulate{"reference", nullptr, build_reference_accumulate};
constexpr std::array<const Implementation*, 2> kAccumulateImplementations{&kVectorAccumulate,
                                                                          &kReferenceAccumulate};

class Accumulate final : public Op {
 public:
  std::string_view name() const override { return "accumulate"; }
  bool updates(int input) const override { return input == 0; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    if (call.input(0).dtype == DType::boolean)
      type_error(name(), ": total must be a number, got ", call.input(0).str());
    expect_concrete(name(), call, "total");
    expect_like(name(), call, 1, "x", "total");
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kAccumulateImplementations;
  }
};

// ---- increment ---------------------------------------------------------------------------------

void build_increment(const Problem& p, StepBuilder& steps) {
  const std::int64_t index = p.attributes.integer("index", 0);
  const std::int64_t by = p.attributes.integer("by", 1);
  const Slot counter = steps.input(0);
  const Gate gate = gate_of(p, steps);
  steps.step({"reference"}, [=](const Run& run, int thread, int) {
    if (thread == 0 && gate.due(run)) run.ptr<std::int64_t>(counter)[index] += by;
  });
}

const FunctionImplementation kIncrement{"reference", nullptr, build_increment};
constexpr std::array<const Implementation*, 1> kIncrementImplementations{&kIncrement};

class Increment final : public Op {
 public:
  std::string_view name() const override { return "increment"; }
  bool updates(int input) const override { return input == 0; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 2);
    if (inputs_before_gate(name(), call) != 1)
      value_error(name(), ": expected one counter, got ", call.count(), " inputs");
    if (call.input(0).dtype != DType::i64)
      type_error(name(), ": counter must be int64, got ", call.input(0).str());
    expect_concrete(name(), call, "counter");
    const std::int64_t index = call.attributes.integer("index", 0);
    call.attributes.integer("by", 1);
    if (index < 0 || index >= call.input(0).shape.numel())
      value_error(name(), ": index must be below the counter's ", call.input(0).shape.numel(),
                  " values, got ", index);
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kIncrementImplementations;
  }
};

// ---- assign ------------------------------------------------------------------------------------

void build_assign(const Problem& p, StepBuilder& steps) {
  const std::int64_t bytes = p.input(0).bytes();
  const Slot variable = steps.input(0), x = steps.input(1);
  const Gate gate = gate_of(p, steps);
  // Below this one thread copies as fast as two (20 us at 10 GB/s).
  constexpr std::int64_t kSingle = 200'000;
  const Split split = bytes <= kSingle ? Split::single : Split::free;
  steps.step({"reference", split}, [=](const Run& run, int thread, int threads) {
    if ((split == Split::single && thread != 0) || !gate.due(run)) return;
    const Range r = split == Split::single ? Range{0, bytes} : share(bytes, thread, threads, 4096);
    if (r.size() > 0)
      std::memmove(run.ptr<std::byte>(variable) + r.begin, run.ptr<const std::byte>(x) + r.begin,
                   static_cast<std::size_t>(r.size()));
  });
}

const FunctionImplementation kAssign{"copy", nullptr, build_assign};
constexpr std::array<const Implementation*, 1> kAssignImplementations{&kAssign};

class Assign final : public Op {
 public:
  std::string_view name() const override { return "assign"; }
  bool updates(int input) const override { return input == 0; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 3);
    if (inputs_before_gate(name(), call) != 2)
      value_error(name(), ": expected a variable and its value, got ", call.count(), " inputs");
    expect_concrete(name(), call, "variable");
    expect_like(name(), call, 1, "x", "variable");
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kAssignImplementations;
  }
};

// ---- accumulate_gradient -----------------------------------------------------------------------

// total += gradient; in every n-th step, in which the update takes total and gradient together,
// total starts anew at 0.
void build_reference_accumulate_gradient(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel();
  const Slot total = steps.input(0), gradient = steps.input(1);
  const Gate gate = gate_of(p, steps);
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0) return;
      const bool due = gate.due(run);
      T* sum = run.ptr<T>(total);
      const T* g = run.ptr<const T>(gradient);
      for (std::int64_t i = 0; i < size; ++i) sum[i] = due ? T(0) : sum[i] + g[i];
    });
  });
}

void build_vector_accumulate_gradient(const Problem& p, StepBuilder& steps) {
  const Slot total = steps.input(0), gradient = steps.input(1);
  const Gate gate = gate_of(p, steps);
  const auto kernel = p.kernels.train.accumulate;
  add_array_step(steps, "add", p.input(0).shape.numel(),
                 [=](const Run& run, std::int64_t first, std::int64_t count) {
                   float* sum = run.ptr<float>(total) + first;
                   if (gate.due(run))
                     std::memset(sum, 0, static_cast<std::size_t>(count) * sizeof(float));
                   else
                     kernel(sum, run.ptr<const float>(gradient) + first, count);
                 });
}

const FunctionImplementation kVectorAccumulateGradient{"vector", declines_unless_f32_parameter,
                                                       build_vector_accumulate_gradient};
const FunctionImplementation kReferenceAccumulateGradient{"reference", nullptr,
                                                          build_reference_accumulate_gradient};
constexpr std::array<const Implementation*, 2> kAccumulateGradientImplementations{
    &kVectorAccumulateGradient, &kReferenceAccumulateGradient};

class AccumulateGradient final : public Op {
 public:
  std::string_view name() const override { return "accumulate_gradient"; }
  bool updates(int input) const override { return input == 0; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 3, 3);
    expect_floating(name(), call, 0, "total");
    expect_concrete(name(), call, "total");
    expect_like(name(), call, 1, "gradient", "total");
    if (inputs_before_gate(name(), call) != 2)
      value_error(name(), ": every must be at least 2, got 1");
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kAccumulateGradientImplementations;
  }
};

// ---- ema_update --------------------------------------------------------------------------------

// Moving averages of weights: inputs average, param, iterations (int64 scalar, not counted yet).
struct Ema {
  double momentum;
  std::int64_t overwrite_every;  // 0: never

  explicit Ema(const Attributes& attributes)
      : momentum(attributes.real("momentum", 0.99)),
        overwrite_every(attributes.integer("overwrite_every", 0)) {}
  double momentum_at(std::int64_t iterations) const { return iterations == 0 ? 0.0 : momentum; }
  bool overwrites_at(std::int64_t iterations) const {
    return overwrite_every > 0 && (iterations + 1) % overwrite_every == 0;
  }
};

void build_reference_ema(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel();
  const Slot average = steps.input(0), w = steps.input(1), iterations = steps.input(2);
  const Ema ema(p.attributes);
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0) return;
      const std::int64_t t = *run.ptr<const std::int64_t>(iterations);
      reference::ema_update(run.ptr<T>(average), run.ptr<T>(w), static_cast<T>(ema.momentum_at(t)),
                            ema.overwrites_at(t), size);
    });
  });
}

void build_vector_ema(const Problem& p, StepBuilder& steps) {
  const Slot average = steps.input(0), w = steps.input(1), iterations = steps.input(2);
  const Ema ema(p.attributes);
  const auto kernel = p.kernels.train.ema;
  add_array_step(steps, "average", p.input(0).shape.numel(),
                 [=](const Run& run, std::int64_t first, std::int64_t count) {
                   const std::int64_t t = *run.ptr<const std::int64_t>(iterations);
                   EmaStep call{};
                   call.average = run.ptr<float>(average) + first;
                   call.w = run.ptr<float>(w) + first;
                   call.size = count;
                   call.momentum = static_cast<float>(ema.momentum_at(t));
                   call.one_minus_momentum = static_cast<float>(1 - ema.momentum_at(t));
                   call.overwrite = ema.overwrites_at(t);
                   kernel(call);
                 });
}

const FunctionImplementation kVectorEma{"vector", declines_unless_f32_parameter, build_vector_ema};
const FunctionImplementation kReferenceEma{"reference", nullptr, build_reference_ema};
constexpr std::array<const Implementation*, 2> kEmaImplementations{&kVectorEma, &kReferenceEma};

class EmaUpdate final : public Op {
 public:
  std::string_view name() const override { return "ema_update"; }
  bool updates(int input) const override { return input == 0 || input == 1; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 3, 3);
    expect_floating(name(), call, 0, "average");
    expect_concrete(name(), call, "average");
    expect_like(name(), call, 1, "param", "average");
    expect_counter(name(), call, 2, "iterations");
    real_in(name(), call.attributes, "momentum", 0.99, 0, 1);
    const std::int64_t every = call.attributes.integer("overwrite_every", 0);
    if (every < 0) value_error(name(), ": overwrite_every must not be negative, got ", every);
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kEmaImplementations;
  }
};

}  // namespace

void add_variable_ops(OpList& ops) {
  ops.push_back(std::make_unique<Accumulate>());
  ops.push_back(std::make_unique<Increment>());
  ops.push_back(std::make_unique<Assign>());
  ops.push_back(std::make_unique<AccumulateGradient>());
  ops.push_back(std::make_unique<EmaUpdate>());
}

}  // namespace cnnfast
