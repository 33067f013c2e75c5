#include "plan/compile.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/memory.h"
#include "cnnfast/threads.h"
#include "graph/passes/rewrite.h"
#include "plan/choose.h"
#include "plan/kept_layouts.h"
#include "plan/memory_planner.h"

namespace cnnfast {

namespace {

constexpr int kNever = std::numeric_limits<int>::max();

// A thread joins for this much estimated work: every cache line that one core wrote and another
// reads takes time, and a plan that updates variables has many. Measured on two cores, one thread
// and two, microseconds; in brackets the estimate:
//   training         tutorial CNN, batch 1 (100)  2 (170)     LeNet-5, 1 (90)  2 (135)    4 (220)
//     Granite Rapids 75 and 87    122 and 122               62 and 78    95 and 105   160 and 147
//     Zen 4          78 and 82    134 and 128               73 and 94    114 and 121  195 and 175
//   inference        tutorial CNN, batch 1 (46)   2 (90)      LeNet-5, 1 (21)  2 (36)     4 (67)
//     Granite Rapids 19 and 29    35 and 29                 12 and 12    20 and 20    39 and 26
//     Zen 4          27 and 27    50 and 37                                           55 and 37
//   with AVX2        tutorial CNN, batch 1 (84)               LeNet-5, 1 (35)  2 (64)
//     Zen 3          42 and 30                              24 and 25
//     Granite Rapids 30 and 30                              16 and 16    29 and 24
constexpr double kWorthThread = 30e-6, kWorthThreadOfUpdates = 100e-6;  // seconds
constexpr double kBrief = 1e-3;
constexpr double kStepSeconds = 50e-9;
constexpr double kCachedBytes = 16 << 20, kCachedBytesPerSecond = 50e9, kBytesPerSecond = 10e9;

double flops_per_second(Isa isa) {
  return isa == Isa::avx512 ? 60e9 : isa == Isa::avx2 ? 30e9 : 8e9;
}

class Compiler {
 public:
  Compiler(Program program, const PlanOptions& options)
      : program_(std::move(program)), graph_(program_.graph), options_(options) {}

  CompiledPlan compile() {
    find_roots();
    estimate_threads();
    make_buffers();
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) build_node(static_cast<int>(i));
    for (const std::size_t step : layouts_.abandoned()) plan_.steps[step].guard = -1;
    copy_outputs();
    place();
    return std::move(plan_);
  }

 private:
  friend class Builder;

  struct CallOfNode {
    std::vector<TensorType> inputs, outputs;
  };
  CallOfNode call_of(const Node& node) const {
    CallOfNode call;
    for (ValueId v : node.inputs) call.inputs.push_back(graph_.type(v));
    for (ValueId v : node.outputs) call.outputs.push_back(graph_.type(v));
    return call;
  }

  // A view is its input under another shape: both have the same root, and the root lives as long
  // as any of its views.
  void find_roots() {
    root_.resize(graph_.values().size());
    for (std::size_t v = 0; v < root_.size(); ++v) root_[v] = static_cast<ValueId>(v);
    last_use_.assign(root_.size(), -1);
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      const Node& node = graph_.nodes()[i];
      for (ValueId v : node.inputs) last_use_[index(root_[index(v)])] = static_cast<int>(i);
      if (node.op->is_view()) root_[index(node.outputs[0])] = root_[index(node.inputs[0])];
    }
    for (ValueId v : program_.outputs) last_use_[index(root_[index(v)])] = kNever;
  }

