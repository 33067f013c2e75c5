// The most multiply-adds that this ISA does in a second: sums that wait for nothing but themselves.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// As many sums as a register tile holds; 8 to 10 hide the FMA's latency.
constexpr int kPeakSums = kRegisters - 4;
// Read at run time: of a sum that begins where it stays, 1 = 1 * 0.999 + 0.001, a compiler that
// knows the terms leaves all multiply-adds out.
volatile float peak_factor = 0.999f, peak_term = 1e-3f;

float multiply_adds(int64_t rounds) {
  vf chain[kPeakSums];
  CNNFAST_UNROLL
  for (int i = 0; i < kPeakSums; ++i) chain[i] = broadcast(static_cast<float>(i));
  const vf factor = broadcast(peak_factor), term = broadcast(peak_term);
  for (int64_t r = 0; r < rounds; ++r) {
    CNNFAST_UNROLL
    for (int i = 0; i < kPeakSums; ++i) chain[i] = chain[i] * factor + term;
  }
  vf all = {};
  CNNFAST_UNROLL
  for (int i = 0; i < kPeakSums; ++i) all += chain[i];
  return cnnfast::CNNFAST_ISA::sum(all);
}

void fill_peak(ElementwiseKernels& table) {
  table.multiply_adds = multiply_adds;
  table.multiply_adds_flops = 2.0 * kPeakSums * kLanes;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
