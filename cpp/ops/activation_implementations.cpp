#include "ops/activation.h"
#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/epilogue.h"
#include "ops/strided_loop.h"
#include "reference/activation.h"

namespace cnnfast {

namespace {

void unary_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const std::int64_t n = p.output().shape.numel();
  const UnaryKind kind = unary_kind(p);
  const UnaryFactors factors = unary_factors(p.node.op->name(), kind, {p.attributes, p.inputs});
  for_number(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      const T* from = run.ptr<const T>(x);
      T* to = run.ptr<T>(y);
      for (std::int64_t i = 0; i < n; ++i) {
        if constexpr (std::is_floating_point_v<T>)
          to[i] = reference::unary(kind, from[i], static_cast<T>(factors.alpha),
                                   static_cast<T>(factors.beta));
        else
          to[i] = reference::integer_unary(kind, from[i]);
      }
    });
  });
}

void unary_backward_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), dy = steps.input(1), dx = steps.output();
  const std::int64_t n = p.output().shape.numel();
  const UnaryKind kind = unary_backward_kind(p);
  const UnaryFactors factors = unary_factors(p.node.op->name(), kind, {p.attributes, p.inputs});
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      const T *from = run.ptr<const T>(x), *gradient = run.ptr<const T>(dy);
      T* to = run.ptr<T>(dx);
      for (std::int64_t i = 0; i < n; ++i)
        to[i] = gradient[i] * reference::unary_slope(kind, from[i], static_cast<T>(factors.alpha),
                                                     static_cast<T>(factors.beta));
    });
  });
}

void activation_backward_reference(const Problem& p, StepBuilder& steps) {
  const Slot y = steps.input(0), dy = steps.input(1), dx = steps.output();
  const std::int64_t n = p.output().shape.numel();
  const Epilogue e = epilogue_attributes("activation_backward", p.attributes);
  const double alpha = p.attributes.real("alpha", 0.2);
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      const T *from = run.ptr<const T>(y), *gradient = run.ptr<const T>(dy);
      T* to = run.ptr<T>(dx);
      for (std::int64_t i = 0; i < n; ++i)
        to[i] = reference::activation_backward(e.activation, from[i], gradient[i],
                                               static_cast<T>(alpha));
    });
  });
}

// Nanoseconds for 16 elements on one core, as measured at AVX-512 (the memory's share included).
double nanoseconds_of(UnaryKind kind) {
  switch (kind) {
    case UnaryKind::elu:
    case UnaryKind::tanh:
    case UnaryKind::sigmoid:
    case UnaryKind::exp:
    case UnaryKind::log:
    case UnaryKind::selu:
    case UnaryKind::silu:
    case UnaryKind::gelu:
    case UnaryKind::gelu_tanh:
    case UnaryKind::mish:
    case UnaryKind::softplus:
    case UnaryKind::log_sigmoid:
      return 8;
    default:
      return 4;
  }
}

std::optional<std::string> unary_declines(const Problem& p) {
  if (is_integer(p.input(0).dtype)) return concat("dtype is ", name_of(p.input(0).dtype));
  return declines_unless_f32(p);
}

void unary_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape& shape = p.output().shape;
  const StridedLoop loop = flat_loop(shape.numel());
  const UnaryKind kind = unary_kind(p);
  const UnaryFactors factors = unary_factors(p.node.op->name(), kind, {p.attributes, p.inputs});
  const auto alpha = static_cast<float>(factors.alpha), beta = static_cast<float>(factors.beta);
  const auto kernel = p.kernels.elementwise.unary[static_cast<std::size_t>(kind)];
  const double cost = static_cast<double>(shape.numel()) / 16 * nanoseconds_of(kind);
  add_divided_step(steps, "vector", loop, divide_loop(p, loop, cost, rows_apply(shape, p.inputs)),
                   [=](const Run& run, const StridedLoop&, Part part) {
                     kernel(run.ptr<const float>(x) + part.begin(),
                            run.ptr<float>(y) + part.begin(), part.size(), alpha, beta);
                   });
}

void unary_backward_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), dy = steps.input(1), dx = steps.output();
  const Shape& shape = p.output().shape;
  const StridedLoop loop = flat_loop(shape.numel());
  const UnaryKind kind = unary_backward_kind(p);
  const UnaryFactors factors = unary_factors(p.node.op->name(), kind, {p.attributes, p.inputs});
  const auto alpha = static_cast<float>(factors.alpha), beta = static_cast<float>(factors.beta);
  const auto kernel = p.kernels.elementwise.unary_backward[static_cast<std::size_t>(kind)];
  const double cost = static_cast<double>(shape.numel()) / 16 * (nanoseconds_of(kind) + 2);
  add_divided_step(steps, "vector", loop, divide_loop(p, loop, cost, rows_apply(shape, p.inputs)),
                   [=](const Run& run, const StridedLoop&, Part part) {
                     kernel(run.ptr<const float>(x) + part.begin(),
                            run.ptr<const float>(dy) + part.begin(),
                            run.ptr<float>(dx) + part.begin(), part.size(), alpha, beta);
                   });
}

void activation_backward_vector(const Problem& p, StepBuilder& steps) {
  const Slot y = steps.input(0), dy = steps.input(1), dx = steps.output();
  const Shape& shape = p.output().shape;
  const StridedLoop loop = flat_loop(shape.numel());
  const Epilogue e = epilogue_attributes("activation_backward", p.attributes);
  const auto kernel =
      p.kernels.elementwise.activation_backward[static_cast<std::size_t>(e.activation)];
  const double cost = static_cast<double>(shape.numel()) / 16 * 6;
  add_divided_step(steps, "vector", loop, divide_loop(p, loop, cost, rows_apply(shape, p.inputs)),
                   [=, alpha = e.alpha](const Run& run, const StridedLoop&, Part part) {
                     kernel(run.ptr<const float>(y) + part.begin(),
                            run.ptr<const float>(dy) + part.begin(),
                            run.ptr<float>(dx) + part.begin(), part.size(), alpha);
                   });
}

const FunctionImplementation kUnaryVector("vector", unary_declines, unary_vector);
const FunctionImplementation kActivationBackwardVector("vector", declines_unless_f32,
                                                       activation_backward_vector);
const FunctionImplementation kUnaryBackwardVector("vector", declines_unless_f32,
                                                  unary_backward_vector);
const FunctionImplementation kUnaryBackwardReference("reference", nullptr,
                                                     unary_backward_reference);
const FunctionImplementation kUnaryReference("reference", nullptr, unary_reference);
const FunctionImplementation kActivationBackwardReference("reference", nullptr,
                                                          activation_backward_reference);
const Implementation* const kUnary[] = {&kUnaryVector, &kUnaryReference};
const Implementation* const kUnaryBackward[] = {&kUnaryBackwardVector, &kUnaryBackwardReference};
const Implementation* const kActivationBackward[] = {&kActivationBackwardVector,
                                                     &kActivationBackwardReference};

}  // namespace

std::span<const Implementation* const> unary_implementations() { return kUnary; }
std::span<const Implementation* const> unary_backward_implementations() { return kUnaryBackward; }
std::span<const Implementation* const> activation_backward_implementations() {
  return kActivationBackward;
}

}  // namespace cnnfast
