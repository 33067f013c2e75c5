// Vectors of channels between boundaries of vectors in memory, wherever an array begins.
#pragma once

#include "kernels/conv_tile.h"
#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Channels taken together: two vectors, one, or a part of one, where pixels begin beside a boundary
// and so that the others lie between boundaries.
struct ChannelCut {
  int64_t lead, channels;
  // `aligned`: pixels that are loaded most.
  ChannelCut(const float* aligned, int64_t all)
      : lead(smaller(all, unaligned_floats(aligned, all))), channels(all) {}
  int64_t length(int64_t begin, int64_t most) const {
    if (begin < lead) return lead;
    const int64_t left = channels - begin;
    return left >= most ? most : left >= kLanes ? kLanes : left;
  }
};

// `lanes` channels at p: V vectors, or where not kWhole a part of one.
template <bool kWhole>
CNNFAST_INLINE vf load_part(const float* p, int lanes) {
  return kWhole ? load(p) : load_first(p, lanes);
}
template <bool kWhole>
CNNFAST_INLINE void store_part(float* p, vf value, int lanes) {
  kWhole ? store(p, value) : store_first(p, value, lanes);
}
template <bool kWhole>
CNNFAST_INLINE void add_part(float* p, vf value, int lanes) {
  store_part<kWhole>(p, load_part<kWhole>(p, lanes) + value, lanes);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
