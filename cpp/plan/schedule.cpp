// Where threads must meet.
#include <algorithm>

#include "plan/compile.h"

namespace cnnfast {

namespace {

// Beyond this a step takes far longer than a barrier (0.3 us); without one, its buffers could not
// be reused by the steps behind it.
constexpr std::int64_t kLargeStep = std::int64_t{4} << 20;

bool same_rows(const StepSpec& a, const StepSpec& b) {
  return a.split == Split::rows && b.split == Split::rows && a.rows == b.rows &&
         a.domain == b.domain;
}

// Does a thread read what another one wrote, or write what it may still read?
bool crosses_threads(const CompiledStep& a, const CompiledStep& b) {
  if (a.spec.split == Split::single && b.spec.split == Split::single) return false;
  const bool rows = same_rows(a.spec, b.spec);
  for (const Access& before : a.accesses)
    for (const Access& after : b.accesses)
      if (before.buffer == after.buffer && (before.writes || after.writes) &&
          !(rows && before.by_rows && after.by_rows))
        return true;
  return false;
}

// The steps since the last barrier of a schedule.
class Epoch {
 public:
  explicit Epoch(const std::vector<CompiledStep>& steps,
                 const std::vector<std::int64_t>& written_bytes)
      : steps_(steps), written_(written_bytes) {}

  // Must the threads meet before steps first to last, which they go through together?
  bool ends_before(int first, int last) const {
    if (since_.empty()) return false;
    if (written_[static_cast<std::size_t>(since_.back())] > kLargeStep) return true;
    for (int s = first; s <= last; ++s)
      for (const int before : since_)
        if (crosses_threads(steps_[static_cast<std::size_t>(before)],
                            steps_[static_cast<std::size_t>(s)]))
          return true;
    return false;
  }
  void add(int step) { since_.push_back(step); }
  void end() { since_.clear(); }

 private:
  const std::vector<CompiledStep>& steps_;
  const std::vector<std::int64_t>& written_;
  std::vector<int> since_;
};

}  // namespace

std::vector<int> place_barriers(std::vector<CompiledStep>& steps, const std::vector<Chain>& chains,
                                const std::vector<std::int64_t>& written_bytes) {
  std::vector<int> last_of(steps.size(), -1);     // of the chain that begins here
  std::vector<bool> inside(steps.size(), false);  // of a chain, behind its first step
  for (const Chain& chain : chains) {
    last_of[static_cast<std::size_t>(chain.first)] = chain.last;
    for (int i = chain.first + 1; i <= chain.last; ++i) inside[static_cast<std::size_t>(i)] = true;
  }
  std::vector<int> epochs(steps.size(), 0);
  int epoch = 0;
  Epoch all(steps, written_bytes), unguarded(steps, written_bytes);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CompiledStep& step = steps[i];
    const int s = static_cast<int>(i);
    const int last = std::max(s, last_of[i]);
    if (!inside[i]) step.barrier = all.ends_before(s, last);
    if (step.guard < 0 && !inside[i]) {
      step.barrier_short = unguarded.ends_before(s, last);
      // The short schedule has the fewest barriers, so its epochs are the ones memory is safe in.
      if (step.barrier_short) {
        ++epoch;
        step.barrier = true;
        unguarded.end();
      }
    }
    if (step.barrier) all.end();
    all.add(s);
    if (step.guard < 0) unguarded.add(s);
    epochs[i] = epoch;
  }
  return epochs;
}

}  // namespace cnnfast
