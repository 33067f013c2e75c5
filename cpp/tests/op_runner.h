// Runs one op without a graph or a plan: checks its call, takes the first implementation that
// accepts, runs its steps between guard bands. For tests.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/step_runner.h"

namespace cnnfast::testing {

// A tensor with its contents.
struct Operand {
  TensorType type;
  std::vector<std::byte> bytes;

  template <class T>
  std::vector<T> values() const {
    std::vector<T> v(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(v.data(), bytes.data(), bytes.size());
    return v;
  }
};

template <class T>
Operand operand(const Shape& shape, const std::vector<T>& values) {
  Operand o{{shape, DTypeOf<T>::value, MemorySpace::host}, {}};
  o.bytes.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(o.bytes.data(), values.data(), o.bytes.size());
  return o;
}

// Normally distributed.
inline std::vector<float> random_floats(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = normal(generator);
  return values;
}
inline Operand random_operand(const Shape& shape, unsigned seed) {
  return operand(shape, random_floats(shape.numel(), seed));
}

template <class T>
std::vector<double> doubles(const std::vector<T>& v) {
  return {v.begin(), v.end()};
}

struct Outcome {
  std::vector<Operand> outputs, inputs;  // inputs: as they are afterwards
  std::string implementation, steps;
  bool divided = false;  // is any step's work, between threads?
};

// `force` picks an implementation by name; empty: the first that accepts.
inline Outcome run_op(const std::string& name, const Attributes& attributes,
                      const std::vector<Operand>& operands, Isa isa, int threads,
                      const std::string& force = "") {
  const Op& op = find_op(name);
  std::vector<TensorType> types;
  for (const Operand& o : operands) types.push_back(o.type);
  const std::vector<TensorType> out_types = op.infer({attributes, types});
  Node node;
  node.op = &op;
  node.attributes = attributes;
  const Problem problem{node,    node.attributes, types, out_types, kernels_for(isa),
                        threads, false,           false};
  std::vector<std::unique_ptr<GuardedBuffer>> buffers;
  std::vector<std::byte*> inputs, outputs;
  for (const Operand& o : operands) {
    buffers.push_back(std::make_unique<GuardedBuffer>(o.bytes.size()));
    if (!o.bytes.empty()) std::memcpy(buffers.back()->data(), o.bytes.data(), o.bytes.size());
    inputs.push_back(buffers.back()->data());
  }
  for (const TensorType& t : out_types) {
    buffers.push_back(std::make_unique<GuardedBuffer>(static_cast<std::size_t>(t.bytes())));
    outputs.push_back(buffers.back()->data());
  }
  Outcome outcome;
  StepRunner runner(threads, inputs, outputs);
  for (const Implementation* each : op.implementations()) {
    if (!force.empty() ? each->name() != force : each->declines(problem).has_value()) continue;
    outcome.implementation = each->name();
    each->build(problem, runner);
    break;
  }
  runner.run();
  outcome.steps = runner.steps();
  outcome.divided = runner.divided();
  EXPECT_TRUE(runner.intact()) << name << " wrote outside its scratch";
  for (const auto& b : buffers) EXPECT_TRUE(b->intact()) << name << " wrote outside a buffer";
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const bool is_input = i < operands.size();
    Operand o{is_input ? types[i] : out_types[i - operands.size()], {}};
    o.bytes.assign(buffers[i]->data(), buffers[i]->data() + buffers[i]->size());
    (is_input ? outcome.inputs : outcome.outputs).push_back(std::move(o));
  }
  return outcome;
}

// |got - want| <= tolerance * (scale + |want|); NaN where and only where want is NaN.
inline void expect_close(const std::vector<float>& got, const std::vector<double>& want,
                         double scale, const std::string& what, double tolerance = 2e-6) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double g = static_cast<double>(got[i]);
    const bool same = std::isnan(want[i]) ? std::isnan(g)
                      : std::isinf(want[i])
                          ? g == want[i]
                          : std::abs(g - want[i]) <= tolerance * (scale + std::abs(want[i]));
    ASSERT_TRUE(same) << what << " [" << i << "]: got " << g << ", want " << want[i];
  }
}

}  // namespace cnnfast::testing
