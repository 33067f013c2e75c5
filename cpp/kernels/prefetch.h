// Asking for what later work reads, so that it arrives while this work runs.
#pragma once

#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Parts [begin, end) of `of` of the cache lines of some floats; kLocality as __builtin_prefetch has
// it: 3 for L1, 2 for L2.
template <int kLocality = 3>
CNNFAST_INLINE void prefetch_share(const float* from, int64_t floats, int64_t begin, int64_t end,
                                   int64_t of) {
  const int64_t lines = (floats + 15) / 16;
  for (int64_t i = lines * begin / of; i < lines * end / of; ++i)
    __builtin_prefetch(from + i * 16, 0, kLocality);
}

// Part `share` of them.
template <int kLocality = 3>
CNNFAST_INLINE void prefetch_share(const float* from, int64_t floats, int64_t share, int64_t of) {
  prefetch_share<kLocality>(from, floats, share, share + 1, of);
}

// The same of every row.
CNNFAST_INLINE void prefetch_rows(const float* from, int64_t row, int64_t rows, int64_t floats,
                                  int64_t share, int64_t of) {
  for (int64_t r = 0; r < rows; ++r) prefetch_share(from + r * row, floats, share, of);
}

// A block of memory asked for some lines in each of `steps` steps and one behind the other, since
// memory sends one long stream fastest.
struct LinesAhead {
  const float* at = nullptr;
  int64_t lines = 0, each = 0;

  LinesAhead() = default;
  LinesAhead(const float* from, int64_t floats, int64_t steps)
      : at(from), lines(floats > 0 ? (floats + 15) / 16 : 0), each((lines + steps - 1) / steps) {}

  template <int kLocality>
  __attribute__((always_inline)) void ask() {
    const int64_t now = each < lines ? each : lines;
    for (int64_t i = 0; i < now; ++i, at += 16) __builtin_prefetch(at, 0, kLocality);
    lines -= now;
  }
};

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
