#include "cnnfast/dtype.h"

#include "cnnfast/error.h"

namespace cnnfast {

namespace {

struct Entry {
  DType dtype;
  std::string_view name;
  std::size_t size;
};
constexpr Entry kEntries[] = {
    {DType::f32, "float32", 4}, {DType::f64, "float64", 8}, {DType::i32, "int32", 4},
    {DType::i64, "int64", 8},   {DType::u8, "uint8", 1},    {DType::boolean, "bool", 1},
};

}  // namespace

std::size_t size_of(DType dtype) { return kEntries[static_cast<std::size_t>(dtype)].size; }
std::string_view name_of(DType dtype) { return kEntries[static_cast<std::size_t>(dtype)].name; }

DType dtype_from_name(std::string_view name) {
  for (const Entry& e : kEntries)
    if (e.name == name) return e.dtype;
  type_error("dtype '", name,
             "' is not supported; use float32, float64, int32, int64, uint8 or bool");
}

}  // namespace cnnfast
