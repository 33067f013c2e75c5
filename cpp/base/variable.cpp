#include "cnnfast/variable.h"

#include <cstring>

#include "base/memory.h"

namespace cnnfast {

Variable::Variable(TensorType type, std::string name) : type_(type), name_(std::move(name)) {
  const std::int64_t bytes = type_.bytes();
  data_ = allocate_aligned(bytes);
  std::memset(data_, 0, static_cast<std::size_t>(bytes));
}

Variable::~Variable() { free_aligned(data_); }

}  // namespace cnnfast
