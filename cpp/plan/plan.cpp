#include "cnnfast/plan.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/memory.h"
#include "cnnfast/threads.h"
#include "ops/op.h"
#include "plan/arena.h"
#include "plan/compile.h"

namespace cnnfast {

namespace {

using Clock = std::chrono::steady_clock;

const char* split_name(Split split) {
  return split == Split::single ? "single" : split == Split::rows ? "rows" : "free";
}

}  // namespace

struct Plan::Impl {
  CompiledPlan compiled;
  std::shared_ptr<Arena> arena;
  std::byte* persistent = nullptr;
  std::vector<std::byte*> bases;  // by buffer
  std::byte* arena_seen = nullptr;
  std::vector<std::pair<int, int>> inputs, outputs;  // (buffer, index in the call)
  std::vector<int> guarded;                          // steps with a guard
  std::vector<int> chain_from;                       // by step: the chain that begins there, or -1
  std::vector<std::vector<int>> chain_values;        // by chain: buffers that live in it alone
  std::vector<std::vector<std::byte*>> worker_bases;
  Barrier barrier;
  Isa isa = current_isa();

  Clock::time_point ended = {};  // the last run
  int in_a_row = 0;              // runs that followed each other closely

  // State of the run in progress.
  bool everything = true;
  double* seconds = nullptr;  // profile: by step

