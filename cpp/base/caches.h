// Sizes of this machine's caches.
#pragma once

#include <cstdint>
#include <string>

namespace cnnfast {

struct Caches {
  std::int64_t last = 32 << 20;  // bytes of the last level, which cores share
};

// Larger results are stored past the caches.
inline constexpr std::int64_t kCachedFloats = 4 << 20;

// As the operating system tells them; the defaults where it does not.
const Caches& machine_caches();

// Bytes of the largest level that Linux describes in a folder of `index0`, `index1`, ...; 0 when
// nothing there can be read.
std::int64_t last_cache_bytes(const std::string& folder);

}  // namespace cnnfast
