// How ops over independent rows, and over plain arrays, divide their work between threads.
#pragma once

#include <algorithm>

#include "ops/implementation.h"

namespace cnnfast {

// A step over the rows of `type` (all axes but the last), f(run, first row, last row). Axis 0 is
// divided, so that neighbours over the same batch need no barrier. `work` is in vectors of 16
// floats; 20,000 of them (some 20 us of exp) are the least worth a second thread.
template <class F>
void add_rows_step(const Problem& p, StepBuilder& steps, const char* name, const TensorType& type,
                   double work, F f) {
  const int last = type.shape.rank() - 1;
  const std::int64_t outer = last > 0 ? type.shape[0] : 1;
  const std::int64_t inner = last > 0 ? type.shape.product(1, last) : 1;
  const bool divided = p.threads == 1 ||
                       (outer >= 4 * p.threads && work * 16 / p.kernels.vector_floats >= 2000) ||
                       (outer >= 2 * p.threads && work * 16 / p.kernels.vector_floats >= 20000);
  const Split split = divided && last > 0 ? Split::rows : Split::single;
  steps.step({name, split, outer, true}, [=](const Run& run, int thread, int threads) {
    if (split == Split::single) {
      if (thread == 0) f(run, std::int64_t{0}, outer * inner);
      return;
    }
    const Range r = share(outer, thread, threads);
    if (r.size() > 0) f(run, r.begin * inner, r.end * inner);
  });
}

// A step over `size` values that are independent of each other, f(run, first, count). Thread
// boundaries stand on whole cache lines of 16 floats. Below `least` values (some 10 us) one thread
// does it.
template <class F>
void add_array_step(StepBuilder& steps, const char* name, std::int64_t size, F f,
                    std::int64_t least = 32768) {
  const Split split = size < least ? Split::single : Split::free;
  steps.step({name, split}, [=](const Run& run, int thread, int threads) {
    if (split == Split::single) {
      if (thread == 0) f(run, std::int64_t{0}, size);
      return;
    }
    const Range r = share(size, thread, threads, 1024);
    if (r.size() > 0) f(run, r.begin, r.size());
  });
}

}  // namespace cnnfast
