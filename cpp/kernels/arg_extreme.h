// Where the largest or smallest value stands along an axis: the first of equals, NaN before all.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct Above {
  static vi of(vf x, vf best) { return x > best; }
  static bool of(float x, float best) { return x > best; }
};
struct Below {
  static vi of(vf x, vf best) { return x < best; }
  static bool of(float x, float best) { return x < best; }
};

template <class Wins>
CNNFAST_INLINE vi beats(vf x, vf best) {
  return (best == best) & (Wins::of(x, best) | (x != x));
}
template <class Wins>
CNNFAST_INLINE bool beats_one(float x, float best) {
  return best == best && (Wins::of(x, best) || x != x);
}
CNNFAST_INLINE vi choose(vi mask, vi yes, vi no) { return (mask & yes) | (~mask & no); }

// Lanes over the places of one row: each keeps the first of its own, then the lanes are compared.
template <class Wins>
CNNFAST_INLINE int64_t arg_of_row(const float* x, int64_t n) {
  int64_t place = 0, i = 0;
  float best = x[0];
  if (n >= kLanes) {
    vf values = load(x);
    vi lane;
    for (int j = 0; j < kLanes; ++j) lane[j] = j;
    vi places = lane;
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      const vf v = load(x + i);
      const vi wins = beats<Wins>(v, values);
      values = select(wins, v, values);
      places = choose(wins, lane + static_cast<int32_t>(i), places);
    }
    best = values[0];
    place = places[0];
    for (int j = 1; j < kLanes; ++j) {
      const float value = values[j];
      // Equal values, two NaNs among them: the one that stands first.
      const bool equal = value == best || (value != value && best != best);
      if (beats_one<Wins>(value, best) || (equal && places[j] < place)) {
        best = value;
        place = places[j];
      }
    }
  }
  for (; i < n; ++i)
    if (beats_one<Wins>(x[i], best)) {
      best = x[i];
      place = i;
    }
  return place;
}

template <class Wins>
void arg_extreme_kernel(const float* x, int64_t* index, int64_t n, int64_t inner) {
  if (inner == 1) {
    *index = arg_of_row<Wins>(x, n);
    return;
  }
  for (int64_t j = 0; j < inner; j += kLanes) {
    const int lanes = static_cast<int>(inner - j < kLanes ? inner - j : kLanes);
    vf best = load_first(x + j, lanes);
    vi place = {};
    for (int64_t i = 1; i < n; ++i) {
      const vf v = load_first(x + i * inner + j, lanes);
      const vi wins = beats<Wins>(v, best);
      best = select(wins, v, best);
      place = choose(wins, vi{} + static_cast<int32_t>(i), place);
    }
    for (int l = 0; l < lanes; ++l) index[j + l] = place[l];
  }
}

void fill_arg_extreme(ElementwiseKernels& table) {
  table.arg_extreme[static_cast<int>(ReduceKind::sum)] = nullptr;
  table.arg_extreme[static_cast<int>(ReduceKind::max)] = arg_extreme_kernel<Above>;
  table.arg_extreme[static_cast<int>(ReduceKind::min)] = arg_extreme_kernel<Below>;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
