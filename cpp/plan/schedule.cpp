// Where threads must meet.
#include "plan/compile.h"

namespace cnnfast {

namespace {

// Beyond this a step takes far longer than a barrier (0.3 us); without one, its buffers could not
// be reused by the steps behind it.
constexpr std::int64_t kLargeStep = std::int64_t{4} << 20;

// Two neighbours need no barrier when the same thread made what it reads: both on thread 0, or
// both by the same rows.
bool may_follow(const StepSpec& a, const StepSpec& b) {
  if (a.split == Split::single) return b.split == Split::single;
  return a.split == Split::rows && b.split == Split::rows && a.rows == b.rows &&
         a.domain == b.domain;
}

}  // namespace

std::vector<int> place_barriers(std::vector<CompiledStep>& steps, const std::vector<Chain>& chains,
                                const std::vector<std::int64_t>& written_bytes) {
  std::vector<bool> inside(steps.size(), false);  // of a chain, behind its first step
  for (const Chain& chain : chains)
    for (int i = chain.first + 1; i <= chain.last; ++i) inside[static_cast<std::size_t>(i)] = true;
  std::vector<int> epochs(steps.size(), 0);
  int epoch = 0, last_any = -1, last_unguarded = -1;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CompiledStep& step = steps[i];
    const bool guarded = step.guard >= 0;
    const auto needs = [&](int before) {
      if (before < 0 || inside[i]) return false;
      return !may_follow(steps[static_cast<std::size_t>(before)].spec, step.spec) ||
             written_bytes[static_cast<std::size_t>(before)] > kLargeStep;
    };
    step.barrier = needs(last_any);
    if (!guarded) {
      step.barrier_short = needs(last_unguarded);
      // The short schedule has the fewest barriers, so its epochs are the ones memory is safe in.
      if (step.barrier_short) {
        ++epoch;
        step.barrier = true;
      }
      last_unguarded = static_cast<int>(i);
    }
    last_any = static_cast<int>(i);
    epochs[i] = epoch;
  }
  return epochs;
}

}  // namespace cnnfast
