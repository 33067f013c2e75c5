#include "graph/passes/rewrite.h"

namespace cnnfast {

namespace {

// conv2d's attribute for this pooling, or null where it is none of 2 x 2, two apart, unpadded.
const char* pool_of(const Node& node, const std::vector<int>& uses) {
  const std::string_view op = node.op->name();
  const bool max = op == "max_pool2d";
  if (!max && op != "avg_pool2d") return nullptr;
  const std::vector<std::int64_t> two = {2, 2};
  const Attributes& a = node.attributes;
  if (a.integers("pool_size") != two || a.integers("strides", two) != two ||
      a.text("padding", "valid") != "valid")
    return nullptr;
  // Where the largest stood is not known behind the convolution.
  if (max && uses[static_cast<std::size_t>(node.outputs[1])] > 0) return nullptr;
  return max ? "max" : "average";
}

}  // namespace

void fuse_pooling(Program& program, const std::function<bool(const Node&, const Node&)>& serves) {
  Graph& graph = program.graph;
  const std::vector<int> uses = count_uses(program);
  std::vector<bool> keep(graph.nodes().size(), true);
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    Node& pooling = graph.nodes()[i];
    const char* pool = pool_of(pooling, uses);
    if (!pool) continue;
    const NodeId maker_id = maker_for_one(graph, uses, pooling.inputs[0]);
    if (maker_id == kNoNode) continue;
    Node& maker = graph.nodes()[static_cast<std::size_t>(maker_id)];
    if (maker.op->name() != "conv2d" || maker.attributes.has("pool")) continue;
    Node fused = maker;
    fused.attributes.set("pool", std::string(pool));
    if (!serves(maker, fused)) continue;
    maker = std::move(fused);
    take_result(graph, maker_id, pooling);
    keep[i] = false;
  }
  keep_nodes(graph, keep);
}

}  // namespace cnnfast
