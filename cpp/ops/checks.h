// More checks for infer(), and steps that run on one thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "ops/op.h"

namespace cnnfast {

// ValueError naming an attribute that the op does not have.
void expect_attributes(std::string_view op, const Call& call,
                       std::initializer_list<std::string_view> known);
// Inputs `a` and `b` have the same dtype, of whatever kind; TypeError naming both otherwise.
void expect_one_dtype(std::string_view op, const Call& call, int a, int b);
// Inputs have the same type, symbolic sizes agreeing with any.
void expect_same_type(std::string_view op, const Call& call, int a, int b, const char* names);
// The attribute as a number within float32's range.
double finite_attribute(std::string_view op, const Attributes& attributes, const char* name,
                        double otherwise);

// NumPy's broadcast of two shapes. A symbolic size goes with 1, with another symbolic size, and
// with a known one, which it then must turn out to be.
Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b);
// Sums `gradient` over the axes along which `target` was broadcast to the gradient's shape.
ValueId sum_to_shape(GradientContext& g, ValueId gradient, const Shape& target);
// A scalar constant of this dtype.
ValueId scalar(GradientContext& g, DType dtype, double value);

// Runs body(run) on thread 0.
template <class Body>
void single_step(StepBuilder& steps, std::string name, Body body) {
  steps.step({std::move(name), Split::single, 0},
             [body = std::move(body)](const Run& run, int thread, int) {
               if (thread == 0) body(run);
             });
}

}  // namespace cnnfast
