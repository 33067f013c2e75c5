#include "plan/memory_planner.h"

#include <algorithm>
#include <numeric>

#include "base/memory.h"

namespace cnnfast {

namespace {

// Behind each buffer, kSlack within. Sizes are often whole pages, and a kernel that reads one
// buffer and writes the next a line or two further on in its page waits for its own stores: a load
// whose address agrees in 12 bits with that of a store before it is held up.
constexpr std::int64_t kApart = 1024 + kSlack;

}  // namespace

std::int64_t plan_memory(std::vector<Lifetime>& buffers) {
  std::vector<std::size_t> by_size(buffers.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(), [&](std::size_t a, std::size_t b) {
    return buffers[a].bytes > buffers[b].bytes;
  });
  std::vector<std::size_t> placed;  // by offset
  std::int64_t total = 0;
  for (std::size_t index : by_size) {
    Lifetime& buffer = buffers[index];
    const std::int64_t size = align_up(buffer.bytes + kApart);
    std::int64_t offset = 0;
    for (std::size_t other_index : placed) {
      const Lifetime& other = buffers[other_index];
      if (other.last < buffer.first || buffer.last < other.first) continue;
      if (offset + size <= other.offset) break;
      offset = std::max(offset, other.offset + align_up(other.bytes + kApart));
    }
    buffer.offset = offset;
    total = std::max(total, offset + size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), index,
                                   [&](std::size_t a, std::size_t b) {
                                     return buffers[a].offset < buffers[b].offset;
                                   }),
                  index);
  }
  return total;
}

}  // namespace cnnfast
