#include <algorithm>
#include <unordered_map>

#include "ops/families.h"
#include "ops/normalization.h"

namespace cnnfast {

namespace {

struct Registry {
  OpList ops;
  std::vector<const Op*> pointers;
  std::unordered_map<std::string_view, const Op*> by_name;

  Registry() {
    add_conv2d_ops(ops);
    add_conv2d_transpose_ops(ops);
    add_pooling_ops(ops);
    add_dense_ops(ops);
    add_activation_ops(ops);
    add_unary_backward_ops(ops);
    add_elementwise_ops(ops);
    add_reduction_ops(ops);
    add_shape_ops(ops);
    add_rearrange_ops(ops);
    add_axis_map_ops(ops);
    add_affine_ops(ops);
    add_erf_ops(ops);
    add_prelu_ops(ops);
    add_dropout_ops(ops);
    add_batch_norm_ops(ops);
    add_group_norm_ops(ops);
    add_local_response_ops(ops);
    add_loss_ops(ops);
    add_binary_loss_ops(ops);
    add_metric_ops(ops);
    add_optimizer_ops(ops);
    add_schedule_ops(ops);
    add_gradients_op(ops);
    for (const auto& op : ops) {
      pointers.push_back(op.get());
      by_name.emplace(op->name(), op.get());
    }
  }
};

const Registry& registry() {
  static const Registry instance;
  return instance;
}

}  // namespace

const Op& find_op(std::string_view name) {
  const auto& known = registry().by_name;
  const auto found = known.find(name);
  if (found == known.end()) {
    std::string all;
    for (const std::string& each : op_names()) all += (all.empty() ? "" : ", ") + each;
    value_error("graph: there is no op '", name, "'; known ops: ", all);
  }
  return *found->second;
}

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (const Op* op : registry().pointers) names.emplace_back(op->name());
  std::sort(names.begin(), names.end());
  return names;
}

const Op* const* begin_ops(std::size_t& count) {
  count = registry().pointers.size();
  return registry().pointers.data();
}

}  // namespace cnnfast
