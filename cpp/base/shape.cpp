#include "cnnfast/shape.h"

#include <algorithm>
#include <ostream>

#include "cnnfast/error.h"
#include "cnnfast/tensor_type.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kMaxSize = std::int64_t{1} << 62;

}  // namespace

std::int64_t checked_multiply(std::int64_t a, std::int64_t b, const char* what) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > kMaxSize)
    value_error(what, ": ", a, " x ", b, " is more than 2^62; use smaller sizes");
  return product;
}

Shape::Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::vector<std::int64_t>(sizes)) {}

Shape::Shape(const std::vector<std::int64_t>& sizes) {
  if (sizes.size() > kMaxRank)
    value_error("shape: at most ", kMaxRank, " axes are supported, got ", sizes.size());
  for (std::int64_t size : sizes)
    if (size < kSymbolic) value_error("shape: a size must not be negative, got ", size);
  rank_ = static_cast<int>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

bool Shape::is_concrete() const {
  return std::none_of(begin(), end(), [](std::int64_t s) { return s == kSymbolic; });
}

std::int64_t Shape::product(int first, int last) const {
  std::int64_t total = 1;
  bool empty = false;
  for (int i = first; i < last; ++i) {
    const std::int64_t size = (*this)[i];
    if (size == kSymbolic)
      value_error("shape: ", str(), " has a size that is not known yet; give a concrete batch");
    if (size == 0) {
      empty = true;
      continue;  // an empty tensor may still name sizes whose product overflows: check them too
    }
    total = checked_multiply(total, size, "shape");
  }
  return empty ? 0 : total;
}

std::int64_t Shape::numel() const { return product(0, rank_); }

std::string Shape::str() const {
  std::string text = "(";
  for (int i = 0; i < rank_; ++i) {
    if (i) text += ", ";
    text += (*this)[i] == kSymbolic ? "None" : std::to_string((*this)[i]);
  }
  return text + (rank_ == 1 ? ",)" : ")");
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && std::equal(begin(), end(), other.begin());
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.str(); }

std::int64_t TensorType::bytes() const {
  return checked_multiply(shape.numel(), static_cast<std::int64_t>(size_of(dtype)), "tensor");
}

std::string TensorType::str() const { return concat(name_of(dtype), " ", shape.str()); }

}  // namespace cnnfast
