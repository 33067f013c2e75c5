#include <utility>

#include "graph/passes/rewrite.h"

namespace cnnfast {

namespace {

const Node* maker_of(const Graph& graph, ValueId v, std::string_view op) {
  const Value& value = graph.value(v);
  if (value.kind != ValueKind::result) return nullptr;
  const Node& node = graph.node(value.producer);
  return node.op->name() == op ? &node : nullptr;
}

}  // namespace

void mask_before_unpooling(Program& program) {
  Graph& graph = program.graph;
  const std::vector<int> uses = count_uses(program);
  for (std::size_t j = 0; j < graph.nodes().size(); ++j) {
    Node& activation = graph.nodes()[j];
    if (activation.op->name() != "activation_backward") continue;
    const ValueId y = activation.inputs[0], spread = activation.inputs[1];
    const Node* unpool = maker_of(graph, spread, "max_pool2d_backward");
    if (!unpool || uses[static_cast<std::size_t>(spread)] != 1) continue;
    const Node* pool = maker_of(graph, unpool->inputs[1], "max_pool2d");
    if (!pool || pool->inputs[0] != y) continue;

    // The two nodes change places; the value between them takes the pooled shape.
    const NodeId i = graph.value(spread).producer;
    const ValueId gradient = unpool->inputs[0], pooled = pool->outputs[0];
    Node& first = graph.nodes()[static_cast<std::size_t>(i)];
    first.inputs[0] = spread;
    activation.inputs = {pooled, gradient};
    std::swap(first.outputs, activation.outputs);
    std::swap(first, activation);
    graph.value(spread).type = graph.type(gradient);
    for (const NodeId id : {i, static_cast<NodeId>(j)})
      for (ValueId v : graph.node(id).outputs) graph.value(v).producer = id;
  }
}

}  // namespace cnnfast
