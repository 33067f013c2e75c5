// What the ops that update variables share: checks, the learning rate, and when an update is due.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ops/op.h"

namespace cnnfast {

inline constexpr double kLargestReal = 1e30;  // for attributes that only have to be finite

// Input `input` must have the type of input 0, which messages call `first`.
void expect_like(std::string_view op, const Call& call, int input, const char* what,
                 const char* first);
void expect_concrete(std::string_view op, const Call& call, const char* what);
void expect_learning_rate(std::string_view op, const Call& call, int input);
void expect_counter(std::string_view op, const Call& call, int input, const char* what);
double real_in(std::string_view op, const Attributes& attributes, const char* name,
               double otherwise, double least, double most);

// The learning rate may be of either width, it is read as a number.
double learning_rate(const Run& run, Slot slot, DType dtype);
std::optional<std::string> declines_unless_f32_parameter(const Problem& p);

// Gradient accumulation: attribute `every` = n > 1 makes an update happen in every n-th step only.
// Its last input then counts steps: int64 scalar, the number of steps before this one. It may stand
// where another form of the op has state, so Op::updates() may take it for written: that costs
// nothing, since everything but `increment` only reads it and keeps its place in front of that.
struct Gate {
  Slot counter;
  std::int64_t every = 1;
  bool due(const Run& run) const {
    return every <= 1 || (*run.ptr<const std::int64_t>(counter) + 1) % every == 0;
  }
};
// Checks `every` and the counter; the number of inputs in front of the counter.
int inputs_before_gate(std::string_view op, const Call& call);
Gate gate_of(const Problem& p, StepBuilder& steps);

}  // namespace cnnfast