  Impl(CompiledPlan plan, std::shared_ptr<Arena> shared)
      : compiled(std::move(plan)), arena(std::move(shared)), barrier(compiled.threads) {
    persistent = allocate_aligned(compiled.persistent_bytes);
    bases.assign(compiled.buffers.size(), nullptr);
    for (std::size_t b = 0; b < compiled.buffers.size(); ++b) {
      const Buffer& buffer = compiled.buffers[b];
      const int i = static_cast<int>(b);
      if (buffer.home == Home::persistent) bases[b] = persistent + buffer.offset;
      if (buffer.home == Home::variable)
        bases[b] = compiled.variables[static_cast<std::size_t>(buffer.index)]->data();
      if (buffer.home == Home::input) inputs.emplace_back(i, buffer.index);
      if (buffer.home == Home::output) outputs.emplace_back(i, buffer.index);
    }
    for (std::size_t c = 0; c < compiled.constants.size(); ++c)
      if (!compiled.constants[c]->empty())
        std::memcpy(bases[static_cast<std::size_t>(compiled.constant_buffers[c])],
                    compiled.constants[c]->data(), compiled.constants[c]->size());
    for (std::size_t s = 0; s < compiled.steps.size(); ++s)
      if (compiled.steps[s].guard >= 0) guarded.push_back(static_cast<int>(s));
    chain_from.assign(compiled.steps.size(), -1);
    for (std::size_t c = 0; c < compiled.chains.size(); ++c)
      chain_from[static_cast<std::size_t>(compiled.chains[c].first)] = static_cast<int>(c);
    chain_values.resize(compiled.chains.size());
    for (std::size_t b = 0; b < compiled.buffers.size(); ++b)
      if (compiled.buffers[b].chain >= 0)
        chain_values[static_cast<std::size_t>(compiled.buffers[b].chain)].push_back(
            static_cast<int>(b));
    if (!compiled.chains.empty())
      worker_bases.assign(static_cast<std::size_t>(compiled.threads), bases);
  }
  ~Impl() { free_aligned(persistent); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::uint64_t version(int variable) const {
    return compiled.variables[static_cast<std::size_t>(variable)]->version();
  }

  bool packs_are_fresh() const {
    return std::all_of(guarded.begin(), guarded.end(), [&](int s) {
      const CompiledStep& step = compiled.steps[static_cast<std::size_t>(s)];
      return step.packed_version == version(step.guard);
    });
  }

  void run_step(std::size_t s, const Run& run, int thread, int threads) {
    const CompiledStep& step = compiled.steps[s];
    const auto start = seconds ? Clock::now() : Clock::time_point{};
    const bool single = step.spec.split == Split::single;
    if (!single || run.worker == 0) step.run(run, thread, single ? 1 : threads);
    if (seconds && run.worker == 0)
      seconds[s] += std::chrono::duration<double>(Clock::now() - start).count();
  }

  // A thread's parts of a chain, each through all of its steps. Values that live in the chain alone
  // have room for one part: their base is where row 0 would stand.
  void run_chain(std::size_t index, int thread, int threads) {
    const Chain& chain = compiled.chains[index];
    std::vector<std::byte*>& own = worker_bases[static_cast<std::size_t>(thread)];
    std::copy(bases.begin(), bases.end(), own.begin());
    const int each = chain.parts / threads;
    const std::int64_t rows = compiled.steps[static_cast<std::size_t>(chain.first)].spec.rows;
    Run run{own.data(), thread, true};
    for (int part = thread * each; part < (thread + 1) * each; ++part) {
      for (const int b : chain_values[index]) {
        const auto at = static_cast<std::size_t>(b);
        const Buffer& buffer = compiled.buffers[at];
        own[at] = bases[at] + buffer.worker_bytes * thread -
                  share(rows, part, chain.parts).begin * buffer.row_bytes;
      }
      for (int s = chain.first; s <= chain.last; ++s) {
        run.warm = s > chain.first;
        run_step(static_cast<std::size_t>(s), run, part, chain.parts);
      }
      run.first = false;
    }
  }

  // The shares [begin, end) of every step, of compiled.threads: a thread's own, or all of them on
  // one thread, which needs no barrier.
  void walk(int begin, int end) {
    const int threads = compiled.threads;
    const bool meets = end - begin < threads;
    for (std::size_t s = 0; s < compiled.steps.size(); ++s) {
      const CompiledStep& step = compiled.steps[s];
      if (step.guard >= 0 && !everything) continue;
      if (meets && (everything ? step.barrier : step.barrier_short)) barrier.wait();
      if (step.guard >= 0 && step.packed_version == version(step.guard)) continue;
      const int chain = chain_from[s];
      for (int thread = begin; thread < end; ++thread) {
        if (chain >= 0)
          run_chain(static_cast<std::size_t>(chain), thread, threads);
        else
          run_step(s, Run{bases.data(), thread, true}, thread, threads);
      }
      if (chain >= 0)
        s = static_cast<std::size_t>(compiled.chains[static_cast<std::size_t>(chain)].last);
    }
  }

  // Does the calling thread do everybody's share? Idle workers go to sleep after a few
  // milliseconds, and waking them has been seen to take 4 ms: a brief plan wakes them only where
  // many runs follow each other.
  bool runs_alone() {
    constexpr auto kAwake = std::chrono::milliseconds(1);
    constexpr int kSeries = 8;
    if (compiled.threads == 1) return true;
    if (!compiled.brief || seconds) return false;
    in_a_row = Clock::now() - ended < kAwake ? std::min(in_a_row + 1, kSeries) : 0;
    return in_a_row < kSeries;
  }

  void run(const void* const* in, void* const* out) {
    const std::lock_guard<std::mutex> lock(arena->mutex());
    arena->reserve(compiled.arena_bytes);
    if (arena->data() != arena_seen || arena_seen == nullptr) {
      arena_seen = arena->data();
      for (std::size_t b = 0; b < compiled.buffers.size(); ++b)
        if (compiled.buffers[b].home == Home::arena)
          bases[b] = arena_seen + compiled.buffers[b].offset;
    }
    // Steps only read inputs; the table of bases is one type for all.
    for (const auto& [buffer, i] : inputs)
      bases[static_cast<std::size_t>(buffer)] =
          const_cast<std::byte*>(static_cast<const std::byte*>(in[i]));
    for (const auto& [buffer, i] : outputs)
      bases[static_cast<std::size_t>(buffer)] = static_cast<std::byte*>(out[i]);
    everything = !packs_are_fresh();
    run_region(
        runs_alone() ? 1 : compiled.threads,
        [](void* self, int thread, int threads) {
          Impl& plan = *static_cast<Impl*>(self);
          plan.walk(thread, threads == 1 ? plan.compiled.threads : thread + 1);
        },
        this);
    for (const int v : compiled.updated) compiled.variables[static_cast<std::size_t>(v)]->bump();
    for (const int s : guarded) {  // updates have packed again what they changed
      CompiledStep& step = compiled.steps[static_cast<std::size_t>(s)];
      step.packed_version = version(step.guard);
    }
    if (compiled.threads > 1 && compiled.brief) ended = Clock::now();
  }
};

Plan::Plan(const Graph& graph, const std::vector<ValueId>& outputs,
           const std::vector<TensorType>& input_types, const PlanOptions& options,
           std::shared_ptr<Arena> arena) {
  impl_ = std::make_unique<Impl>(compile(graph, outputs, input_types, options),
                                 arena ? std::move(arena) : make_arena());
  const char* verbose = std::getenv("CNNFAST_VERBOSE");
  if (verbose && std::strcmp(verbose, "0") != 0 && *verbose)
    std::fprintf(stderr, "%s\n", explain().c_str());
}

Plan::~Plan() = default;

const std::vector<TensorType>& Plan::input_types() const { return impl_->compiled.input_types; }
const std::vector<TensorType>& Plan::output_types() const { return impl_->compiled.output_types; }
void Plan::run(const void* const* inputs, void* const* outputs) { impl_->run(inputs, outputs); }
std::int64_t Plan::arena_bytes() const { return impl_->compiled.arena_bytes; }
std::int64_t Plan::persistent_bytes() const { return impl_->compiled.persistent_bytes; }
int Plan::threads() const { return impl_->compiled.threads; }

double Plan::flops() const {
  double total = 0;
  for (const NodeReport& node : impl_->compiled.nodes) total += node.flops;
  return total;
}

std::vector<StepReport> Plan::steps() const {
  const CompiledPlan& plan = impl_->compiled;
  std::vector<StepReport> reports;
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    const CompiledStep& step = plan.steps[s];
    const NodeReport& node = plan.nodes[static_cast<std::size_t>(step.node)];
    StepReport report;
    report.op = node.op;
    report.scope = node.scope;
    report.implementation = node.implementation;
    report.kernel = step.spec.name;
    report.backward = node.backward;
    report.split = split_name(step.spec.split);
    report.barrier = step.barrier;
    for (const Chain& chain : plan.chains)
      if (static_cast<int>(s) >= chain.first && static_cast<int>(s) <= chain.last)
        report.parts = chain.parts;
    const bool last = s + 1 == plan.steps.size() || plan.steps[s + 1].node != step.node;
    report.flops = last ? node.flops : 0;
    report.bytes = last ? node.bytes : 0;
    report.declined = node.declined;
    reports.push_back(std::move(report));
  }
  return reports;
}

std::vector<StepReport> Plan::profile(const void* const* inputs, void* const* outputs,
                                      int repeats) {
  if (repeats < 1 || repeats > 1000000)
    value_error("profile: expected 1 to 1000000 repeats, got ", repeats);
  std::vector<StepReport> reports = steps();
  std::vector<double> seconds(reports.size(), 0.0);
  std::vector<std::vector<double>> samples(reports.size());
  run(inputs, outputs);
  for (int i = 0; i < repeats; ++i) {
    std::fill(seconds.begin(), seconds.end(), 0.0);
    impl_->seconds = seconds.data();
    run(inputs, outputs);
    impl_->seconds = nullptr;
    for (std::size_t s = 0; s < seconds.size(); ++s) samples[s].push_back(seconds[s]);
  }
  for (std::size_t s = 0; s < reports.size(); ++s) {
    auto middle = samples[s].begin() + static_cast<std::ptrdiff_t>(samples[s].size() / 2);
    std::nth_element(samples[s].begin(), middle, samples[s].end());
    reports[s].seconds = *middle;
  }
  return reports;
}

std::string Plan::explain() const {
  const CompiledPlan& plan = impl_->compiled;
  std::ostringstream out;
  out << "plan: " << name_of(impl_->isa) << ", " << plan.threads
      << (plan.threads == 1 ? " thread, " : " threads, ") << plan.steps.size() << " steps, arena "
      << plan.arena_bytes << " bytes, constants and packed weights " << plan.persistent_bytes
      << " bytes\n";
  for (const StepReport& step : steps()) {
    out << (step.barrier ? "  | " : "    ") << (step.scope.empty() ? "-" : step.scope) << "  "
        << step.op << ": " << step.implementation << " [" << step.kernel << ", " << step.split
        << "]";
    if (step.parts > 0) out << " in " << step.parts << " parts";
    for (const std::string& reason : step.declined) out << "\n        not " << reason;
    out << "\n";
  }
  return out.str();
}

}  // namespace cnnfast
