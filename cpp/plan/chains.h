// Neighbouring steps over the same rows (images), run for a few images at a time: what one step
// writes, the next finds in cache.
//
// A convolution's map of a batch of 128 leaves every cache before the pooling behind it begins.
// As a chain, each thread takes four images through both steps, then the next four.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/step.h"

namespace cnnfast {

struct Chain {
  int first = 0, last = 0;  // steps, both included
  int parts = 0;            // of all threads together; thread t runs parts / threads of them
};

// What the search looks at, one for each step.
struct ChainLink {
  const StepSpec* spec;
  std::int64_t row_bytes;  // read and written for each row
  bool guarded;            // a pack step that may be skipped: belongs to no chain
};

// Chains that pay, in order.
std::vector<Chain> find_chains(const std::vector<ChainLink>& steps, int threads);

}  // namespace cnnfast
