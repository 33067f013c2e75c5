// Ops that write variables: sgd_update, adam_update, accumulate, increment, assign.
#include "reference/optimizer.h"

#include <array>
#include <cmath>
#include <cstring>

#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/row_step.h"

namespace cnnfast {

namespace {

// Input `input` must have the parameter's type.
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

double real_in(std::string_view op, const Attributes& attributes, const char* name,
               double otherwise, double least, double most) {
  const double value = attributes.real(name, otherwise);
  if (!(value >= least && value <= most))
    value_error(op, ": ", name, " must be between ", least, " and ", most, ", got ", value);
  return value;
}

constexpr double kLargest = 1e30;  // for attributes that only have to be finite

double learning_rate(const Run& run, Slot slot, DType dtype) {
  return dtype == DType::f64 ? *run.ptr<const double>(slot) : *run.ptr<const float>(slot);
}

// The learning rate may be of either width, it is read as a number.
std::optional<std::string> declines_unless_f32_parameter(const Problem& p) {
  if (p.input(0).dtype == DType::f32) return std::nullopt;
  return concat("dtype is ", name_of(p.input(0).dtype), ", this kernel computes in float32");
}

// ---- sgd_update --------------------------------------------------------------------------------

template <class T>
reference::SgdOptions<T> sgd_options(const Attributes& attributes) {
  return {static_cast<T>(attributes.real("momentum", 0)),
          static_cast<T>(attributes.real("weight_decay", 0)),
          attributes.boolean("nesterov", false)};
}

void build_reference_sgd(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel();
  const DType lr_dtype = p.input(2).dtype;
  const Slot w = steps.input(0), g = steps.input(1), lr = steps.input(2);
  const Slot velocity = steps.input(3);
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto options = sgd_options<T>(p.attributes);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread == 0)
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
  const Slot velocity = steps.input(3);
  const auto kernel = p.kernels.train.sgd;
  add_update_step(p, steps, "update", [=](const Run& run, std::int64_t first, std::int64_t count) {
    SgdStep call{};
    call.w = run.ptr<float>(w) + first;
    call.g = run.ptr<const float>(g) + first;
    if (velocity.present()) call.velocity = run.ptr<float>(velocity) + first;
    call.size = count;
    call.lr = static_cast<float>(learning_rate(run, lr, lr_dtype));
    call.momentum = options.momentum;
    call.weight_decay = options.weight_decay;
    call.nesterov = options.nesterov;
    kernel(call);
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
    expect_inputs(name(), call, 3, 4);
    expect_floating(name(), call, 0, "param");
    expect_concrete(name(), call, "param");
    expect_like(name(), call, 1, "grad", "param");
    expect_learning_rate(name(), call, 2);
    if (call.count() == 4) expect_like(name(), call, 3, "velocity", "param");
    const double momentum = real_in(name(), call.attributes, "momentum", 0, 0, 1);
    call.attributes.boolean("nesterov", false);
    real_in(name(), call.attributes, "weight_decay", 0, 0, kLargest);
    if (momentum > 0 && call.count() != 4)
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
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto options = adam_options<T>(p.attributes);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0) return;
      const double rate = learning_rate(run, lr, lr_dtype);
      const double size_of_step =
          reference::adam_step_size(rate, beta1, beta2, *run.ptr<const std::int64_t>(step) + 1);
      reference::adam_update(run.ptr<T>(w), run.ptr<const T>(g), static_cast<T>(rate),
                             run.ptr<T>(m), run.ptr<T>(v), static_cast<T>(size_of_step), size,
                             options);
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
  const auto kernel = p.kernels.train.adam;
  add_update_step(p, steps, "update", [=](const Run& run, std::int64_t first, std::int64_t count) {
    const double rate = learning_rate(run, lr, lr_dtype);
    AdamStep call{};
    call.w = run.ptr<float>(w) + first;
    call.g = run.ptr<const float>(g) + first;
    call.m = run.ptr<float>(m) + first;
    call.v = run.ptr<float>(v) + first;
    call.size = count;
    call.step_size = static_cast<float>(
        reference::adam_step_size(rate, beta1, beta2, *run.ptr<const std::int64_t>(step) + 1));
    call.one_minus_beta1 = static_cast<float>(1 - beta1);
    call.one_minus_beta2 = static_cast<float>(1 - beta2);
    call.epsilon = epsilon;
    call.decay = static_cast<float>(rate * decay);
    kernel(call);
  });
}

const FunctionImplementation kVectorAdam{"vector", declines_unless_f32_parameter,
                                         build_vector_adam};
const FunctionImplementation kReferenceAdam{"reference", nullptr, build_reference_adam};
constexpr std::array<const Implementation*, 2> kAdamImplementations{&kVectorAdam, &kReferenceAdam};

class AdamUpdate final : public Op {
 public:
  std::string_view name() const override { return "adam_update"; }
  bool updates(int input) const override { return input == 0 || input == 3 || input == 4; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 6, 6);
    expect_floating(name(), call, 0, "param");
    expect_concrete(name(), call, "param");
    expect_like(name(), call, 1, "grad", "param");
    expect_learning_rate(name(), call, 2);
    expect_like(name(), call, 3, "m", "param");
    expect_like(name(), call, 4, "v", "param");
    const TensorType& step = call.input(5);
    if (step.shape.rank() != 0 || step.dtype != DType::i64)
      value_error(name(), ": step must be an int64 scalar, got ", step.str());
    const double below_one = std::nextafter(1.0, 0.0);
    real_in(name(), call.attributes, "beta1", 0.9, 0, below_one);
    real_in(name(), call.attributes, "beta2", 0.999, 0, below_one);
    real_in(name(), call.attributes, "epsilon", 1e-7, 0, kLargest);
    real_in(name(), call.attributes, "weight_decay", 0, 0, kLargest);
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kAdamImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return 12.0 * static_cast<double>(call.input(0).shape.numel());
  }
};

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
  steps.step({"reference"}, [=](const Run& run, int thread, int) {
    if (thread == 0) run.ptr<std::int64_t>(counter)[index] += by;
  });
}

