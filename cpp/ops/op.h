// What an op is: checks and shape rule, gradient rule, implementations in order.
//
// One file per op family in this folder. A family exposes one function that lists its ops
// (`void add_pooling_ops(OpList&)`), named in ops/registry.cpp. Everything a node says about
// itself comes from its attributes, validated once, in infer(), before any arithmetic.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cnnfast/error.h"
#include "cnnfast/graph.h"
#include "ops/implementation.h"

namespace cnnfast {

// A call of an op that is being validated. Inputs may be symbolic in some sizes.
struct Call {
  const Attributes& attributes;
  std::span<const TensorType> inputs;

  const TensorType& input(int i) const { return inputs[static_cast<std::size_t>(i)]; }
  int count() const { return static_cast<int>(inputs.size()); }
};

// Hands the gradient rule of one node what it needs. All shapes are concrete here.
class GradientContext {
 public:
  virtual ~GradientContext() = default;
  virtual const Node& node() const = 0;
  virtual ValueId input(int i) const = 0;
  virtual ValueId output(int i) const = 0;
  virtual const TensorType& type(ValueId v) const = 0;
  // Gradient that arrived at output i; kNoValue when none did (treat as zero).
  virtual ValueId output_gradient(int i) const = 0;
  // Does anybody need the gradient of input i? Do not build what nobody needs.
  virtual bool wants(int i) const = 0;
  // Adds (sums) a gradient to input i; must have input i's type.
  virtual void give(int i, ValueId gradient) = 0;
  // Appends a backward op in the scope of the forward one.
  virtual std::vector<ValueId> add(const std::string& op, const std::vector<ValueId>& inputs,
                                   const Attributes& attributes = {}) = 0;
  // A constant filled with `value`, of this type.
  virtual ValueId fill(const TensorType& type, double value) = 0;
};

class Op {
 public:
  virtual ~Op() = default;
  virtual std::string_view name() const = 0;

  // Validates attributes and input types, returns the outputs' types. Must accept symbolic sizes
  // where the answer does not depend on them, and never divide by or index with an unchecked
  // value. Messages start with the op's name: "conv2d: ...".
  virtual std::vector<TensorType> infer(const Call& call) const = 0;

  // Default: ValueError "<op> has no gradient".
  virtual void gradient(GradientContext& g) const;

  // Fastest first, "reference" last; reference accepts every call that infer() accepted.
  virtual std::span<const Implementation* const> implementations() const = 0;

  // Input i is a variable that the op overwrites (optimizer updates, counters). Such nodes are
  // never dropped and run after every other reader of the variable.
  virtual bool updates(int input) const {
    (void)input;
    return false;
  }
  // Output `output` may be written over this input when the node is its last reader: same type,
  // element i of the output needs no other element of that input. -1: none.
  virtual int overwrites(int output) const {
    (void)output;
    return -1;
  }
  // Output 0 is input 0's bytes under another shape (reshape, stop_gradient): costs no step.
  virtual bool is_view() const { return false; }
  // Floating point operations and bytes of one run, for summary(), profile() and thresholds.
  // bytes: what must be read and written at least, of the outputs that somebody reads. The default
  // adds up all operands.
  virtual double flops(const Call& call, std::span<const TensorType> outputs) const;
  virtual double bytes(const Call& call, std::span<const TensorType> outputs) const;

  // Share of flops() that a fast algorithm is left with: what an estimate of its time counts.
  virtual double effort(const Call& call) const {
    (void)call;
    return 1;
  }

  // The share of output 0 that is likely to differ from zero, given those of the inputs: what a
  // kernel that skips zeros is worth.
  virtual double filled_share(const Call& call, std::span<const TensorType> outputs,
                              std::span<const double> inputs) const {
    (void)call, (void)outputs, (void)inputs;
    return 1;
  }

  // Group name for CNNFAST_<GROUP>=prefer:|force:|exclude: ("CONV"); empty: not steerable.
  virtual std::string_view group() const { return {}; }
};

using OpList = std::vector<std::unique_ptr<const Op>>;

const Op& find_op(std::string_view name);        // ValueError listing near names when unknown
std::vector<std::string> op_names();             // every registered op, sorted
const Op* const* begin_ops(std::size_t& count);  // for tests that walk all ops

// ---- helpers for infer() ----------------------------------------------------------------
// Each throws with `op` in front of the message.
void expect_inputs(std::string_view op, const Call& call, int least, int most);
void expect_rank(std::string_view op, const Call& call, int input, const char* what, int rank);
void expect_floating(std::string_view op, const Call& call, int input, const char* what);
// All floating inputs share one dtype; TypeError naming both otherwise.
void expect_same_dtype(std::string_view op, const Call& call);
// True when a and b are equal or one of them is symbolic.
bool sizes_agree(std::int64_t a, std::int64_t b);

}  // namespace cnnfast
