// The error function.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// Both polynomials are minimax fits, as those of vector_math.h are; the largest error found is 1.4
// units in the last place.
CNNFAST_INLINE vf erf(vf x) {
  // erf(x) / x in x^2 for |x| < 1, relative error 1.3e-9.
  const vf z = x * x;
  vf p = broadcast(0x1.4968aap-14f);
  p = p * z - 0x1.a3f668p-11f;
  p = p * z + 0x1.54059cp-8f;
  p = p * z - 0x1.b7f90ap-6f;
  p = p * z + 0x1.ce2cf8p-4f;
  p = p * z - 0x1.81273ep-2f;
  p = p * z + 0x1.20dd74p+0f;
  // -log(1 - erf(x)) for 1 <= x <= 4, where erf rounds to 1; error of erf 1.1e-9.
  const vf t = min(broadcast(4.0f), abs(x));
  vf q = broadcast(-0x1.86df38p-13f);
  q = q * t + 0x1.825c08p-9f;
  q = q * t - 0x1.65cc02p-6f;
  q = q * t + 0x1.a6538cp-4f;
  q = q * t + 0x1.46bae0p-1f;
  q = q * t + 0x1.2088eep+0f;
  q = q * t + 0x1.660fe6p-12f;
  return select(abs(x) < 1.0f, x * p, with_sign(1.0f - exp(-q), x));
}

void erf_kernel(const float* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, erf(load(x + i)));
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    store_first(y + i, erf(load_first(x + i, rest)), rest);
  }
}

void fill_erf(ElementwiseKernels& table) { table.erf = erf_kernel; }

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
