// The loop of element-wise kernels.
#pragma once

#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Four vectors are read before any is written: a store whose address has the last 12 bits of a load
// that follows would hold that load up, which cost a sigmoid 40 % (Zen 4) where y began a line or
// two behind a multiple of 4 KiB from x. f: whole<N>(first of N vectors), some(first, how many).
template <class F>
CNNFAST_INLINE void for_vectors_of(int64_t n, F f) {
  constexpr int kTogether = 4;
  int64_t i = 0;
  for (; i + kTogether * kLanes <= n; i += kTogether * kLanes) f.template whole<kTogether>(i);
  for (; i + kLanes <= n; i += kLanes) f.template whole<1>(i);
  if (i < n) f.some(i, static_cast<int>(n - i));
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
