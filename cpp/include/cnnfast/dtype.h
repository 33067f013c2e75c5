// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cnnfast {

enum class DType : std::uint8_t { f32, f64, i32, i64, u8, boolean };

std::size_t size_of(DType dtype);
// NumPy's name: "float32", "float64", "int32", "int64", "uint8", "bool".
std::string_view name_of(DType dtype);
DType dtype_from_name(std::string_view name);  // TypeError when unknown

inline bool is_floating(DType d) { return d == DType::f32 || d == DType::f64; }
inline bool is_integer(DType d) { return d == DType::i32 || d == DType::i64 || d == DType::u8; }

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};

}  // namespace cnnfast
