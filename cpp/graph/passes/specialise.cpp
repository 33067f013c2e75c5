#include "graph/passes/rewrite.h"

namespace cnnfast {

namespace {

void check_fits(const Value& traced, const TensorType& given) {
  const auto refuse = [&] {
    value_error("input '", traced.name, "': expected ", traced.type.str(), ", got ", given.str());
  };
  if (given.dtype != traced.type.dtype)
    type_error("input '", traced.name, "': expected ", traced.type.str(), ", got ", given.str());
  if (given.shape.rank() != traced.type.shape.rank() || !given.shape.is_concrete()) refuse();
  for (int i = 0; i < given.shape.rank(); ++i)
    if (!sizes_agree(given.shape[i], traced.type.shape[i])) refuse();
}

}  // namespace

Program specialise(const Program& program, const std::vector<TensorType>& input_types) {
  const Graph& traced = program.graph;
  if (input_types.size() != traced.inputs().size())
    value_error("plan: the graph has ", traced.inputs().size(), " inputs, got types for ",
                input_types.size());
  Program result;
  std::vector<ValueId> map(traced.values().size(), kNoValue);
  for (std::size_t i = 0; i < input_types.size(); ++i) {
    const ValueId id = traced.inputs()[i];
    check_fits(traced.value(id), input_types[i]);
    map[static_cast<std::size_t>(id)] = result.graph.input(input_types[i], traced.value(id).name);
  }
  const auto mapped = [&](ValueId id) {
    ValueId& known = map[static_cast<std::size_t>(id)];
    if (known != kNoValue) return known;
    const Value& value = traced.value(id);
    if (value.kind == ValueKind::variable) {
      known = result.graph.variable(value.variable);
    } else {
      known = result.graph.constant(value.type, value.constant->data(), value.name);
    }
    return known;
  };
  for (const Node& node : traced.nodes()) {
    std::vector<ValueId> inputs;
    for (ValueId v : node.inputs) inputs.push_back(mapped(v));
    const std::vector<ValueId> outputs = result.graph.add(
        std::string(node.op->name()), inputs, node.attributes, node.scope, node.backward);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      map[static_cast<std::size_t>(node.outputs[i])] = outputs[i];
  }
  for (ValueId v : program.outputs) result.outputs.push_back(mapped(v));
  return result;
}

}  // namespace cnnfast
