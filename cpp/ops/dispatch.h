// From a dtype at run time to a C++ type: for the reference implementations.
#pragma once

#include <cstdint>

#include "cnnfast/dtype.h"
#include "cnnfast/error.h"

namespace cnnfast {

// f(T{}) with T = double or float.
template <class F>
void for_floating(DType dtype, F f) {
  if (dtype == DType::f64)
    f(double{});
  else
    f(float{});
}

// f(T{}) with T one of the types that class labels come in: uint8, int32, int64.
template <class F>
void for_labels(DType dtype, F f) {
  if (dtype == DType::u8)
    f(std::uint8_t{});
  else if (dtype == DType::i32)
    f(std::int32_t{});
  else
    f(std::int64_t{});
}

// f(T{}) with T any number's type; TypeError for bool.
template <class F>
void for_number(DType dtype, F f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::u8:
      return f(std::uint8_t{});
    case DType::boolean:
      break;
  }
  type_error("expected a number's dtype, got bool");
}

// f(T{}) with T whatever the dtype is.
template <class F>
void for_any(DType dtype, F f) {
  if (dtype == DType::boolean)
    f(bool{});
  else
    for_number(dtype, f);
}

}  // namespace cnnfast