const FunctionImplementation kIncrement{"reference", nullptr, build_increment};
constexpr std::array<const Implementation*, 1> kIncrementImplementations{&kIncrement};

class Increment final : public Op {
 public:
  std::string_view name() const override { return "increment"; }
  bool updates(int input) const override { return input == 0; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
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
  // Below this one thread copies as fast as two (20 us at 10 GB/s).
  constexpr std::int64_t kSingle = 200'000;
  const Split split = bytes <= kSingle ? Split::single : Split::free;
  steps.step({"reference", split}, [=](const Run& run, int thread, int threads) {
    if (split == Split::single && thread != 0) return;
    const Range r = split == Split::single ? Range{0, bytes} : share(bytes, thread, threads, 4096);
    if (r.size() > 0)
      std::memmove(run.ptr<std::byte>(variable) + r.begin, run.ptr<const std::byte>(x) + r.begin,
                   static_cast<std::size_t>(r.size()));
  });
}

const FunctionImplementation kAssign{"reference", nullptr, build_assign};
constexpr std::array<const Implementation*, 1> kAssignImplementations{&kAssign};

class Assign final : public Op {
 public:
  std::string_view name() const override { return "assign"; }
  bool updates(int input) const override { return input == 0; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_concrete(name(), call, "variable");
    expect_like(name(), call, 1, "x", "variable");
    return {};
  }
  std::span<const Implementation* const> implementations() const override {
    return kAssignImplementations;
  }
};

}  // namespace

void add_optimizer_ops(OpList& ops) {
  ops.push_back(std::make_unique<SgdUpdate>());
  ops.push_back(std::make_unique<AdamUpdate>());
  ops.push_back(std::make_unique<Accumulate>());
  ops.push_back(std::make_unique<Increment>());
  ops.push_back(std::make_unique<Assign>());
}

}  // namespace cnnfast
