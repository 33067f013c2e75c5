#include "plan/arena.h"

#include "base/memory.h"

namespace cnnfast {

Arena::~Arena() { free_aligned(data_); }

void Arena::reserve(std::int64_t bytes) {
  if (bytes <= bytes_) return;
  free_aligned(data_);
  data_ = nullptr;
  bytes_ = 0;
  data_ = allocate_aligned(bytes);
  bytes_ = bytes;
}

std::shared_ptr<Arena> make_arena() { return std::make_shared<Arena>(); }
std::int64_t arena_bytes(const Arena& arena) { return arena.bytes(); }

}  // namespace cnnfast
