// Aligned allocations with readable slack on both sides, large ones on huge pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cnnfast {

inline constexpr std::int64_t kAlignment = 64;  // a cache line, an AVX-512 vector
inline constexpr std::int64_t kSlack = 64;      // bytes that may be read before and behind

inline std::int64_t align_up(std::int64_t bytes, std::int64_t alignment = kAlignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

// At least `bytes`, 64-byte aligned (2 MiB when that large, with huge pages asked for), contents
// undefined. std::bad_alloc when the system has no more. nullptr may be freed.
std::byte* allocate_aligned(std::int64_t bytes);
void free_aligned(std::byte* data);

}  // namespace cnnfast
