// How an update of a parameter divides its work, and what it does with the parameter's packed
// layouts.
#pragma once

#include <cstdint>
#include <functional>

#include "ops/implementation.h"

namespace cnnfast {

// Runs of `size` consecutive values, `stride` from one to the next.
struct Pieces {
  std::int64_t first, size;
  std::int64_t count = 1, stride = 0;

  template <class F>
  void each(F f) const {  // f(first value)
    for (std::int64_t i = 0; i < count; ++i) f(first + i * stride);
  }
};

// A parameter's large matrices are updated by rows: the product that makes their gradient does so
// too, and in a chain with it the gradient never leaves the cache.
bool updated_by_rows(const Shape& parameter, int threads);

// The step of an update of input 0 by the gradient in input 1. Where the plan keeps packed layouts
// of input 0 for the next run, the update goes over its input channels strip by strip, and packs
// each while it is in the cache.
void add_update_step(const Problem& p, StepBuilder& steps,
                     std::function<void(const Run&, const Pieces&)> update);

}  // namespace cnnfast
