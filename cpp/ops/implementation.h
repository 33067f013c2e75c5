// One way to run an op for some shapes and types. It accepts or says why it declines, and, when
// chosen, adds steps to a plan. The choice is a pure function of Problem.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/caches.h"
#include "cnnfast/graph.h"
#include "kernels/table.h"
#include "plan/step.h"

namespace cnnfast {

struct Problem {
  const Node& node;
  const Attributes& attributes;
  std::span<const TensorType> inputs;   // concrete
  std::span<const TensorType> outputs;  // concrete
  const Kernels& kernels;               // table of the ISA in use
  int threads = 1;                      // the plan will run with this many
  bool strict_math = false;             // nothing less accurate than direct summation
  bool deterministic = false;           // same bits for any thread count: fixed chunk counts
  std::span<const double> filled = {};  // share of each input likely not to be zero
  Caches caches = machine_caches();

  const TensorType& input(int i) const { return inputs[static_cast<std::size_t>(i)]; }
  const TensorType& output(int i = 0) const { return outputs[static_cast<std::size_t>(i)]; }
  double filled_share(int i) const {
    return static_cast<std::size_t>(i) < filled.size() ? filled[static_cast<std::size_t>(i)] : 1.0;
  }
  int input_count() const { return static_cast<int>(inputs.size()); }
};

class Implementation {
 public:
  virtual ~Implementation() = default;
  virtual std::string_view name() const = 0;
  // nullopt: accepts. Otherwise the reason, in words: "dtype is float64".
  virtual std::optional<std::string> declines(const Problem& problem) const = 0;
  // It could run but something further down the list is expected to be faster: why. Ignored when
  // the user prefers or forces this implementation (CNNFAST_CONV=prefer:winograd).
  virtual std::optional<std::string> discourages(const Problem& problem) const {
    (void)problem;
    return std::nullopt;
  }
  virtual void build(const Problem& problem, StepBuilder& steps) const = 0;
};

// The usual case, from functions. `declines` and `discourages` may be null (no reason against).
class FunctionImplementation final : public Implementation {
 public:
  using Declines = std::optional<std::string> (*)(const Problem&);
  using Build = void (*)(const Problem&, StepBuilder&);
  constexpr FunctionImplementation(const char* name, Declines declines, Build build,
                                   Declines discourages = nullptr)
      : name_(name), declines_(declines), build_(build), discourages_(discourages) {}
  std::string_view name() const override { return name_; }
  std::optional<std::string> declines(const Problem& p) const override {
    return declines_ ? declines_(p) : std::nullopt;
  }
  std::optional<std::string> discourages(const Problem& p) const override {
    return discourages_ ? discourages_(p) : std::nullopt;
  }
  void build(const Problem& p, StepBuilder& s) const override { build_(p, s); }

 private:
  const char* name_;
  Declines declines_;
  Build build_;
  Declines discourages_;
};

// Common reason: "dtype is float64, this kernel computes in float32" unless every floating operand
// is float32.
std::optional<std::string> declines_unless_f32(const Problem& problem);

}  // namespace cnnfast
