// Ops and values before any decision on how to run them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cnnfast/attributes.h"
#include "cnnfast/tensor_type.h"
#include "cnnfast/variable.h"

namespace cnnfast {

class Op;

using ValueId = std::int32_t;
using NodeId = std::int32_t;
inline constexpr ValueId kNoValue = -1;
inline constexpr NodeId kNoNode = -1;

enum class ValueKind : std::uint8_t {
  input,     // given at every run
  variable,  // read from (and perhaps updated in) a Variable
  constant,  // bytes fixed at trace time
  result     // made by a node
};

struct Value {
  TensorType type;
  ValueKind kind = ValueKind::result;
  NodeId producer = kNoNode;  // for results
  int output = 0;             // which output of the producer
  std::string name;
  std::shared_ptr<Variable> variable;
  std::shared_ptr<std::vector<std::byte>> constant;
};

struct Node {
  const Op* op = nullptr;
  Attributes attributes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::string scope;      // layer that asked for it, for messages and profiles: "conv2d_1"
  bool backward = false;  // made by differentiation
};

// Nodes stand in an order in which they can run. A graph is cheap to copy (variables and
// constants are shared). Ops with effects (optimizer updates, counters) name the variable they
// write through Op::updates().
class Graph {
 public:
  ValueId input(const TensorType& type, const std::string& name);
  ValueId variable(std::shared_ptr<Variable> variable);  // the same value for the same variable
  ValueId constant(const TensorType& type, const void* data, const std::string& name = "");

  // Validates, infers the outputs' types and appends. ValueError/TypeError from the op, with
  // `scope` in front of the message.
  std::vector<ValueId> add(const std::string& op, const std::vector<ValueId>& inputs,
                           const Attributes& attributes = {}, const std::string& scope = "",
                           bool backward = false);

  // Appends the node "gradients": d loss / d wrt[i], each with the type of wrt[i] (zeros where no
  // path leads there). `loss` must be a floating scalar. Expanded by passes/differentiate once
  // shapes are concrete.
  std::vector<ValueId> gradients(ValueId loss, const std::vector<ValueId>& wrt);

  const Value& value(ValueId id) const;  // ValueError when there is none
  Value& value(ValueId id);
  const TensorType& type(ValueId id) const { return value(id).type; }
  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  std::vector<Node>& nodes() { return nodes_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  std::vector<Value>& values() { return values_; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<ValueId>& inputs() const { return inputs_; }

  // A node put behind the last one whatever its op thinks of it (used by passes).
  NodeId append(Node node, const std::vector<TensorType>& output_types);

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_;
};

}  // namespace cnnfast
