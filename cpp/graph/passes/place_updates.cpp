#include <algorithm>

#include "graph/passes/rewrite.h"

namespace cnnfast {

void place_updates(Program& program) {
  Graph& graph = program.graph;
  const auto count = static_cast<NodeId>(graph.nodes().size());
  // For each update: behind the last node that reads one of the variables it writes, behind the
  // makers of its inputs, and behind earlier updates of the same variables.
  std::vector<NodeId> plain;
  for (NodeId id = 0; id < count; ++id)
    if (!updates_variable(graph.node(id))) plain.push_back(id);
  std::vector<bool> is_plain(static_cast<std::size_t>(count), false);
  for (NodeId id : plain) is_plain[static_cast<std::size_t>(id)] = true;

  // An update that reads a variable another update writes (Adam reads the step that `increment`
  // writes) keeps its place in front of that writer.
  std::vector<NodeId> anchor(static_cast<std::size_t>(count), -1);
  std::vector<NodeId> updates;
  for (NodeId id = 0; id < count; ++id) {
    if (is_plain[static_cast<std::size_t>(id)]) continue;
    const Node& update = graph.node(id);
    NodeId last = -1;
    for (ValueId v : update.inputs) {
      const NodeId maker = graph.value(v).producer;
      if (maker != kNoNode)
        last = std::max(last, is_plain[static_cast<std::size_t>(maker)]
                                  ? maker
                                  : anchor[static_cast<std::size_t>(maker)]);
    }
    for (std::size_t i = 0; i < update.inputs.size(); ++i) {
      if (!update.op->updates(static_cast<int>(i))) continue;
      const ValueId variable = update.inputs[i];
      for (NodeId other = 0; other < count; ++other) {
        const Node& reader = graph.node(other);
        if (other == id ||
            std::find(reader.inputs.begin(), reader.inputs.end(), variable) == reader.inputs.end())
          continue;
        if (is_plain[static_cast<std::size_t>(other)])
          last = std::max(last, other);
        else if (other < id)
          last = std::max(last, anchor[static_cast<std::size_t>(other)]);
      }
    }
    // A variable that an earlier update wrote and this one reads: stay behind that update.
    for (NodeId earlier : updates) {
      const Node& writer = graph.node(earlier);
      for (std::size_t i = 0; i < writer.inputs.size(); ++i)
        if (writer.op->updates(static_cast<int>(i)) &&
            std::find(update.inputs.begin(), update.inputs.end(), writer.inputs[i]) !=
                update.inputs.end())
          last = std::max(last, anchor[static_cast<std::size_t>(earlier)]);
    }
    anchor[static_cast<std::size_t>(id)] = last;
    updates.push_back(id);
  }

  std::vector<NodeId> order;
  std::vector<std::vector<NodeId>> after(static_cast<std::size_t>(count) + 1);
  for (NodeId id : updates)
    after[static_cast<std::size_t>(anchor[static_cast<std::size_t>(id)] + 1)].push_back(id);
  for (NodeId id : after[0]) order.push_back(id);
  for (NodeId id : plain) {
    order.push_back(id);
    for (NodeId update : after[static_cast<std::size_t>(id) + 1]) order.push_back(update);
  }
  reorder_nodes(graph, order);
}

}  // namespace cnnfast
