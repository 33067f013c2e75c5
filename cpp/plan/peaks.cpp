#include "cnnfast/peaks.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/memory.h"
#include "cnnfast/error.h"
#include "cnnfast/isa.h"
#include "cnnfast/threads.h"
#include "kernels/table.h"

namespace cnnfast {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int64_t kCopied = std::int64_t{64} << 20;  // bytes a thread
constexpr std::int64_t kRounds = 1 << 20;

// The best of several runs of f(thread) on all threads, in seconds.
template <class F>
double best_of(double seconds, F f) {
  double best = INFINITY;
  const auto begin = Clock::now();
  do {
    const auto start = Clock::now();
    run_region(
        threads(), [](void* task, int thread, int) { (*static_cast<F*>(task))(thread); }, &f);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  } while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds);
  return best;
}

}  // namespace

Peaks measure_peaks(double seconds) {
  if (!(seconds > 0 && seconds <= 60))
    value_error("peaks: expected a time of up to 60 seconds, got ", seconds);
  const ElementwiseKernels& kernels = kernels_for(current_isa()).elementwise;
  const auto count = static_cast<std::size_t>(threads());
  std::vector<float> kept(count * 16);  // so that nothing is optimised away
  Peaks peaks;
  const double computed = best_of(seconds, [&](int t) {
    kept[static_cast<std::size_t>(t) * 16] = kernels.multiply_adds(kRounds);
  });
  peaks.flops = kernels.multiply_adds_flops * static_cast<double>(kRounds) *
                static_cast<double>(count) / computed;

  const std::int64_t all = kCopied * static_cast<std::int64_t>(count);
  std::byte* const from = allocate_aligned(all);
  std::byte* const to = allocate_aligned(all);
  std::memset(from, 1, static_cast<std::size_t>(all));
  std::memset(to, 2, static_cast<std::size_t>(all));
  const double copied = best_of(seconds, [&](int t) {
    std::memcpy(to + t * kCopied, from + t * kCopied, static_cast<std::size_t>(kCopied));
  });
  free_aligned(from);
  free_aligned(to);
  peaks.bytes = 2.0 * static_cast<double>(all) / copied;
  return peaks;
}

}  // namespace cnnfast
