// The softmax family, listed by add_loss_ops().
#pragma once

#include "ops/op.h"

namespace cnnfast {

void add_softmax_ops(OpList& ops);

}  // namespace cnnfast
