#include "base/caches.h"

#ifdef __linux__
#include <unistd.h>
#endif

namespace cnnfast {

namespace {

Caches read_caches() {
  Caches caches;
#if defined(__linux__) && defined(_SC_LEVEL3_CACHE_SIZE)
  if (const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE); bytes > 0) caches.last = bytes;
#endif
  return caches;
}

}  // namespace

const Caches& machine_caches() {
  static const Caches caches = read_caches();
  return caches;
}

}  // namespace cnnfast
