#include "base/memory.h"

#include <cstdlib>
#include <cstring>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace cnnfast {

namespace {

constexpr std::int64_t kHugePage = std::int64_t{2} << 20;

// What stands in front of every allocation: the pointer that free() wants.
struct Header {
  void* block;
};

}  // namespace

std::byte* allocate_aligned(std::int64_t bytes) {
  const bool large = bytes >= kHugePage;
  const std::int64_t alignment = large ? kHugePage : kAlignment;
  // [header and slack][data][slack], data at the alignment: a fresh 4 KiB page costs 1.4 to
  // 11 us to touch, a huge page 512 times fewer faults.
  const std::int64_t total = align_up(alignment + bytes + kSlack, alignment);
  void* block = nullptr;
  if (posix_memalign(&block, static_cast<std::size_t>(alignment),
                     static_cast<std::size_t>(total)) != 0)
    throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (large)
    madvise(static_cast<std::byte*>(block) + kHugePage, static_cast<std::size_t>(total - kHugePage),
            MADV_HUGEPAGE);
#endif
  std::byte* data = static_cast<std::byte*>(block) + alignment;
  const Header header{block};
  std::memcpy(data - sizeof(Header), &header, sizeof(Header));
  return data;
}

void free_aligned(std::byte* data) {
  if (!data) return;
  Header header;
  std::memcpy(&header, data - sizeof(Header), sizeof(Header));
  std::free(header.block);
}

}  // namespace cnnfast
