// Worker threads from the standard library: the twin of the OpenMP region, for builds without
// OpenMP, for sanitizers, and for a forked child, whose parent's OpenMP workers do not exist.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "cnnfast/threads.h"

namespace cnnfast {

class ThreadPool {
 public:
  ThreadPool() = default;
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // One caller at a time.
  void run(int threads, RegionFunction fn, void* context);

 private:
  void work(int thread, std::uint32_t seen);

  std::vector<std::thread> workers_;
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<int> busy_{0};
  bool stop_ = false;
  int threads_ = 0;
  RegionFunction fn_ = nullptr;
  void* context_ = nullptr;
};

// Waits a moment without leaving the core.
inline void spin_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace cnnfast
