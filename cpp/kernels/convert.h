// Arrays between float32 and the other dtypes, as reference/shape_ops.h converts: floats become
// integers through int64, saturated beyond it, NaN becomes 0.
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

// kLanes values of T.
template <class T>
struct LanesOf {
  typedef T type __attribute__((vector_size(sizeof(T) * kLanes)));
};

template <class T>
CNNFAST_INLINE T one_from_float(float x) {
  constexpr float kLimit = 9223372036854775808.0f;  // 2^63, exact
  if (x != x) return T(0);
  if (x >= kLimit) return static_cast<T>(INT64_MAX);
  if (x < -kLimit) return static_cast<T>(INT64_MIN);
  return static_cast<T>(static_cast<int64_t>(x));
}

template <class T>
void convert_to_float(const void* from, void* to, int64_t n) {
  const T* x = static_cast<const T*>(from);
  float* y = static_cast<float*>(to);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    typename LanesOf<T>::type v;
    memcpy(&v, x + i, sizeof v);
    store(y + i, __builtin_convertvector(v, vf));
  }
  for (; i < n; ++i) y[i] = static_cast<float>(x[i]);
}

// Through int32, one instruction, where all values of a vector fit it.
template <class T>
void convert_from_float(const void* from, void* to, int64_t n) {
  const float* x = static_cast<const float*>(from);
  T* y = static_cast<T*>(to);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const vf v = load(x + i);
    const vi outside = ~(abs(v) < broadcast(2147483648.0f));  // NaN is outside too
    int any = 0;
    for (int j = 0; j < kLanes; ++j) any |= outside[j];
    if (any) {
      for (int j = 0; j < kLanes; ++j) y[i + j] = one_from_float<T>(x[i + j]);
      continue;
    }
    const auto made =
        __builtin_convertvector(__builtin_convertvector(v, vi), typename LanesOf<T>::type);
    memcpy(y + i, &made, sizeof made);
  }
  for (; i < n; ++i) y[i] = one_from_float<T>(x[i]);
}

void convert_float_to_double(const void* from, void* to, int64_t n) {
  const float* x = static_cast<const float*>(from);
  double* y = static_cast<double*>(to);
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<double>(x[i]);
}

void convert_float_to_bool(const void* from, void* to, int64_t n) {
  const float* x = static_cast<const float*>(from);
  uint8_t* y = static_cast<uint8_t*>(to);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] != 0.0f;
}

void fill_conversions(ConversionKernels& to) {
  to.int32_to_float = convert_to_float<int32_t>;
  to.int64_to_float = convert_to_float<int64_t>;
  to.double_to_float = convert_to_float<double>;
  to.float_to_int32 = convert_from_float<int32_t>;
  to.float_to_int64 = convert_from_float<int64_t>;
  to.float_to_uint8 = convert_from_float<uint8_t>;
  to.float_to_bool = convert_float_to_bool;
  to.float_to_double = convert_float_to_double;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
