#include "graph/passes/rewrite.h"

namespace cnnfast {

void cancel_transposes(Program& program) {
  Graph& graph = program.graph;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& outer = graph.nodes()[i];
    if (outer.op->name() != "transpose") continue;
    const Value& between = graph.value(outer.inputs[0]);
    if (between.kind != ValueKind::result) continue;
    const Node& inner = graph.node(between.producer);
    if (inner.op->name() != "transpose") continue;
    const auto& first = inner.attributes.integers("permutation");
    const auto& second = outer.attributes.integers("permutation");
    bool identity = first.size() == second.size();
    for (std::size_t axis = 0; identity && axis < second.size(); ++axis)
      identity = first[static_cast<std::size_t>(second[axis])] == static_cast<std::int64_t>(axis);
    if (identity) replace_uses(program, outer.outputs[0], inner.inputs[0]);
  }
}

}  // namespace cnnfast
