// Graph -> the parts of a plan: steps, buffers, barriers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cnnfast/plan.h"
#include "graph/passes/passes.h"
#include "plan/chains.h"
#include "plan/step.h"

namespace cnnfast {

enum class Home : std::uint8_t {
  arena,       // temporary
  persistent,  // owned by the plan: constants, packed weights
  input,       // index-th array given to run()
  output,      // index-th array given to run()
  variable     // index-th of CompiledPlan::variables
};

struct Buffer {
  Home home = Home::arena;
  int index = 0;
  std::int64_t bytes = 0;
  int first_step = -1, last_step = -1;  // steps that touch it
  std::int64_t offset = 0;              // in the arena or the persistent block
  // Of a value that lives inside one chain only: room for one part of each worker.
  int chain = -1;
  std::int64_t row_bytes = 0, worker_bytes = 0;
};

// What a step does to a buffer.
struct Access {
  int buffer;
  bool writes;
  bool by_rows;  // each thread its rows of it alone
};

struct CompiledStep {
  StepSpec spec;
  StepFunction run;
  int node = 0;
  bool barrier = false;        // in front of it, when everything runs
  bool barrier_short = false;  // in front of it, when pack steps are skipped
  // Variable whose version lets this step be skipped; -1: always runs. If the plan updates it, the
  // update fills what this step does.
  int guard = -1;
  bool packs = false;  // makes another layout of an input that no step writes
  std::vector<Access> accesses;
  std::uint64_t packed_version = 0;
};

struct NodeReport {
  std::string op, scope, implementation;
  bool backward = false;
  double flops = 0, bytes = 0;
  std::vector<std::string> declined;
};

struct CompiledPlan {
  std::vector<CompiledStep> steps;
  std::vector<Chain> chains;
  std::vector<Buffer> buffers;
  std::vector<NodeReport> nodes;
  std::vector<std::shared_ptr<Variable>> variables;
  std::vector<int> updated;  // variables that a run overwrites
  std::vector<TensorType> input_types, output_types;
  std::vector<std::shared_ptr<std::vector<std::byte>>> constants;  // with their buffers:
  std::vector<int> constant_buffers;
  std::int64_t arena_bytes = 0, persistent_bytes = 0;
  int threads = 1;
  bool brief = false;  // takes no longer than sleeping threads may take to wake
};

// Passes, choice of implementations, memory plan, barriers.
CompiledPlan compile(const Graph& graph, const std::vector<ValueId>& outputs,
                     const std::vector<TensorType>& input_types, const PlanOptions& options);

// Sets barrier flags and the epochs that the memory planner needs (plan/schedule.cpp). Returns the
// epoch of each step.
std::vector<int> place_barriers(std::vector<CompiledStep>& steps, const std::vector<Chain>& chains,
                                const std::vector<std::int64_t>& written_bytes);

}  // namespace cnnfast
