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
    const ValueId before = activation.inputs[0];
    if (graph.value(before).kind != ValueKind::result ||
        uses[static_cast<std::size_t>(before)] != 1)
      continue;
    const NodeId maker_id = graph.value(before).producer;
    Node& maker = graph.nodes()[static_cast<std::size_t>(maker_id)];
    if (!takes_epilogue(maker)) continue;
    maker.attributes.set("activation", std::string(activation.op->name()));
    if (activation.attributes.has("alpha"))
      maker.attributes.set("alpha", activation.attributes.all().at("alpha"));
    // The activation's result is now the maker's own output.
    const ValueId after = activation.outputs[0];
    maker.outputs[0] = after;
    graph.value(after).producer = maker_id;
    graph.value(after).output = 0;
    keep[i] = false;
  }
  // Dropped nodes no longer own outputs; keep_nodes renumbers the rest.
  for (std::size_t i = 0; i < keep.size(); ++i)
    if (!keep[i]) graph.nodes()[i].outputs.clear();
  keep_nodes(graph, keep);
}

}  // namespace cnnfast
