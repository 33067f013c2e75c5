// The placeholder that Graph::gradients() leaves and passes/differentiate replaces.
#include "ops/families.h"

namespace cnnfast {

namespace {

class Gradients final : public Op {
 public:
  std::string_view name() const override { return "gradients"; }

  std::vector<TensorType> infer(const Call& call) const override {
    if (call.count() < 1) value_error("gradients: expected a loss, got no input");
    const TensorType& loss = call.input(0);
    if (!is_floating(loss.dtype))
      type_error("gradients: the loss must be float32 or float64, got ", name_of(loss.dtype));
    if (loss.shape.rank() != 0)
      value_error("gradients: the loss must be a scalar, got shape ", loss.shape,
                  "; reduce it with ops.mean or ops.sum");
    for (int i = 1; i < call.count(); ++i)
      if (!is_floating(call.input(i).dtype))
        type_error("gradients: can differentiate with respect to float32 or float64 only, got ",
                   call.input(i).str());
    return {call.inputs.begin() + 1, call.inputs.end()};
  }

  std::span<const Implementation* const> implementations() const override { return {}; }
};

}  // namespace

void add_gradients_op(OpList& ops) { ops.push_back(std::make_unique<Gradients>()); }

}  // namespace cnnfast
