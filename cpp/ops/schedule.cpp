// learning_rate_schedule: the learning rates of steps. A training plan computes the rate of its
// step from the optimizer's counter, so a schedule costs no call from Python.
#include "reference/schedule.h"

#include <array>

#include "ops/dispatch.h"
#include "ops/families.h"

namespace cnnfast {

namespace {

using Rate = double (*)(double step, const double* numbers, std::int64_t count);

struct Kind {
  const char* name;
  std::int64_t least, most;  // numbers it takes
  Rate rate;
};

template <double (*f)(double, const double*)>
double fixed(double step, const double* numbers, std::int64_t) {
  return f(step, numbers);
}

constexpr std::array<Kind, 7> kKinds{{
    {"exponential", 4, 4, fixed<reference::exponential_decay>},
    {"inverse_time", 4, 4, fixed<reference::inverse_time_decay>},
    {"polynomial", 5, 5, fixed<reference::polynomial_decay>},
    {"piecewise", 1, std::int64_t{1} << 20, reference::piecewise_constant},
    {"cosine", 5, 5, fixed<reference::cosine_decay>},
    {"cosine_restarts", 5, 5, fixed<reference::cosine_restarts>},
    {"one_cycle", 7, 7, fixed<reference::one_cycle>},
}};

const Kind& kind_of(const Attributes& attributes) {
  const std::string& name = attributes.text("kind");
  std::string known;
  for (const Kind& each : kKinds) {
    if (name == each.name) return each;
    known += concat(known.empty() ? "" : ", ", each.name);
  }
  value_error("learning_rate_schedule: kind must be one of ", known, ", got ", name);
}

// A few numbers, once a step: nothing to vectorise.
void build_reference(const Problem& p, StepBuilder& steps) {
  const std::int64_t size = p.input(0).shape.numel(), count = p.input(1).shape.numel();
  const Slot at = steps.input(0), numbers = steps.input(1), rates = steps.output();
  const Rate rate = kind_of(p.attributes).rate;
  for_number(p.input(0).dtype, [&](auto step) {
    for_floating(p.output().dtype, [&](auto zero) {
      using Step = decltype(step);
      using T = decltype(zero);
      steps.step({"reference"}, [=](const Run& run, int thread, int) {
        if (thread != 0) return;
        for (std::int64_t i = 0; i < size; ++i)
          run.ptr<T>(rates)[i] =
              static_cast<T>(rate(static_cast<double>(run.ptr<const Step>(at)[i]),
                                  run.ptr<const double>(numbers), count));
      });
    });
  });
}

const FunctionImplementation kReference{"reference", nullptr, build_reference};
constexpr std::array<const Implementation*, 1> kImplementations{&kReference};

class LearningRateSchedule final : public Op {
 public:
  std::string_view name() const override { return "learning_rate_schedule"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    if (call.input(0).dtype == DType::boolean)
      type_error(name(), ": steps must be numbers, got ", call.input(0).str());
    const Kind& kind = kind_of(call.attributes);
    const TensorType& numbers = call.input(1);
    if (numbers.dtype != DType::f64 || numbers.shape.rank() != 1)
      type_error(name(), ": numbers must be a float64 vector, got ", numbers.str());
    const std::int64_t count = numbers.shape[0];
    if (count < kind.least || count > kind.most || (kind.least != kind.most && count % 2 == 0))
      value_error(name(), ": ", kind.name, " does not take ", count, " numbers");
    const DType dtype = dtype_from_name(call.attributes.text("dtype", "float32"));
    if (!is_floating(dtype))
      type_error(name(), ": dtype must be float32 or float64, got ", name_of(dtype));
    return {TensorType{call.input(0).shape, dtype, call.input(0).space}};
  }
  std::span<const Implementation* const> implementations() const override {
    return kImplementations;
  }
};

}  // namespace

void add_schedule_ops(OpList& ops) { ops.push_back(std::make_unique<LearningRateSchedule>()); }

}  // namespace cnnfast
