// Which taps of a window fall inside the source.
#pragma once

#include "kernels/conv_copy.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct TapRange {
  int64_t begin, end;
};

// Those t of [0, count) for which 0 <= first + t * step < size.
CNNFAST_INLINE TapRange taps_inside(int64_t first, int64_t step, int64_t count, int64_t size) {
  const int64_t begin = first < 0 ? (step - 1 - first) / step : 0;
  const int64_t end = first < size ? (size - 1 - first) / step + 1 : 0;
  return {begin, smaller(end, count)};
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
