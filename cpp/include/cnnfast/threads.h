// The only way to run on several threads: enter a region once, meet at barriers inside it.
#pragma once

#include <atomic>
#include <cstdint>

namespace cnnfast {

// Default: min(affinity, cgroup quota rounded up, OMP_NUM_THREADS), at least 1.
int default_threads();
int threads();                // what plans are made for
void set_threads(int count);  // ValueError unless 1 <= count <= 1024

// Calls fn(context, t, threads) on `threads` threads at once, the caller being t = 0, and returns
// when all have. Flush-to-zero is on inside, each thread's own state restored after. Works in a
// forked child. fn must not throw. Two callers at once are served one after the other.
using RegionFunction = void (*)(void* context, int thread, int threads);
void run_region(int threads, RegionFunction fn, void* context);
const char* thread_backend();  // "openmp" or "std::thread"

// Meets `threads` threads again and again; spins briefly, then yields.
class Barrier {
 public:
  explicit Barrier(int threads = 1) : threads_(threads) {}
  void wait();

 private:
  int threads_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> phase_{0};
};

}  // namespace cnnfast
