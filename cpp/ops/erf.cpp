// The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x.
#include <cmath>

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/strided_loop.h"

namespace cnnfast {

namespace {

void erf_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const std::int64_t n = p.output().shape.numel();
  for_floating(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      for (std::int64_t i = 0; i < n; ++i) run.ptr<T>(y)[i] = std::erf(run.ptr<const T>(x)[i]);
    });
  });
}

void erf_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape& shape = p.output().shape;
  const StridedLoop loop = flat_loop(shape.numel());
  const auto kernel = p.kernels.elementwise.erf;
  const double cost = static_cast<double>(shape.numel()) / 16 * 10;
  add_divided_step(steps, "vector", loop, divide_loop(p, loop, cost, rows_apply(shape, p.inputs)),
                   [=](const Run& run, const StridedLoop&, Part part) {
                     kernel(run.ptr<const float>(x) + part.begin(),
                            run.ptr<float>(y) + part.begin(), part.size());
                   });
}

const FunctionImplementation kVector("vector", declines_unless_f32, erf_vector);
const FunctionImplementation kReference("reference", nullptr, erf_reference);
const Implementation* const kImplementations[] = {&kVector, &kReference};

class ErfOp final : public Op {
 public:
  std::string_view name() const override { return "erf"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 1, 1);
    expect_attributes(name(), call, {});
    expect_floating(name(), call, 0, "x");
    return {call.input(0)};
  }
  void gradient(GradientContext& g) const override {
    if (!g.wants(0)) return;
    const ValueId square = g.add("square", {g.input(0)})[0];
    const ValueId bell = g.add("exp", {g.add("negative", {square})[0]})[0];
    const ValueId factor = scalar(g, g.type(bell).dtype, 1.1283791670955126);  // 2 / sqrt(pi)
    const ValueId dy = g.add("multiply", {g.output_gradient(0), factor})[0];
    g.give(0, g.add("multiply", {dy, bell})[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return kImplementations;
  }
  int overwrites(int) const override { return 0; }
};

}  // namespace

void add_erf_ops(OpList& ops) { ops.push_back(std::make_unique<ErfOp>()); }

}  // namespace cnnfast
