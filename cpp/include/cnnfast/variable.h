// A buffer that outlives a run: weights, running statistics, optimizer state, counters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "cnnfast/tensor_type.h"

namespace cnnfast {

class Variable {
 public:
  // Zero-filled, 64-byte aligned. ValueError when the shape is symbolic or too large.
  Variable(TensorType type, std::string name);
  ~Variable();
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

  const TensorType& type() const { return type_; }
  const std::string& name() const { return name_; }
  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }

  // Counts writes. Whoever writes through data() bumps it; packed copies follow it.
  std::uint64_t version() const { return version_; }
  void bump() { ++version_; }

 private:
  TensorType type_;
  std::string name_;
  std::byte* data_ = nullptr;
  std::uint64_t version_ = 1;
};

}  // namespace cnnfast
