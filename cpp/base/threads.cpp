#include "cnnfast/threads.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#include "base/cpu_limits.h"
#include "base/denormals.h"
#include "base/thread_pool.h"
#include "cnnfast/error.h"

#ifdef CNNFAST_OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace cnnfast {

namespace {

constexpr int kMaxThreads = 1024;

std::atomic<int> wanted_threads{0};

// One region at a time in a process. Kept in static storage and never destroyed: a worker may
// outlive main(), and a forked child starts with a fresh one.
struct RegionState {
  std::mutex mutex;
  ThreadPool* pool = nullptr;
  bool forked = false;
};

alignas(RegionState) unsigned char region_storage[sizeof(RegionState)];

RegionState& region() {
  static RegionState* state = [] {
    auto* fresh = new (region_storage) RegionState;
#if defined(__unix__) || defined(__APPLE__)
    // In a child only the forking thread exists: its parent's workers, and a mutex another thread
    // held, are gone. Start over, on threads of our own (libgomp would wait for dead workers).
    pthread_atfork(nullptr, nullptr, [] {
      auto* child = new (region_storage) RegionState;
      child->forked = true;
    });
#endif
    return fresh;
  }();
  return *state;
}

void run_on_pool(RegionState& state, int threads, RegionFunction fn, void* context) {
  if (!state.pool) state.pool = new ThreadPool;
  state.pool->run(threads, fn, context);
}

struct Call {
  RegionFunction fn;
  void* context;
};

void flushed(void* context, int thread, int threads) {
  const FlushDenormals flush;
  const Call& call = *static_cast<Call*>(context);
  call.fn(call.context, thread, threads);
}

}  // namespace

int default_threads() {
  static const int count = [] {
    int limit = affinity_cpus();
    if (const int quota = quota_cpus(); quota > 0) limit = std::min(limit, quota);
    if (const char* text = std::getenv("OMP_NUM_THREADS"))
      if (const int asked = std::atoi(text); asked > 0) limit = std::min(limit, asked);
    return std::clamp(limit, 1, kMaxThreads);
  }();
  return count;
}

int threads() {
  const int wanted = wanted_threads.load(std::memory_order_relaxed);
  return wanted > 0 ? wanted : default_threads();
}

void set_threads(int count) {
  if (count < 1 || count > kMaxThreads)
    value_error("set_num_threads: expected 1 to ", kMaxThreads, " threads, got ", count);
  wanted_threads.store(count);
}

void run_region(int threads, RegionFunction fn, void* context) {
  Call call{fn, context};
  if (threads <= 1) {
    flushed(&call, 0, 1);
    return;
  }
  RegionState& state = region();
  const std::lock_guard<std::mutex> lock(state.mutex);
#ifdef CNNFAST_OPENMP
  if (!state.forked && !omp_in_parallel()) {
    int started = 0;
#pragma omp parallel num_threads(threads)
    {
      // The runtime may grant fewer threads than asked for (OMP_THREAD_LIMIT): every share must
      // run concurrently because steps meet at barriers, so nothing runs unless all are there.
      if (omp_get_num_threads() == threads) {
        if (omp_get_thread_num() == 0) started = threads;
        flushed(&call, omp_get_thread_num(), threads);
      }
    }
    if (started == threads) return;
  }
#endif
  run_on_pool(state, threads, flushed, &call);
}

const char* thread_backend() {
#ifdef CNNFAST_OPENMP
  return "openmp";
#else
  return "std::thread";
#endif
}

void Barrier::wait() {
  if (threads_ == 1) return;
  const std::uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  // Neighbours are a few microseconds behind when all cores are ours; when they are not (about
  // 30 us of pauses later), yield.
  for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) {
    if (spins < 2000)
      spin_pause();
    else
      std::this_thread::yield();
  }
}

}  // namespace cnnfast
