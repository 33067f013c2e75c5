// The families of normalisations, for the registry.
#pragma once

#include "ops/op.h"

namespace cnnfast {

void add_batch_norm_ops(OpList& ops);      // ops/batch_norm.cpp
void add_group_norm_ops(OpList& ops);      // ops/group_norm.cpp: layer and group
void add_local_response_ops(OpList& ops);  // ops/local_response.cpp

}  // namespace cnnfast