  void estimate_threads() {
    double flops = 0, bytes = 0, steps = 0;
    bool updates = false;
    filled_.assign(graph_.values().size(), 1.0);
    const std::vector<int> uses = count_uses(program_);
    for (const Node& node : graph_.nodes()) {
      const CallOfNode c = call_of(node);
      const Call call{node.attributes, c.inputs};
      NodeReport report;
      report.op = node.op->name();
      report.scope = node.scope;
      report.backward = node.backward;
      if (!node.op->is_view()) {
        report.flops = node.op->flops(call, c.outputs);
        std::vector<TensorType> written;  // nobody makes what nobody reads
        for (std::size_t o = 0; o < c.outputs.size(); ++o)
          if (uses[index(node.outputs[o])] > 0) written.push_back(c.outputs[o]);
        report.bytes = node.op->bytes(call, written);
        const std::vector<double> shares = filled_shares(node);
        double least = 1;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
          updates = updates || node.op->updates(static_cast<int>(i));
          least = std::min(least, shares[i]);
        }
        if (!node.outputs.empty())
          filled_[index(node.outputs[0])] = node.op->filled_share(call, c.outputs, shares);
        flops += report.flops * std::min(least, node.op->effort(call));
        bytes += report.bytes;
        steps += 1;
      }
      plan_.nodes.push_back(std::move(report));
    }
    const double seconds = flops / flops_per_second(current_isa()) + steps * kStepSeconds +
                           bytes / (bytes > kCachedBytes ? kBytesPerSecond : kCachedBytesPerSecond);
    const int wanted = options_.threads > 0 ? options_.threads : threads();
    const double worth = updates ? kWorthThreadOfUpdates : kWorthThread;
    plan_.threads = static_cast<int>(std::clamp<double>(seconds / worth, 1, wanted));
    plan_.brief = seconds < kBrief;
  }

  std::vector<double> filled_shares(const Node& node) const {  // of its inputs
    std::vector<double> shares;
    for (const ValueId v : node.inputs) shares.push_back(filled_[index(v)]);
    return shares;
  }

  int add_buffer(Home home, int home_index, std::int64_t bytes) {
    plan_.buffers.push_back({home, home_index, bytes, -1, -1, 0});
    return static_cast<int>(plan_.buffers.size()) - 1;
  }

  // Every root gets a buffer: given from outside, or made by a node (its own, or written over an
  // input's whose last reader the node is).
  void make_buffers() {
    buffer_.assign(graph_.values().size(), -1);
    for (std::size_t i = 0; i < graph_.inputs().size(); ++i) {
      const ValueId v = graph_.inputs()[i];
      plan_.input_types.push_back(graph_.type(v));
      buffer_[index(v)] = add_buffer(Home::input, static_cast<int>(i), graph_.type(v).bytes());
    }
    std::vector<bool> read(graph_.values().size(), false);
    for (const Node& node : graph_.nodes())
      for (ValueId v : node.inputs) read[index(v)] = true;
    for (ValueId v : program_.outputs) read[index(v)] = true;
    for (std::size_t v = 0; v < graph_.values().size(); ++v) {
      const Value& value = graph_.values()[v];
      if (!read[v]) continue;
      if (value.kind == ValueKind::variable) {
        variable_of_.emplace_back(static_cast<ValueId>(v),
                                  static_cast<int>(plan_.variables.size()));
        buffer_[v] = add_buffer(Home::variable, static_cast<int>(plan_.variables.size()),
                                value.type.bytes());
        plan_.variables.push_back(value.variable);
      } else if (value.kind == ValueKind::constant) {
        buffer_[v] = add_buffer(Home::persistent, 0, value.type.bytes());
        plan_.constants.push_back(value.constant);
        plan_.constant_buffers.push_back(buffer_[v]);
      }
    }
    // The first output that wants a root writes it straight into the caller's array.
    std::vector<int> direct(graph_.values().size(), -1);
    for (std::size_t i = 0; i < program_.outputs.size(); ++i) {
      const ValueId root = root_[index(program_.outputs[i])];
      plan_.output_types.push_back(graph_.type(program_.outputs[i]));
      const int slot = add_buffer(Home::output, static_cast<int>(i), plan_.output_types[i].bytes());
      output_buffers_.push_back(slot);
      if (graph_.value(root).kind == ValueKind::result && direct[index(root)] < 0)
        direct[index(root)] = slot;
    }
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      const Node& node = graph_.nodes()[i];
      for (std::size_t o = 0; o < node.outputs.size(); ++o) {
        const ValueId v = node.outputs[o];
        if (root_[index(v)] != v) {
          buffer_[index(v)] = buffer_[index(root_[index(v)])];
        } else if (direct[index(v)] >= 0) {
          buffer_[index(v)] = direct[index(v)];
        } else if (const int over = overwritten(node, static_cast<int>(i), static_cast<int>(o));
                   over >= 0) {
          buffer_[index(v)] = over;
        } else {
          buffer_[index(v)] = add_buffer(Home::arena, 0, graph_.type(v).bytes());
        }
      }
    }
  }

  // Buffer of the input that output `o` may be written over, or -1.
  int overwritten(const Node& node, int node_index, int o) const {
    const int i = node.op->overwrites(o);
    if (i < 0 || i >= static_cast<int>(node.inputs.size())) return -1;
    const ValueId in = node.inputs[static_cast<std::size_t>(i)];
    const ValueId root = root_[index(in)];
    const ValueId out = node.outputs[static_cast<std::size_t>(o)];
    if (graph_.value(root).kind != ValueKind::result || last_use_[index(root)] != node_index ||
        graph_.type(in).bytes() != graph_.type(out).bytes())
      return -1;
    const int buffer = buffer_[index(root)];
    if (plan_.buffers[static_cast<std::size_t>(buffer)].home != Home::arena) return -1;
    // Another input that reads the same memory under another shape would see what was overwritten.
    for (ValueId other : node.inputs)
      if (buffer_[index(root_[index(other)])] == buffer && graph_.type(other) != graph_.type(in))
        return -1;
    // Nor may another output of this node have taken it.
    for (int earlier = 0; earlier < o; ++earlier)
      if (buffer_[index(node.outputs[static_cast<std::size_t>(earlier)])] == buffer) return -1;
    return buffer;
  }

  void build_node(int i);

  // An output that is an input, a variable, a constant, or wanted twice is copied.
  void copy_outputs() {
    for (std::size_t i = 0; i < program_.outputs.size(); ++i) {
      const ValueId v = program_.outputs[i];
      const int from = buffer_[index(v)], to = output_buffers_[i];
      if (from == to) continue;
      const auto bytes = static_cast<std::size_t>(graph_.type(v).bytes());
      CompiledStep step;
      step.spec = {"copy", Split::single, 0};
      step.run = [a = Slot{from, 0, 0}, b = Slot{to, 0, 0}, bytes](const Run& run, int, int) {
        if (bytes) std::memcpy(run.ptr<std::byte>(b), run.ptr<std::byte>(a), bytes);
      };
      NodeReport report;
      report.op = "output";
      report.implementation = "copy";
      step.node = static_cast<int>(plan_.nodes.size());
      plan_.nodes.push_back(std::move(report));
      step.accesses = {{from, false, false}, {to, true, false}};
      plan_.steps.push_back(std::move(step));
    }
  }

  // Moves pack steps in front of the steps over rows that stand before them, so that these and the
  // packed weights' users are neighbours that can form a chain.
  void gather_rows() {
    std::vector<CompiledStep>& steps = plan_.steps;
    for (std::size_t i = 1; i + 1 < steps.size(); ++i) {
      if (!steps[i].packs || !steps[i + 1].spec.parts) continue;
      std::size_t to = i;
      while (to > 0 && steps[to - 1].spec.parts && !multiplies(steps[to - 1])) --to;
      // A convolution and the pooling behind it are a chain of their own.
      if (to > 0 && steps[to - 1].spec.parts) continue;
      std::rotate(steps.begin() + static_cast<std::ptrdiff_t>(to),
                  steps.begin() + static_cast<std::ptrdiff_t>(i),
                  steps.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
  }
  // Convolutions: packed weights are not kept over those, lest all weights be packed at once.
  bool multiplies(const CompiledStep& step) const {
    const auto node = static_cast<std::size_t>(step.node);
    return node < graph_.nodes().size() && graph_.nodes()[node].op->group() == "CONV";
  }

  // Bytes that a step reads and writes of each of its rows.
  std::int64_t row_bytes(const CompiledStep& step) const {
    const auto node = static_cast<std::size_t>(step.node);
    if (node >= graph_.nodes().size() || step.spec.rows <= 0) return 0;
    std::int64_t bytes = 0;
    const auto add = [&](const std::vector<ValueId>& values) {
      for (ValueId v : values) {
        const Shape& shape = graph_.type(v).shape;
        if (shape.rank() > 0 && shape[0] == step.spec.rows) bytes += graph_.type(v).bytes();
      }
    };
    add(graph_.nodes()[node].inputs);
    add(graph_.nodes()[node].outputs);
    return bytes / step.spec.rows;
  }

  // A value that no step outside its chain touches needs room for one part of each worker only.
  void shrink_chain_values() {
    std::vector<std::int64_t> rows(plan_.buffers.size(),
                                   -1);  // of all values there; 0: they differ
    for (std::size_t v = 0; v < buffer_.size(); ++v) {
      if (buffer_[v] < 0) continue;
      const Shape& shape = graph_.values()[v].type.shape;
      const std::int64_t count = shape.rank() > 0 ? shape[0] : 0;
      std::int64_t& known = rows[static_cast<std::size_t>(buffer_[v])];
      known = known < 0 || known == count ? count : 0;
    }
    for (std::size_t c = 0; c < plan_.chains.size(); ++c) {
      const Chain& chain = plan_.chains[c];
      const std::int64_t all = plan_.steps[static_cast<std::size_t>(chain.first)].spec.rows;
      for (std::size_t b = 0; b < plan_.buffers.size(); ++b) {
        Buffer& buffer = plan_.buffers[b];
        if (buffer.home != Home::arena || rows[b] != all || buffer.first_step < chain.first ||
            buffer.last_step > chain.last)
          continue;
        buffer.chain = static_cast<int>(c);
        buffer.row_bytes = buffer.bytes / all;
        buffer.worker_bytes =
            align_up(share(all, 0, chain.parts).size() * buffer.row_bytes + kSlack);
        buffer.bytes = buffer.worker_bytes * plan_.threads;
      }
    }
  }

  void place() {
    gather_rows();
    std::vector<std::int64_t> written(plan_.steps.size(), 0);
    std::vector<ChainLink> links;
    for (std::size_t s = 0; s < plan_.steps.size(); ++s) {
      const CompiledStep& step = plan_.steps[s];
      links.push_back({&step.spec, row_bytes(step), step.packs});
      for (const Access& access : step.accesses) {
        Buffer& buffer = plan_.buffers[static_cast<std::size_t>(access.buffer)];
        if (buffer.first_step < 0) buffer.first_step = static_cast<int>(s);
        buffer.last_step = static_cast<int>(s);
      }
      const auto node = static_cast<std::size_t>(step.node);
      if (node >= graph_.nodes().size()) continue;
      for (ValueId v : graph_.nodes()[node].outputs) written[s] += graph_.type(v).bytes();
    }
    plan_.chains = find_chains(links, plan_.threads);
    shrink_chain_values();
    const std::vector<int> epochs = place_barriers(plan_.steps, plan_.chains, written);
    std::vector<Lifetime> lives;
    std::vector<std::size_t> owners;
    for (std::size_t b = 0; b < plan_.buffers.size(); ++b) {
      Buffer& buffer = plan_.buffers[b];
      if (buffer.home == Home::persistent) {
        buffer.offset = plan_.persistent_bytes;
        plan_.persistent_bytes += align_up(buffer.bytes + kSlack);
      } else if (buffer.home == Home::arena && buffer.first_step >= 0) {
        lives.push_back({buffer.bytes, epochs[static_cast<std::size_t>(buffer.first_step)],
                         epochs[static_cast<std::size_t>(buffer.last_step)], 0});
        owners.push_back(b);
      }
    }
    plan_.arena_bytes = plan_memory(lives);
    for (std::size_t i = 0; i < lives.size(); ++i)
      plan_.buffers[owners[i]].offset = lives[i].offset;
    const bool alone = std::all_of(plan_.steps.begin(), plan_.steps.end(),
                                   [](const auto& s) { return s.spec.split == Split::single; });
    if (alone) plan_.threads = 1;
  }

  static std::size_t index(ValueId v) { return static_cast<std::size_t>(v); }

  Program program_;
  Graph& graph_;
  PlanOptions options_;
  CompiledPlan plan_;
  std::vector<ValueId> root_;
  std::vector<int> last_use_;  // by root: node index, kNever when handed back
  std::vector<int> buffer_;    // by value
  std::vector<int> output_buffers_;
  std::vector<double> filled_;  // by value: Op::filled_share
  std::vector<std::pair<ValueId, int>> variable_of_;
  KeptLayouts layouts_{graph_};
};

// What one node's implementation sees.
class Builder final : public StepBuilder {
 public:
  Builder(Compiler& compiler, const Node& node, int node_index)
      : compiler_(compiler), node_(node), node_index_(node_index) {
    const std::vector<int> uses = count_uses(compiler.program_);
    for (ValueId v : node.outputs) used_.push_back(uses[Compiler::index(v)] > 0);
  }

  Slot input(int i) override {
    if (i < 0 || i >= static_cast<int>(node_.inputs.size())) return {};
    return use(compiler_.buffer_[Compiler::index(node_.inputs[static_cast<std::size_t>(i)])]);
  }
  Slot output(int i) override {
    return use(compiler_.buffer_[Compiler::index(node_.outputs[static_cast<std::size_t>(i)])]);
  }
  bool output_used(int i) const override { return used_[static_cast<std::size_t>(i)]; }

  Slot scratch(std::int64_t bytes) override {
    return use_scratch(compiler_.add_buffer(Home::arena, 0, std::max<std::int64_t>(bytes, 0)));
  }
  Slot scratch_per_thread(std::int64_t bytes_each) override {
    const std::int64_t each = align_up(std::max<std::int64_t>(bytes_each, 0) + kSlack);
    Slot slot = scratch(checked_multiply(each, threads(), "scratch"));
    slot.stride = each;
    return slot;
  }
  Slot packed(int input, std::int64_t bytes) override {
    if (guard(input) < 0) return scratch(bytes);
    packed_ = compiler_.add_buffer(Home::persistent, 0, bytes);
    return use_scratch(packed_);
  }

  void step(StepSpec spec, StepFunction run) override { add(std::move(spec), std::move(run), -1); }
  bool keeps_packed(int input) const override { return guard(input) >= 0; }
  void pack_step(int input, StepSpec spec, StepFunction run, ChannelPack channels) override {
    const int variable = guard(input);
    const ValueId root = root_of(input);
    if (!channels.run) channels.run = [run](const Run& all, Range) { run(all, 0, 1); };
    if (variable >= 0)
      compiler_.layouts_.add({root, packed_, compiler_.plan_.steps.size(), std::move(channels)});
    add(std::move(spec), std::move(run), variable);
    compiler_.plan_.steps.back().packs = compiler_.graph_.value(root).kind != ValueKind::result;
  }
  std::vector<ChannelPack> repacks(int input, std::int64_t largest_grain) override {
    std::vector<ChannelPack> packs;
    for (KeptLayout& layout : compiler_.layouts_.renew(root_of(input), largest_grain)) {
      scratch_.push_back(layout.buffer);
      packs.push_back(std::move(layout.pack));
    }
    return packs;
  }
  int threads() const override { return compiler_.plan_.threads; }

  // Every buffer of the node is alive during all of its steps.
  void finish(std::size_t first_step) {
    int rank = 0;
    for (ValueId v : node_.inputs) rank = std::max(rank, compiler_.graph_.type(v).shape.rank());
    for (std::size_t s = first_step; s < compiler_.plan_.steps.size(); ++s) {
      CompiledStep& step = compiler_.plan_.steps[s];
      const auto has = [](const std::vector<Slot>& slots, int buffer) {
        return std::any_of(slots.begin(), slots.end(),
                           [=](const Slot& slot) { return slot.base == buffer; });
      };
      const auto add = [&](int buffer, bool writes, std::int64_t rows) {
        if (!step.spec.touches.empty() && !has(step.spec.touches, buffer)) return;
        const bool by_rows = step.spec.split == Split::rows && rows == step.spec.rows &&
                             !has(step.spec.whole, buffer);
        step.accesses.push_back({buffer, writes, by_rows});
      };
      // A vector beside matrices may be one of channels that happen to be as many as the rows.
      const auto add_value = [&](ValueId v, bool writes) {
        const Shape& shape = compiler_.graph_.type(v).shape;
        const bool has_rows = shape.rank() > 1 || (shape.rank() == 1 && rank <= 1);
        add(compiler_.buffer_[Compiler::index(v)], writes, has_rows ? shape[0] : 0);
      };
      for (std::size_t i = 0; i < node_.inputs.size(); ++i)
        add_value(node_.inputs[i], node_.op->updates(static_cast<int>(i)));
      for (ValueId v : node_.outputs) add_value(v, true);
      for (const int buffer : scratch_) add(buffer, true, 0);
    }
  }

 private:
  Slot use(int buffer) { return Slot{buffer, 0, 0}; }
  Slot use_scratch(int buffer) {
    scratch_.push_back(buffer);
    return use(buffer);
  }
  void add(StepSpec spec, StepFunction run, int guard) {
    CompiledStep step;
    step.spec = std::move(spec);
    step.run = std::move(run);
    step.node = node_index_;
    step.guard = guard;
    compiler_.plan_.steps.push_back(std::move(step));
  }
  ValueId root_of(int input) const {
    return compiler_.root_[Compiler::index(node_.inputs[static_cast<std::size_t>(input)])];
  }
  // Index of the variable behind input i whose layouts this plan keeps, or -1.
  int guard(int i) const {
    const ValueId root = root_of(i), v = node_.inputs[static_cast<std::size_t>(i)];
    for (const auto& [value, variable] : compiler_.variable_of_)
      if (value == root)
        return compiler_.layouts_.keeps(root, compiler_.graph_.type(v), node_index_) ? variable
                                                                                     : -1;
    return -1;
  }

  Compiler& compiler_;
  const Node& node_;
  int node_index_;
  std::vector<bool> used_;
  std::vector<int> scratch_;  // buffers, packed ones among them
  int packed_ = -1;           // the last one that is kept
};

void Compiler::build_node(int i) {
  const Node& node = graph_.nodes()[static_cast<std::size_t>(i)];
  NodeReport& report = plan_.nodes[static_cast<std::size_t>(i)];
  if (node.op->is_view()) {
    report.implementation = "view";
    return;
  }
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    if (!node.op->updates(static_cast<int>(k))) continue;
    const ValueId root = root_[index(node.inputs[k])];
    for (const auto& [value, variable] : variable_of_)
      if (value == root &&
          std::find(plan_.updated.begin(), plan_.updated.end(), variable) == plan_.updated.end())
        plan_.updated.push_back(variable);
  }
  // Nothing to write (an empty batch, no channels): no kernel has to cope with sizes of zero.
  const bool writes_nothing =
      !node.outputs.empty() &&
      std::all_of(node.outputs.begin(), node.outputs.end(),
                  [this](ValueId v) { return graph_.type(v).bytes() == 0; });
  if (writes_nothing) {
    report.implementation = "nothing";
    return;
  }
  const CallOfNode call = call_of(node);
  const std::vector<double> filled = filled_shares(node);
  const Problem problem{node,
                        node.attributes,
                        call.inputs,
                        call.outputs,
                        kernels_for(current_isa()),
                        plan_.threads,
                        options_.strict_math,
                        options_.deterministic,
                        filled};
  const Choice choice = choose(problem);
  report.implementation = choice.implementation->name();
  report.declined = choice.declined;
  const std::size_t first_step = plan_.steps.size();
  Builder builder(*this, node, i);
  choice.implementation->build(problem, builder);
  builder.finish(first_step);
}

}  // namespace

