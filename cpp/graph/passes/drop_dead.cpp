#include "graph/passes/rewrite.h"

namespace cnnfast {

void drop_dead(Program& program) {
  Graph& graph = program.graph;
  std::vector<bool> wanted(graph.values().size(), false);
  for (ValueId v : program.outputs) wanted[static_cast<std::size_t>(v)] = true;
  std::vector<bool> keep(graph.nodes().size(), false);
  for (std::size_t i = graph.nodes().size(); i-- > 0;) {
    const Node& node = graph.nodes()[i];
    bool alive = updates_variable(node);
    for (ValueId v : node.outputs) alive = alive || wanted[static_cast<std::size_t>(v)];
    keep[i] = alive;
    if (!alive) continue;
    for (ValueId v : node.inputs) wanted[static_cast<std::size_t>(v)] = true;
  }
  keep_nodes(graph, keep);
}

}  // namespace cnnfast
