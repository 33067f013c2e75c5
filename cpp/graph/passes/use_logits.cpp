#include "graph/passes/rewrite.h"

namespace cnnfast {

namespace {

bool over_last_axis(const Node& softmax, int rank) {
  const std::int64_t axis = softmax.attributes.integer("axis", -1);
  return axis == -1 || axis == rank - 1;
}

}  // namespace

void use_logits(Program& program) {
  Graph& graph = program.graph;
  for (Node& node : graph.nodes()) {
    const std::string_view op = node.op->name();
    const bool binary = op == "binary_crossentropy";
    if (!binary && op != "categorical_crossentropy" && op != "sparse_categorical_crossentropy")
      continue;
    if (node.attributes.boolean("from_logits", false)) continue;
    const Value& predicted = graph.value(node.inputs[0]);
    if (predicted.kind != ValueKind::result) continue;
    const Node& maker = graph.node(predicted.producer);
    if (binary
            ? maker.op->name() != "sigmoid"
            : maker.op->name() != "softmax" || !over_last_axis(maker, predicted.type.shape.rank()))
      continue;
    node.inputs[0] = maker.inputs[0];
    node.attributes.set("from_logits", true);
  }
}

}  // namespace cnnfast