namespace {

// Asks f about the problem that a node of concrete types is.
template <class F>
auto with_problem(const Graph& graph, const Node& node, const PlanOptions& options, F f) {
  std::vector<TensorType> inputs;
  for (ValueId v : node.inputs) inputs.push_back(graph.type(v));
  const std::vector<TensorType> outputs = node.op->infer(Call{node.attributes, inputs});
  return f(Problem{node, node.attributes, inputs, outputs, kernels_for(current_isa()),
                   options.threads > 0 ? options.threads : threads(), options.strict_math,
                   options.deterministic});
}

}  // namespace

CompiledPlan compile(const Graph& graph, const std::vector<ValueId>& outputs,
                     const std::vector<TensorType>& input_types, const PlanOptions& options) {
  Program program = specialise({graph, outputs}, input_types);
  use_logits(program);
  program = differentiate(program);
  cancel_transposes(program);
  mask_before_unpooling(program);
  drop_dead(program);
  fuse_activations(program);
  fuse_pooling(program, [&](const Node& conv2d, const Node& pools) {
    const auto pick = [](const Problem& p) { return choose(p).implementation; };
    const Implementation* way = with_problem(program.graph, conv2d, options, pick);
    return with_problem(program.graph, pools, options,
                        [&](const Problem& p) { return !way->declines(p); });
  });
  mask_in_normalisation(program);
  drop_dead(program);
  place_updates(program);
  return Compiler(std::move(program), options).compile();
}

}  // namespace cnnfast
