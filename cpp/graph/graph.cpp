#include "cnnfast/graph.h"

#include <cstring>

#include "ops/op.h"

namespace cnnfast {

namespace {

// A layer's name in front of what its op has to say, keeping the kind of error.
template <class Function>
auto with_scope(const std::string& scope, Function&& function) {
  if (scope.empty()) return function();
  try {
    return function();
  } catch (const ValueError& e) {
    throw ValueError(scope + ": " + e.what());
  } catch (const TypeError& e) {
    throw TypeError(scope + ": " + e.what());
  }
}

// Shapes and attributes refuse without knowing which op asked: its name goes in front of what they
// say, unless it stands there already.
std::vector<TensorType> infer_named(const std::string& op, const Op& rule, const Call& call) {
  const auto named = [&op](const std::string& message) {
    return message.compare(0, op.size() + 1, op + ":") == 0 ? message : op + ": " + message;
  };
  try {
    std::vector<TensorType> outputs = rule.infer(call);
    for (const TensorType& output : outputs)
      if (output.shape.is_concrete()) output.bytes();  // throws when it cannot be addressed
    return outputs;
  } catch (const ValueError& e) {
    throw ValueError(named(e.what()));
  } catch (const TypeError& e) {
    throw TypeError(named(e.what()));
  }
}

}  // namespace

ValueId Graph::input(const TensorType& type, const std::string& name) {
  Value value;
  value.type = type;
  value.kind = ValueKind::input;
  value.name = name;
  values_.push_back(std::move(value));
  const auto id = static_cast<ValueId>(values_.size() - 1);
  inputs_.push_back(id);
  return id;
}

ValueId Graph::variable(std::shared_ptr<Variable> variable) {
  if (!variable) value_error("graph: expected a variable, got none");
  for (std::size_t i = 0; i < values_.size(); ++i)
    if (values_[i].variable == variable) return static_cast<ValueId>(i);
  Value value;
  value.type = variable->type();
  value.kind = ValueKind::variable;
  value.name = variable->name();
  value.variable = std::move(variable);
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::constant(const TensorType& type, const void* data, const std::string& name) {
  const auto bytes = static_cast<std::size_t>(type.bytes());
  Value value;
  value.type = type;
  value.kind = ValueKind::constant;
  value.name = name;
  value.constant = std::make_shared<std::vector<std::byte>>(bytes);
  if (bytes) std::memcpy(value.constant->data(), data, bytes);
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size() - 1);
}

std::vector<ValueId> Graph::add(const std::string& op, const std::vector<ValueId>& inputs,
                                const Attributes& attributes, const std::string& scope,
                                bool backward) {
  return with_scope(scope, [&] {
    Node node;
    node.op = &find_op(op);
    node.attributes = attributes;
    node.inputs = inputs;
    node.scope = scope;
    node.backward = backward;
    std::vector<TensorType> types;
    types.reserve(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Value& in = value(inputs[i]);
      if (node.op->updates(static_cast<int>(i)) && in.kind != ValueKind::variable)
        value_error(op, ": input ", i, " is updated in place and must be a variable");
      types.push_back(in.type);
    }
    const std::vector<TensorType> outputs = infer_named(op, *node.op, Call{node.attributes, types});
    return nodes_[static_cast<std::size_t>(append(std::move(node), outputs))].outputs;
  });
}

std::vector<ValueId> Graph::gradients(ValueId loss, const std::vector<ValueId>& wrt) {
  std::vector<ValueId> inputs{loss};
  inputs.insert(inputs.end(), wrt.begin(), wrt.end());
  return add("gradients", inputs, {}, "", true);
}

const Value& Graph::value(ValueId id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= values_.size())
    value_error("graph: there is no value ", id, "; the graph has ", values_.size());
  return values_[static_cast<std::size_t>(id)];
}
Value& Graph::value(ValueId id) {
  return const_cast<Value&>(static_cast<const Graph*>(this)->value(id));
}

NodeId Graph::append(Node node, const std::vector<TensorType>& output_types) {
  const auto id = static_cast<NodeId>(nodes_.size());
  node.outputs.clear();
  for (std::size_t i = 0; i < output_types.size(); ++i) {
    Value value;
    value.type = output_types[i];
    value.kind = ValueKind::result;
    value.producer = id;
    value.output = static_cast<int>(i);
    values_.push_back(std::move(value));
    node.outputs.push_back(static_cast<ValueId>(values_.size() - 1));
  }
  nodes_.push_back(std::move(node));
  return id;
}

}  // namespace cnnfast
