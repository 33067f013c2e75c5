// Small tools that passes share.
#pragma once

#include <vector>

#include "graph/passes/passes.h"
#include "ops/op.h"

namespace cnnfast {

// How many nodes read each value; being a wanted output counts as one more.
std::vector<int> count_uses(const Program& program);

// Everywhere a node reads `from` (and among the outputs), `to` is read instead.
void replace_uses(Program& program, ValueId from, ValueId to);

// Keeps only the nodes with keep[i], renumbering producers.
void keep_nodes(Graph& graph, const std::vector<bool>& keep);

// Puts nodes into this order (a permutation of their indices).
void reorder_nodes(Graph& graph, const std::vector<NodeId>& order);

// The node that makes `v`, if it has no other reader than the one that asks; kNoNode otherwise.
NodeId maker_for_one(const Graph& graph, const std::vector<int>& uses, ValueId v);

// The first result of `last` is made by `maker` from now on, in the place of its own; `last`, which
// is left without results, is to be dropped.
void take_result(Graph& graph, NodeId maker, Node& last);

inline bool updates_variable(const Node& node) {
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.op->updates(static_cast<int>(i))) return true;
  return false;
}

}  // namespace cnnfast
