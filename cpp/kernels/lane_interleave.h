// Planes of a few channels, a pixel a lane, made into pixels with their channels side by side.
#pragma once

#include "kernels/shuffle.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// An even K is made of pairs of channels first; the pixels of one half of the lanes then fill K / 2
// of the results.

// What the step that adds plane (or pair) J takes into a lane of result O.
template <int K, int O, int J>
constexpr int interleaved_lane(int lane) {
  constexpr bool kPairs = K % 2 == 0;
  const int flat = O * kLanes + lane, pixel = flat / K, channel = flat % K;
  const int from = kPairs ? (pixel * 2 + channel % 2) % kLanes : pixel;
  const int plane = kPairs ? channel / 2 : channel;
  if (J == 1) return plane == 1 ? kLanes + from : from;
  return plane == J ? kLanes + from : lane;
}
template <int K, int O, int J, int... L>
CNNFAST_INLINE vf interleave_from(vf sum, const vf* planes, LaneList<L...> lanes) {
  constexpr int kPlanes = K % 2 == 0 ? K / 2 : K;
  if constexpr (J == kPlanes) {
    return sum;
  } else {
    const vf next = CNNFAST_SHUFFLE(sum, planes[J], interleaved_lane<K, O, J>(L)...);
    return interleave_from<K, O, J + 1>(next, planes, lanes);
  }
}
template <int K, int O>
CNNFAST_INLINE void interleave_each(const vf* low, const vf* high, vf* out) {
  if constexpr (O < K) {
    const vf* planes = K % 2 == 0 && O >= K / 2 ? high : low;
    if constexpr (K == 2)
      out[O] = planes[0];
    else
      out[O] = interleave_from<K, O, 1>(planes[0], planes, AllLanes{});
    interleave_each<K, O + 1>(low, high, out);
  }
}
template <int... L>
CNNFAST_INLINE void interleave_pair(vf a, vf b, vf& low, vf& high, LaneList<L...>) {
  low = CNNFAST_SHUFFLE(a, b, (L % 2 * kLanes + L / 2)...);
  high = CNNFAST_SHUFFLE(a, b, (L % 2 * kLanes + kLanes / 2 + L / 2)...);
}

// K planes -> K vectors of kLanes pixels, K channels each, as in NHWC. With AVX-512 a step of K / 2
// to K - 1 for each of them is one instruction, with AVX2 three.
template <int K>
CNNFAST_INLINE void interleave(const vf* planes, vf* out) {
  if constexpr (K % 2 == 0) {
    vf low[K / 2], high[K / 2];
    CNNFAST_UNROLL
    for (int j = 0; j < K / 2; ++j)
      interleave_pair(planes[2 * j], planes[2 * j + 1], low[j], high[j], AllLanes{});
    interleave_each<K, 0>(low, high, out);
  } else {
    interleave_each<K, 0>(planes, planes, out);
  }
}

// The other way round: what the step that adds vector I takes into a lane of pair (or plane) J.
template <int K, int J, int I>
constexpr int deinterleaved_lane(int lane) {
  constexpr bool kPairs = K % 2 == 0;
  const int flat = kPairs ? lane / 2 * K + 2 * J + lane % 2 : lane * K + J;
  const int from = flat % kLanes, vector = flat / kLanes;
  if (I == 1 && vector == 0) return from;
  return vector == I ? kLanes + from : lane;
}
template <int K, int J, int I, int... L>
CNNFAST_INLINE vf deinterleave_from(vf sum, const vf* vectors, LaneList<L...> lanes) {
  constexpr int kVectors = K % 2 == 0 ? K / 2 : K;
  if constexpr (I == kVectors) {
    return sum;
  } else {
    const vf next = CNNFAST_SHUFFLE(sum, vectors[I], deinterleaved_lane<K, J, I>(L)...);
    return deinterleave_from<K, J, I + 1>(next, vectors, lanes);
  }
}
template <int... L>
CNNFAST_INLINE void split_pair(vf low, vf high, vf& a, vf& b, LaneList<L...>) {
  a = CNNFAST_SHUFFLE(low, high, (2 * L)...);
  b = CNNFAST_SHUFFLE(low, high, (2 * L + 1)...);
}
template <int K, int J = 0>
CNNFAST_INLINE void deinterleave(const vf* vectors, vf* planes) {
  if constexpr (K % 2 == 1 && J < K) {
    planes[J] = deinterleave_from<K, J, 1>(vectors[0], vectors, AllLanes{});
    deinterleave<K, J + 1>(vectors, planes);
  } else if constexpr (K % 2 == 0 && J < K / 2) {
    const vf* half = vectors + K / 2;
    split_pair(deinterleave_from<K, J, 1>(vectors[0], vectors, AllLanes{}),
               deinterleave_from<K, J, 1>(half[0], half, AllLanes{}), planes[2 * J],
               planes[2 * J + 1], AllLanes{});
    deinterleave<K, J + 1>(vectors, planes);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
