#include "plan/chains.h"

#include <algorithm>

namespace cnnfast {

namespace {

// What a step reads and writes in one part should lie in half of a 512 KiB L2. Rows larger than all
// of it gain nothing.
constexpr std::int64_t kPartBytes = 256 << 10;
constexpr std::int64_t kLeastWeightRows = 28;
constexpr std::int64_t kLargestRow = 1 << 20;
// Below this the arrays of a whole share lie in L2 anyway.
constexpr std::int64_t kLeastShare = 512 << 10;

bool may_chain(const ChainLink& step) {
  return !step.guarded && step.spec->split == Split::rows && step.spec->parts;
}

// Parts must nest in the threads' shares, since a step outside the chain may follow without a
// barrier: part p of parts lies in the share of thread p / (parts / threads).
bool nests(std::int64_t rows, int threads, int parts) {
  const int each = parts / threads;
  for (int t = 0; t < threads; ++t)
    if (share(rows, t * each, parts).begin != share(rows, t, threads).begin) return false;
  return true;
}

int choose_parts(const StepSpec& spec, std::int64_t row_bytes, int threads) {
  const std::int64_t rows = spec.rows;
  if (row_bytes > kLargestRow || row_bytes * rows / threads < kLeastShare) return 0;
  // Rows of weights: at least two strips of a register tile, lest the other operand be read again
  // for every few rows.
  const std::int64_t least = spec.domain == 0 ? 1 : kLeastWeightRows;
  const std::int64_t in_part = std::max(least, kPartBytes / row_bytes);
  for (std::int64_t each = rows / (threads * in_part); each >= 2; --each)
    if (nests(rows, threads, static_cast<int>(each) * threads))
      return static_cast<int>(each) * threads;
  return 0;
}

}  // namespace

std::vector<Chain> find_chains(const std::vector<ChainLink>& steps, int threads) {
  std::vector<Chain> chains;
  const int count = static_cast<int>(steps.size());
  for (int i = 0; i < count; ++i) {
    const ChainLink& first = steps[static_cast<std::size_t>(i)];
    if (!may_chain(first)) continue;
    std::int64_t row_bytes = first.row_bytes;
    int last = i;
    while (last + 1 < count) {
      const ChainLink& next = steps[static_cast<std::size_t>(last) + 1];
      if (!may_chain(next) || next.spec->rows != first.spec->rows ||
          next.spec->domain != first.spec->domain)
        break;
      row_bytes = std::max(row_bytes, next.row_bytes);
      ++last;
    }
    const int parts = last > i ? choose_parts(*first.spec, row_bytes, threads) : 0;
    if (parts > 0) chains.push_back({i, last, parts});
    i = last;
  }
  return chains;
}

}  // namespace cnnfast
