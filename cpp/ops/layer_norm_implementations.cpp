#include <algorithm>

#include "kernels/norm_table.h"
#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/group_norm.h"
#include "ops/strided_loop.h"
#include "reference/group_norm.h"

namespace cnnfast {

namespace {

double epsilon_of(const Problem& p) { return p.attributes.real("epsilon", 1e-3); }

template <class T>
reference::GroupNorm<T> reference_problem(const Problem& p) {
  const GroupShape s = group_shape(p);
  reference::GroupNorm<T> g{};
  g.samples = s.samples;
  g.middle = s.middle;
  g.groups = s.groups;
  g.size = s.size;
  g.epsilon = epsilon_of(p);
  return g;
}

// Rows of the last axis, by axis 0 where that spares a barrier.
template <class F>
void add_row_step(const Problem& p, StepBuilder& steps, const char* name, const GroupShape& s,
                  std::span<const TensorType> operands, F f) {
  const StridedLoop loop = flat_loop(s.samples);
  const Shape& x = p.input(0).shape;
  const double cost = static_cast<double>(s.samples * (s.size + 32)) * 0.4;
  Division division = divide_loop(p, loop, cost, x.rank() > 1 ? rows_apply(x, operands) : 0);
  if (division.split == Split::free) division.grain = 1;
  add_divided_step(steps, name, loop, division, [=](const Run& run, const StridedLoop&, Part part) {
    if (part.size() > 0) f(run, part.range);
  });
}

void forward_vector(const Problem& p, StepBuilder& steps) {
  const GroupShape s = group_shape(p);
  const Slot x = steps.input(0), gamma = steps.input(1), beta = steps.input(2);
  const Slot y = steps.output(0), mean = steps.output(1), variance = steps.output(2),
             low = steps.output(3);
  const double epsilon = epsilon_of(p);
  add_row_step(p, steps, "rows", s, p.inputs,
               [=, kernel = norm_kernels(p.kernels.isa).rows](const Run& run, Range rows) {
                 const std::int64_t at = rows.begin * s.size;
                 kernel({run.ptr<const float>(x) + at, run.ptr<float>(y) + at, rows.size(), s.size,
                         run.ptr<const float>(gamma), run.ptr<const float>(beta),
                         run.ptr<float>(mean) + rows.begin, run.ptr<float>(variance) + rows.begin,
                         run.ptr<float>(low) + rows.begin, epsilon});
               });
}

// Rows are taken in chunks whose number follows from the sizes alone; each leaves its sums for
// dgamma and dbeta, which are added in double.
void backward_vector(const Problem& p, StepBuilder& steps) {
  const GroupShape s = group_shape(p);
  const Slot x = steps.input(0), dy = steps.input(1), gamma = steps.input(2), mean = steps.input(3),
             variance = steps.input(4), low = steps.input(5);
  const Slot dx = steps.output(0), dgamma = steps.output(1), dbeta = steps.output(2);
  const bool want_dx = steps.output_used(0);
  const double epsilon = epsilon_of(p);
  const std::int64_t chunk = std::clamp<std::int64_t>((s.samples + 15) / 16, 1, 256);
  const std::int64_t chunks = (s.samples + chunk - 1) / chunk;
  const Slot partial = steps.scratch(chunks * 2 * s.size * 4);
  const StridedLoop loop = flat_loop(chunks);
  Division division = divide_loop(p, loop, static_cast<double>(s.samples * (s.size + 32)) * 0.8, 0);
  division.grain = 1;
  add_divided_step(
      steps, "rows", loop, division,
      [=, kernel = norm_kernels(p.kernels.isa).rows_gradient](const Run& run, const StridedLoop&,
                                                              Part part) {
        for (std::int64_t i = part.range.begin; i < part.range.end; ++i) {
          const std::int64_t row = i * chunk, at = row * s.size;
          float* sums = run.ptr<float>(partial) + i * 2 * s.size;
          kernel({run.ptr<const float>(x) + at, run.ptr<const float>(dy) + at,
                  want_dx ? run.ptr<float>(dx) + at : nullptr, std::min(chunk, s.samples - row),
                  s.size, run.ptr<const float>(gamma), run.ptr<const float>(mean) + row,
                  run.ptr<const float>(variance) + row, run.ptr<const float>(low) + row, epsilon,
                  sums, sums + s.size});
        }
      });
  if (!steps.output_used(1) && !steps.output_used(2)) return;
  const StridedLoop columns = flat_loop(s.size);
  add_divided_step(steps, "merge", columns,
                   divide_loop(p, columns, static_cast<double>(chunks * s.size) * 2, 0),
                   [=](const Run& run, const StridedLoop&, Part part) {
                     const float* sums = run.ptr<const float>(partial);
                     for (std::int64_t c = part.range.begin; c < part.range.end; ++c) {
                       double product = 0, sum = 0;
                       for (std::int64_t i = 0; i < chunks; ++i) {
                         product += static_cast<double>(sums[i * 2 * s.size + c]);
                         sum += static_cast<double>(sums[(i * 2 + 1) * s.size + c]);
                       }
                       run.ptr<float>(dgamma)[c] = static_cast<float>(product);
                       run.ptr<float>(dbeta)[c] = static_cast<float>(sum);
                     }
                   });
}

const FunctionImplementation kForward("vector", declines_unless_f32, forward_vector);
const FunctionImplementation kForwardReference("reference", nullptr, group_norm_reference);
const Implementation* const kForwardList[] = {&kForward, &kForwardReference};
const FunctionImplementation kBackward("vector", declines_unless_f32, backward_vector);
const FunctionImplementation kBackwardReference("reference", nullptr,
                                                group_norm_backward_reference);
const Implementation* const kBackwardList[] = {&kBackward, &kBackwardReference};

}  // namespace

void group_norm_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), gamma = steps.input(1), beta = steps.input(2);
  const Slot y = steps.output(0), mean = steps.output(1), variance = steps.output(2),
             low = steps.output(3);
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    const reference::GroupNorm<T> shape = reference_problem<T>(p);
    single_step(steps, "reference", [=](const Run& run) {
      reference::GroupNorm<T> g = shape;
      g.x = run.ptr<const T>(x);
      g.gamma = run.ptr<const T>(gamma);
      g.beta = run.ptr<const T>(beta);
      g.mean = run.ptr<T>(mean);
      g.variance = run.ptr<T>(variance);
      g.mean_low = run.ptr<T>(low);
      reference::group_norm(g, run.ptr<T>(y));
    });
  });
}

void group_norm_backward_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), dy = steps.input(1), gamma = steps.input(2), mean = steps.input(3),
             variance = steps.input(4), low = steps.input(5);
  const Slot dx = steps.output(0), dgamma = steps.output(1), dbeta = steps.output(2);
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    const reference::GroupNorm<T> shape = reference_problem<T>(p);
    single_step(steps, "reference", [=](const Run& run) {
      reference::GroupNorm<T> g = shape;
      g.x = run.ptr<const T>(x);
      g.gamma = run.ptr<const T>(gamma);
      g.mean = run.ptr<T>(mean);
      g.variance = run.ptr<T>(variance);
      g.mean_low = run.ptr<T>(low);
      reference::group_norm_backward(g, run.ptr<const T>(dy), run.ptr<T>(dx), run.ptr<T>(dgamma),
                                     run.ptr<T>(dbeta));
    });
  });
}

std::span<const Implementation* const> layer_norm_implementations() { return kForwardList; }
std::span<const Implementation* const> layer_norm_backward_implementations() {
  return kBackwardList;
}

}  // namespace cnnfast
