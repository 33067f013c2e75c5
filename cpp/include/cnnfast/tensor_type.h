// What is known of a tensor without its contents.
#pragma once

#include <cstdint>

#include "cnnfast/dtype.h"
#include "cnnfast/shape.h"

namespace cnnfast {

enum class MemorySpace : std::uint8_t { host };  // where a value lives; devices come later

struct TensorType {
  Shape shape;
  DType dtype = DType::f32;
  MemorySpace space = MemorySpace::host;

  std::int64_t bytes() const;  // ValueError when symbolic or too large
  std::string str() const;     // "float32 (8, 28, 28, 1)"
  bool operator==(const TensorType& o) const {
    return shape == o.shape && dtype == o.dtype && space == o.space;
  }
};

}  // namespace cnnfast
