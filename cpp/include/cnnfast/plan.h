// An executable: ordered kernel calls and arena offsets for one set of input shapes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cnnfast/graph.h"
#include "cnnfast/isa.h"

namespace cnnfast {

class Arena;  // the allocation behind the temporaries of a model's plans (plan/arena.h)

std::shared_ptr<Arena> make_arena();
std::int64_t arena_bytes(const Arena& arena);

struct PlanOptions {
  int threads = 0;             // 0: cnnfast::threads()
  bool strict_math = false;    // set_math("strict")
  bool deterministic = false;  // set_deterministic(true)
};

struct StepReport {
  std::string op, scope, implementation, kernel;
  bool backward = false;
  std::string split;                  // "single", "rows", "free"
  bool barrier = false;               // stands before the step
  int parts = 0;                      // of a chain; 0: runs on its own
  double flops = 0, bytes = 0;        // of the whole node, on its last step
  double seconds = 0;                 // from profile(): median of thread 0's time
  std::vector<std::string> declined;  // "winograd: stride is (2, 2), needs (1, 1)"
};

class Plan {
 public:
  // input_types: one concrete type for each of graph.inputs(), in that order. outputs: values to
  // hand back. Runs the passes (specialise, differentiate, fuse, drop dead ops, order), chooses
  // implementations, plans memory.
  Plan(const Graph& graph, const std::vector<ValueId>& outputs,
       const std::vector<TensorType>& input_types, const PlanOptions& options,
       std::shared_ptr<Arena> arena);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const std::vector<TensorType>& input_types() const;
  const std::vector<TensorType>& output_types() const;
  // Pointers must fit the types, be 4-byte (8 for 64-bit types) aligned. No allocation.
  // Outputs must not overlap inputs.
  void run(const void* const* inputs, void* const* outputs);

  std::string explain() const;
  std::vector<StepReport> steps() const;
  // Runs `repeats` times with a clock around every step.
  std::vector<StepReport> profile(const void* const* inputs, void* const* outputs, int repeats);
  std::int64_t arena_bytes() const;       // what the plan's temporaries need
  std::int64_t persistent_bytes() const;  // packed weights and constants
  double flops() const;
  int threads() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cnnfast
