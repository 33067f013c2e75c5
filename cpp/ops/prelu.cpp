// Rectifiers with a learned slope (He et al., 2015, arXiv:1502.01852).
#include "reference/prelu.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/strided_loop.h"
#include "reference/elementwise.h"

namespace cnnfast {

namespace {

// The slope is broadcast to x, never x to the slope.
void expect_slope(std::string_view op, const Call& call) {
  expect_floating(op, call, 0, "x");
  expect_one_dtype(op, call, 0, 1);
  const Shape &x = call.input(0).shape, &slope = call.input(1).shape;
  bool fits = slope.rank() <= x.rank();
  for (int back = 1; fits && back <= slope.rank(); ++back) {
    const std::int64_t size = slope[slope.rank() - back];
    fits = size == 1 || sizes_agree(size, x[x.rank() - back]);
  }
  if (!fits) value_error(op, ": slopes of shape ", slope, " cannot be broadcast to x of shape ", x);
}

Grid grid(const float* data, const StridedLoop& loop, int operand,
          const std::array<std::int64_t, StridedLoop::kMaxOperands>& offset) {
  return {data + offset[static_cast<std::size_t>(operand)], row_stride(loop, operand),
          step_of(loop, operand)};
}

// ---- prelu -------------------------------------------------------------------------------------
void prelu_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), slope = steps.input(1), y = steps.output();
  const Shape shape = p.output().shape, slope_shape = p.input(1).shape;
  for_floating(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      reference::for_each_broadcast<1>(
          shape, {slope_shape}, [&](std::int64_t i, const std::array<std::int64_t, 1>& at) {
            run.ptr<T>(y)[i] =
                reference::prelu(run.ptr<const T>(x)[i], run.ptr<const T>(slope)[at[0]]);
          });
    });
  });
}

void prelu_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), slope = steps.input(1), y = steps.output();
  const Shape& shape = p.output().shape;
  const Shape shapes[] = {shape, p.input(1).shape, shape};
  const StridedLoop loop = broadcast_loop(shape, shapes);
  const auto kernel = p.kernels.elementwise.prelu;
  const double cost = static_cast<double>(shape.numel()) / 16 * 6;
  add_divided_step(steps, "vector", loop, divide_loop(p, loop, cost, rows_apply(shape, p.inputs)),
                   [=](const Run& run, const StridedLoop& l, Part part) {
                     walk(l, part, [&](const auto& at, std::int64_t rows, std::int64_t n) {
                       kernel(grid(run.ptr<const float>(x), l, 0, at),
                              grid(run.ptr<const float>(slope), l, 1, at),
                              run.ptr<float>(y) + at[2], row_stride(l, 2), rows, n);
                     });
                   });
}

void prelu_backward_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), slope = steps.input(1), dy = steps.input(2);
  const Slot dx = steps.output(0), dslope = steps.output(1);
  const Shape shape = p.output().shape, slope_shape = p.input(1).shape;
  for_floating(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      reference::for_each_broadcast<1>(
          shape, {slope_shape}, [&](std::int64_t i, const std::array<std::int64_t, 1>& at) {
            const T value = run.ptr<const T>(x)[i], gradient = run.ptr<const T>(dy)[i];
            run.ptr<T>(dx)[i] =
                reference::prelu_to_x(value, run.ptr<const T>(slope)[at[0]], gradient);
            run.ptr<T>(dslope)[i] = reference::prelu_to_slope(value, gradient);
          });
    });
  });
}

void prelu_backward_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), slope = steps.input(1), dy = steps.input(2);
  const Slot dx = steps.output(0), dslope = steps.output(1);
  const bool wanted = steps.output_used(1);
  const Shape& shape = p.output().shape;
  const Shape shapes[] = {shape, p.input(1).shape, shape};
  const StridedLoop loop = broadcast_loop(shape, shapes);
  const auto kernel = p.kernels.elementwise.prelu_backward;
  const double cost = static_cast<double>(shape.numel()) / 16 * 9;
  add_divided_step(steps, "vector", loop, divide_loop(p, loop, cost, rows_apply(shape, p.inputs)),
                   [=](const Run& run, const StridedLoop& l, Part part) {
                     walk(l, part, [&](const auto& at, std::int64_t rows, std::int64_t n) {
                       kernel(grid(run.ptr<const float>(x), l, 0, at),
                              grid(run.ptr<const float>(slope), l, 1, at),
                              grid(run.ptr<const float>(dy), l, 2, at), run.ptr<float>(dx) + at[2],
                              wanted ? run.ptr<float>(dslope) + at[2] : nullptr, row_stride(l, 2),
                              rows, n);
                     });
                   });
}

const FunctionImplementation kPreluVector("vector", declines_unless_f32, prelu_vector);
const FunctionImplementation kPreluReference("reference", nullptr, prelu_reference);
const FunctionImplementation kPreluBackwardVector("vector", declines_unless_f32,
                                                  prelu_backward_vector);
const FunctionImplementation kPreluBackwardReference("reference", nullptr,
                                                     prelu_backward_reference);
const Implementation* const kPrelu[] = {&kPreluVector, &kPreluReference};
const Implementation* const kPreluBackward[] = {&kPreluBackwardVector, &kPreluBackwardReference};

class PreluOp final : public Op {
 public:
  std::string_view name() const override { return "prelu"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_attributes(name(), call, {});
    expect_slope(name(), call);
    return {call.input(0)};
  }
  void gradient(GradientContext& g) const override {
    if (!g.wants(0) && !g.wants(1)) return;
    const std::vector<ValueId> both =
        g.add("prelu_backward", {g.input(0), g.input(1), g.output_gradient(0)});
    if (g.wants(0)) g.give(0, both[0]);
    if (g.wants(1)) g.give(1, sum_to_shape(g, both[1], g.type(g.input(1)).shape));
  }
  std::span<const Implementation* const> implementations() const override { return kPrelu; }
  int overwrites(int) const override { return 0; }
};

// (x, slope, dy) to dx and the slope's gradient element by element.
class PreluBackwardOp final : public Op {
 public:
  std::string_view name() const override { return "prelu_backward"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 3, 3);
    expect_attributes(name(), call, {});
    expect_slope(name(), call);
    expect_same_type(name(), call, 0, 2, "x and dy");
    return {call.input(0), call.input(0)};
  }
  std::span<const Implementation* const> implementations() const override { return kPreluBackward; }
  int overwrites(int output) const override { return output == 0 ? 2 : -1; }
};

}  // namespace

void add_prelu_ops(OpList& ops) {
  ops.push_back(std::make_unique<PreluOp>());
  ops.push_back(std::make_unique<PreluBackwardOp>());
}

}  // namespace cnnfast
