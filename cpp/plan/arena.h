// The allocation behind the temporaries of a model's plans: it grows to the largest of them, and
// one plan at a time uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "cnnfast/plan.h"

namespace cnnfast {

class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Makes room; contents are lost when it grows. std::bad_alloc when the system has no more.
  void reserve(std::int64_t bytes);
  std::byte* data() { return data_; }
  std::int64_t bytes() const { return bytes_; }
  std::mutex& mutex() { return mutex_; }

 private:
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
  std::mutex mutex_;
};

}  // namespace cnnfast
