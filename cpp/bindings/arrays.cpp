#include <map>
#include <vector>

#include "base/memory.h"
#include "bindings/bindings.h"

namespace cnnfast::bindings {

namespace {

// Freed buffers by size. Guarded by the GIL.
class OutputPool {
 public:
  std::byte* take(std::int64_t bytes) {
    auto found = free_.find(bytes);
    if (found == free_.end() || found->second.empty()) return allocate_aligned(bytes);
    std::byte* data = found->second.back();
    found->second.pop_back();
    cached_ -= bytes;
    return data;
  }
  void give(std::byte* data, std::int64_t bytes) {
    if (bytes > kMost) {
      free_aligned(data);
      return;
    }
    if (cached_ + bytes > kMost) clear();  // shapes have changed: start over
    free_[bytes].push_back(data);
    cached_ += bytes;
  }

 private:
  static constexpr std::int64_t kMost = std::int64_t{256} << 20;

  void clear() {
    for (auto& [bytes, buffers] : free_)
      for (std::byte* data : buffers) free_aligned(data);
    free_.clear();
    cached_ = 0;
  }

  std::map<std::int64_t, std::vector<std::byte*>> free_;
  std::int64_t cached_ = 0;
};

// Never destroyed: arrays may outlive the module.
OutputPool& pool() {
  static OutputPool* instance = new OutputPool;
  return *instance;
}

struct Lease {
  std::byte* data;
  std::int64_t bytes;
};

constexpr std::int64_t kSmall = 16 << 10;  // NumPy's own allocator is quicker for these

}  // namespace

DType dtype_of(const py::array& array) {
  const py::dtype dtype = array.dtype();
  const char kind = dtype.kind();
  const auto size = dtype.itemsize();
  if (dtype.byteorder() != '>') {
    if (kind == 'f' && size == 4) return DType::f32;
    if (kind == 'f' && size == 8) return DType::f64;
    if (kind == 'i' && size == 4) return DType::i32;
    if (kind == 'i' && size == 8) return DType::i64;
    if (kind == 'u' && size == 1) return DType::u8;
    if (kind == 'b') return DType::boolean;
  }
  type_error("dtype '", std::string(py::str(dtype)),
             "' is not supported; use float32, float64, int32, int64, uint8 or bool");
}

py::dtype numpy_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return py::dtype::of<float>();
    case DType::f64:
      return py::dtype::of<double>();
    case DType::i32:
      return py::dtype::of<std::int32_t>();
    case DType::i64:
      return py::dtype::of<std::int64_t>();
    case DType::u8:
      return py::dtype::of<std::uint8_t>();
    case DType::boolean:
      return py::dtype::of<bool>();
  }
  throw std::logic_error("dtype without a NumPy twin");
}

TensorType type_of(const py::array& array) {
  TensorType type;
  type.shape = Shape(std::vector<std::int64_t>(array.shape(), array.shape() + array.ndim()));
  type.dtype = dtype_of(array);
  return type;
}

py::tuple shape_tuple(const Shape& shape) {
  py::tuple tuple(shape.rank());
  for (int i = 0; i < shape.rank(); ++i) tuple[i] = py::int_(shape[i]);
  return tuple;
}

const void* contiguous_data(const py::array& array, const char* what) {
  constexpr int kNeeded =
      py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if ((array.flags() & kNeeded) != kNeeded)
    value_error(what, ": expected an aligned array in C order; pass numpy.ascontiguousarray(x)");
  return array.data();
}

py::array pooled_array(const TensorType& type) {
  const std::int64_t bytes = type.bytes();
  const std::vector<py::ssize_t> shape(type.shape.begin(), type.shape.end());
  const py::dtype dtype = numpy_dtype(type.dtype);
  if (bytes < kSmall) return py::array(dtype, shape);
  auto* lease = new Lease{pool().take(bytes), bytes};
  const py::capsule owner(lease, [](void* p) {
    auto* given = static_cast<Lease*>(p);
    pool().give(given->data, given->bytes);
    delete given;
  });
  return py::array(dtype, shape, lease->data, owner);
}

}  // namespace cnnfast::bindings
