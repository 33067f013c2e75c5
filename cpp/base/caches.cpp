#include "base/caches.h"

#include <fstream>

namespace cnnfast {

namespace {

// "32768K" and the like; 0 when it is none.
std::int64_t read_size(const std::string& path) {
  std::ifstream file(path);
  std::int64_t size = 0;
  char unit = ' ';
  if (!(file >> size) || size <= 0 || size > (1 << 30)) return 0;
  file >> unit;
  return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : size;
}

Caches read_caches() {
  Caches caches;
#ifdef __linux__
  // Not sysconf(): on an EPYC it says what all cores of the package have together, twelve times
  // what one of them can use.
  const std::int64_t bytes = last_cache_bytes("/sys/devices/system/cpu/cpu0/cache");
  if (bytes > 0) caches.last = bytes;
#endif
  return caches;
}

}  // namespace

std::int64_t last_cache_bytes(const std::string& folder) {
  int last_level = 0;
  std::int64_t bytes = 0;
  for (int i = 0;; ++i) {
    const std::string index = folder + "/index" + std::to_string(i);
    std::ifstream file(index + "/level");
    int level = 0;
    if (!(file >> level)) return bytes;
    const std::int64_t size = read_size(index + "/size");
    if (level <= last_level || size == 0) continue;
    last_level = level;
    bytes = size;
  }
}

const Caches& machine_caches() {
  static const Caches caches = read_caches();
  return caches;
}

}  // namespace cnnfast
