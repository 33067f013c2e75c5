#include "graph/passes/rewrite.h"

namespace cnnfast {

namespace {

const Node* maker(const Graph& graph, ValueId v) {
  const Value& value = graph.value(v);
  return value.kind == ValueKind::result ? &graph.node(value.producer) : nullptr;
}

// Did `forward` compute y = activation((x - mean) * scale + shift) from what `backward` reads?
bool belongs_to(const Node& forward, const Node& backward) {
  const std::string_view op = forward.op->name();
  const bool training = op == "batch_norm_training";
  if (!training && op != "batch_norm") return false;
  if (forward.attributes.real("epsilon", 1e-3) != backward.attributes.real("epsilon", 1e-3) ||
      training != backward.attributes.boolean("training"))
    return false;
  const auto& f = forward.inputs;
  const auto& b = backward.inputs;  // x, dy, gamma, beta, mean, variance, mean_low
  if (f[0] != b[0] || f[1] != b[2] || f[2] != b[3]) return false;
  return training ? forward.outputs[1] == b[4] && forward.outputs[2] == b[5]
                  : f[3] == b[4] && f[4] == b[5];
}

}  // namespace

void mask_in_normalisation(Program& program) {
  Graph& graph = program.graph;
  const std::vector<int> uses = count_uses(program);
  for (Node& backward : graph.nodes()) {
    if (backward.op->name() != "batch_norm_backward" ||
        backward.attributes.text("activation", "linear") != "linear")
      continue;
    const ValueId gradient = backward.inputs[1];
    const Node* mask = maker(graph, gradient);
    if (!mask || mask->op->name() != "activation_backward" ||
        uses[static_cast<std::size_t>(gradient)] != 1)
      continue;
    const std::string activation = mask->attributes.text("activation");
    if (activation != "relu" && activation != "leaky_relu") continue;
    const double alpha = mask->attributes.real("alpha", 0.2);
    const Node* forward = maker(graph, mask->inputs[0]);
    if (!forward || forward->outputs[0] != mask->inputs[0] || !belongs_to(*forward, backward) ||
        forward->attributes.text("activation", "linear") != activation ||
        (activation == "leaky_relu" && forward->attributes.real("alpha", 0.2) != alpha))
      continue;
    backward.inputs[1] = mask->inputs[1];
    backward.attributes.set("activation", activation);
    backward.attributes.set("alpha", alpha);
  }
}

}  // namespace cnnfast
