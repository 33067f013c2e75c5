// Reverse mode: Griewank & Walther, Evaluating Derivatives, section 3.2.
#include <cmath>
#include <cstring>

#include "graph/passes/rewrite.h"

namespace cnnfast {

namespace {

ValueId filled(Graph& graph, const TensorType& type, double value) {
  const auto count = static_cast<std::size_t>(type.shape.numel());
  if (type.dtype == DType::f64) {
    const std::vector<double> data(count, value);
    return graph.constant(type, data.data(), "fill");
  }
  const std::vector<float> data(count, static_cast<float>(value));
  return graph.constant(type, data.data(), "fill");
}

// The state of one "gradients" node being expanded.
class Expansion final : public GradientContext {
 public:
  Expansion(Graph& graph, std::vector<bool> needed)
      : graph_(graph), needed_(std::move(needed)), adjoints_(needed_.size(), kNoValue) {}

  void visit(NodeId id) {
    // A copy: adding nodes moves the graph's own.
    current_ = graph_.node(id);
    bool arrived = false, wanted = false;
    for (ValueId v : current_.outputs) arrived = arrived || adjoint(v) != kNoValue;
    for (ValueId v : current_.inputs) wanted = wanted || needed_[static_cast<std::size_t>(v)];
    if (arrived && wanted) current_.op->gradient(*this);
  }
  void seed(ValueId value, ValueId gradient) {
    adjoints_[static_cast<std::size_t>(value)] = gradient;
  }
  ValueId adjoint(ValueId value) const {
    const auto i = static_cast<std::size_t>(value);
    return i < adjoints_.size() ? adjoints_[i] : kNoValue;
  }

  const Node& node() const override { return current_; }
  ValueId input(int i) const override { return current_.inputs[static_cast<std::size_t>(i)]; }
  ValueId output(int i) const override { return current_.outputs[static_cast<std::size_t>(i)]; }
  const TensorType& type(ValueId v) const override { return graph_.type(v); }
  ValueId output_gradient(int i) const override { return adjoint(output(i)); }
  bool wants(int i) const override { return needed_[static_cast<std::size_t>(input(i))]; }

  void give(int i, ValueId gradient) override {
    if (!wants(i)) return;
    if (graph_.type(gradient) != graph_.type(input(i)))
      throw std::logic_error(concat("gradient of ", current_.op->name(), " for input ", i, " is ",
                                    graph_.type(gradient).str(), ", not ",
                                    graph_.type(input(i)).str()));
    ValueId& sum = adjoints_[static_cast<std::size_t>(input(i))];
    sum = sum == kNoValue ? gradient : add("add", {sum, gradient})[0];
  }
  std::vector<ValueId> add(const std::string& op, const std::vector<ValueId>& inputs,
                           const Attributes& attributes) override {
    return graph_.add(op, inputs, attributes, current_.scope, true);
  }
  std::vector<ValueId> add(const std::string& op, const std::vector<ValueId>& inputs) {
    return add(op, inputs, {});
  }
  ValueId fill(const TensorType& type, double value) override {
    return filled(graph_, type, value);
  }

 private:
  Graph& graph_;
  std::vector<bool> needed_;       // does the value depend on what is differentiated for?
  std::vector<ValueId> adjoints_;  // by value
  Node current_;
};

// Which values depend on `wrt`, walking forward.
std::vector<bool> dependents(const Graph& graph, const std::vector<ValueId>& wrt) {
  std::vector<bool> depends(graph.values().size(), false);
  for (ValueId v : wrt) depends[static_cast<std::size_t>(v)] = true;
  for (const Node& node : graph.nodes()) {
    if (node.op->name() == "stop_gradient") continue;
    bool any = false;
    for (ValueId v : node.inputs) any = any || depends[static_cast<std::size_t>(v)];
    if (!any) continue;
    for (ValueId v : node.outputs)
      if (is_floating(graph.type(v).dtype)) depends[static_cast<std::size_t>(v)] = true;
  }
  // Not what is asked for itself unless it is asked for: results before it do not count.
  return depends;
}

// Appends d loss / d wrt to `graph`.
std::vector<ValueId> expand(Graph& graph, ValueId loss, const std::vector<ValueId>& wrt) {
  std::vector<bool> needed = dependents(graph, wrt);
  const bool reachable = needed[static_cast<std::size_t>(loss)];
  const auto last = static_cast<NodeId>(graph.nodes().size()) - 1;
  Expansion expansion(graph, std::move(needed));
  if (reachable) {
    expansion.seed(loss, filled(graph, graph.type(loss), 1.0));
    for (NodeId id = last; id >= 0; --id) expansion.visit(id);
  }
  std::vector<ValueId> gradients;
  for (ValueId v : wrt) {
    const ValueId g = expansion.adjoint(v);
    gradients.push_back(g != kNoValue ? g : filled(graph, graph.type(v), 0.0));
  }
  return gradients;
}

}  // namespace

Program differentiate(const Program& program) {
  const Graph& source = program.graph;
  Program result;
  std::vector<ValueId> map(source.values().size(), kNoValue);
  for (std::size_t i = 0; i < source.values().size(); ++i) {
    const Value& value = source.values()[i];
    if (value.kind == ValueKind::input)
      map[i] = result.graph.input(value.type, value.name);
    else if (value.kind == ValueKind::variable)
      map[i] = result.graph.variable(value.variable);
    else if (value.kind == ValueKind::constant)
      map[i] = result.graph.constant(value.type, value.constant->data(), value.name);
  }
  for (const Node& node : source.nodes()) {
    std::vector<ValueId> inputs;
    for (ValueId v : node.inputs) inputs.push_back(map[static_cast<std::size_t>(v)]);
    std::vector<ValueId> outputs;
    if (node.op->name() == "gradients") {
      outputs = expand(result.graph, inputs[0], {inputs.begin() + 1, inputs.end()});
    } else {
      outputs = result.graph.add(std::string(node.op->name()), inputs, node.attributes, node.scope,
                                 node.backward);
    }
    for (std::size_t i = 0; i < outputs.size(); ++i)
      map[static_cast<std::size_t>(node.outputs[i])] = outputs[i];
  }
  for (ValueId v : program.outputs) result.outputs.push_back(map[static_cast<std::size_t>(v)]);
  return result;
}

}  // namespace cnnfast
