#include "plan/arena.h"

#include "base/memory.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kHugeFrom = 256 << 10, kHugePage = 2 << 20;

}  // namespace

Arena::~Arena() { free_aligned(data_); }

void Arena::reserve(std::int64_t bytes) {
  if (bytes <= bytes_) return;
  // Huge pages: kernels write more panels side by side than a core has entries for pages of 4 KiB.
  if (bytes >= kHugeFrom) bytes = align_up(bytes, kHugePage);
  free_aligned(data_);
  data_ = nullptr;
  bytes_ = 0;
  data_ = allocate_aligned(bytes);
  bytes_ = bytes;
}

std::shared_ptr<Arena> make_arena() { return std::make_shared<Arena>(); }
std::int64_t arena_bytes(const Arena& arena) { return arena.bytes(); }

}  // namespace cnnfast
