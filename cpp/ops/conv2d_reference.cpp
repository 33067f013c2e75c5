// The reference implementations: any dtype that infer() accepts, one thread.
#include "ops/conv2d_implementations.h"
#include "ops/epilogue.h"
#include "reference/conv2d.h"
#include "reference/epilogue.h"
#include "reference/pooling.h"

namespace cnnfast {

namespace {

template <class T>
void forward(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_forward_shape(problem);
  const Epilogue epilogue = epilogue_attributes("conv2d", problem.attributes);
  const Slot x = steps.input(0), w = steps.input(1), b = steps.input(2), y = steps.output();
  const std::int64_t oh = s.window.h.output, ow = s.window.w.output;
  const std::int64_t count = s.n * oh * ow * s.k;
  const Slot whole =
      s.pool == PoolKind::none ? y : steps.scratch(count * static_cast<std::int64_t>(sizeof(T)));
  const reference::PoolShape pool{s.n, oh, ow, s.k, oh / 2, ow / 2, 2, 2, 2, 2, 0, 0};
  steps.step({"reference", Split::single}, [=](const Run& run, int thread, int) {
    if (thread != 0) return;
    T* out = run.ptr<T>(whole);
    reference::conv2d(s, run.ptr<const T>(x), run.ptr<const T>(w), run.ptr<const T>(b), out);
    for (std::int64_t i = 0; i < count; ++i)
      out[i] =
          reference::apply_activation(epilogue.activation, static_cast<T>(epilogue.alpha), out[i]);
    if (s.pool == PoolKind::average) reference::avg_pool2d(out, run.ptr<T>(y), pool);
    if (s.pool == PoolKind::max)
      reference::max_pool2d<T, std::uint8_t>(out, run.ptr<T>(y), nullptr, pool);
  });
}

template <class T>
void backward_input(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  const Epilogue epilogue = epilogue_attributes(problem.node.op->name(), problem.attributes);
  const Slot dy = steps.input(0), w = steps.input(1), b = steps.input(2), dx = steps.output();
  const std::int64_t count = problem.output().shape.numel();
  steps.step({"reference", Split::single}, [=](const Run& run, int thread, int) {
    if (thread != 0) return;
    T* out = run.ptr<T>(dx);
    reference::conv2d_backward_input(s, run.ptr<const T>(dy), run.ptr<const T>(w), out);
    const T* bias = run.ptr<const T>(b);
    for (std::int64_t i = 0; i < count; ++i) {
      const T z = bias ? out[i] + bias[i % s.c] : out[i];
      out[i] = reference::apply_activation(epilogue.activation, static_cast<T>(epilogue.alpha), z);
    }
  });
}

template <class T>
void backward_kernel(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const Slot x = steps.input(0), dy = steps.input(1), dw = steps.output(0);
  const Slot db = problem.outputs.size() == 2 ? steps.output(1) : Slot{};
  steps.step({"reference", Split::single}, [=](const Run& run, int thread, int) {
    if (thread != 0) return;
    reference::conv2d_backward_kernel(s, run.ptr<const T>(x), run.ptr<const T>(dy), run.ptr<T>(dw),
                                      run.ptr<T>(db));
  });
}

template <void (*f32)(const Problem&, StepBuilder&), void (*f64)(const Problem&, StepBuilder&)>
void by_dtype(const Problem& problem, StepBuilder& steps) {
  (problem.input(0).dtype == DType::f64 ? f64 : f32)(problem, steps);
}

}  // namespace

const FunctionImplementation kConv2dReference("reference", nullptr,
                                              by_dtype<forward<float>, forward<double>>);
const FunctionImplementation kConv2dBackwardInputReference(
    "reference", nullptr, by_dtype<backward_input<float>, backward_input<double>>);
const FunctionImplementation kConv2dBackwardKernelReference(
    "reference", nullptr, by_dtype<backward_kernel<float>, backward_kernel<double>>);

}  // namespace cnnfast
