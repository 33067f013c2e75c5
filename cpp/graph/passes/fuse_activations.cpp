#include "graph/passes/rewrite.h"

namespace cnnfast {

namespace {

bool takes_epilogue(const Node& node) {
  const std::string_view op = node.op->name();
  return (op == "conv2d" || op == "conv2d_transpose" || op == "dense" || op == "batch_norm" ||
          op == "batch_norm_training") &&
         node.attributes.text("activation", "linear") == "linear";
}

bool is_epilogue(std::string_view op) {
  return op == "relu" || op == "leaky_relu" || op == "tanh" || op == "sigmoid";
}

}  // namespace

void fuse_activations(Program& program) {
  Graph& graph = program.graph;
  const std::vector<int> uses = count_uses(program);
  std::vector<bool> keep(graph.nodes().size(), true);
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    Node& activation = graph.nodes()[i];
    if (!is_epilogue(activation.op->name())) continue;
    const NodeId maker_id = maker_for_one(graph, uses, activation.inputs[0]);
    if (maker_id == kNoNode) continue;
    Node& maker = graph.nodes()[static_cast<std::size_t>(maker_id)];
    if (!takes_epilogue(maker)) continue;
    maker.attributes.set("activation", std::string(activation.op->name()));
    if (activation.attributes.has("alpha"))
      maker.attributes.set("alpha", activation.attributes.all().at("alpha"));
    take_result(graph, maker_id, activation);
    keep[i] = false;
  }
  keep_nodes(graph, keep);
}

}  // namespace cnnfast
