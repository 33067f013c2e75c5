// Picks the implementation of a node.
#pragma once

#include <string>
#include <vector>

#include "ops/op.h"

namespace cnnfast {

struct Choice {
  const Implementation* implementation = nullptr;
  std::vector<std::string> declined;  // "winograd: strides are (2, 2), needs (1, 1)"
};

// The first in the op's list that neither declines nor discourages itself. CNNFAST_<GROUP> (for
// example CNNFAST_CONV) may hold a comma-separated list of
//   prefer:NAME   taken wherever it can run
//   force:NAME    ValueError where it cannot
//   exclude:NAME  never taken (unless nothing else can run)
// NAME matches an implementation of that name or one that continues it with '_'. Never a timing:
// a pure function of the problem and the environment.
Choice choose(const Problem& problem);

}  // namespace cnnfast
