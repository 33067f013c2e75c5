#include "graph/passes/rewrite.h"

#include <algorithm>

namespace cnnfast {

std::vector<int> count_uses(const Program& program) {
  std::vector<int> uses(program.graph.values().size(), 0);
  for (const Node& node : program.graph.nodes())
    for (ValueId v : node.inputs) ++uses[static_cast<std::size_t>(v)];
  for (ValueId v : program.outputs) ++uses[static_cast<std::size_t>(v)];
  return uses;
}

void replace_uses(Program& program, ValueId from, ValueId to) {
  for (Node& node : program.graph.nodes())
    std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(program.outputs.begin(), program.outputs.end(), from, to);
}

void keep_nodes(Graph& graph, const std::vector<bool>& keep) {
  std::vector<NodeId> order;
  for (std::size_t i = 0; i < keep.size(); ++i)
    if (keep[i]) order.push_back(static_cast<NodeId>(i));
  reorder_nodes(graph, order);
}

NodeId maker_for_one(const Graph& graph, const std::vector<int>& uses, ValueId v) {
  const Value& value = graph.value(v);
  const bool alone = uses[static_cast<std::size_t>(v)] == 1;
  return value.kind == ValueKind::result && alone ? value.producer : kNoNode;
}

void take_result(Graph& graph, NodeId maker, Node& last) {
  const ValueId result = last.outputs[0];
  graph.nodes()[static_cast<std::size_t>(maker)].outputs[0] = result;
  graph.value(result).producer = maker;
  graph.value(result).output = 0;
  last.outputs.clear();
}

void reorder_nodes(Graph& graph, const std::vector<NodeId>& order) {
  std::vector<Node> nodes;
  nodes.reserve(order.size());
  for (NodeId old : order) {
    nodes.push_back(std::move(graph.nodes()[static_cast<std::size_t>(old)]));
    for (ValueId v : nodes.back().outputs)
      graph.value(v).producer = static_cast<NodeId>(nodes.size() - 1);
  }
  graph.nodes() = std::move(nodes);
}

}  // namespace cnnfast
