#include "base/thread_pool.h"

namespace cnnfast {

namespace {

// About 50 us of pauses: longer than the gap between two training steps, short enough that an idle
// program does not burn a core.
constexpr int kSpins = 2000;

}  // namespace

ThreadPool::~ThreadPool() {
  stop_ = true;
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::work(int thread, std::uint32_t seen) {
  while (true) {
    for (int i = 0; i < kSpins && generation_.load(std::memory_order_acquire) == seen; ++i)
      spin_pause();
    generation_.wait(seen, std::memory_order_acquire);
    seen = generation_.load(std::memory_order_acquire);
    if (stop_) return;
    if (thread < threads_) fn_(context_, thread, threads_);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void ThreadPool::run(int threads, RegionFunction fn, void* context) {
  while (static_cast<int>(workers_.size()) + 1 < threads) {
    const int thread = static_cast<int>(workers_.size()) + 1;
    workers_.emplace_back(&ThreadPool::work, this, thread, generation_.load());
  }
  threads_ = threads;
  fn_ = fn;
  context_ = context;
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  fn(context, 0, threads);
  for (int left = busy_.load(std::memory_order_acquire), spins = 0; left != 0;
       left = busy_.load(std::memory_order_acquire)) {
    if (++spins < kSpins)
      spin_pause();
    else
      busy_.wait(left, std::memory_order_acquire);
  }
}

}  // namespace cnnfast
