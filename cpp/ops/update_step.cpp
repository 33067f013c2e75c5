#include "ops/update_step.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "ops/row_step.h"

namespace cnnfast {

namespace {

using Update = std::function<void(const Run&, const Pieces&)>;

constexpr std::int64_t kUpdatedByRows = 8192;  // values
constexpr std::int64_t kWorthThread = 8192;    // values that a second thread pays for

void add_update_and_pack(StepBuilder& steps, const Shape& shape, bool divided,
                         std::vector<ChannelPack> packs, Update update) {
  const std::int64_t taps = shape[0] * shape[1], channels = shape[2], filters = shape[3];
  std::int64_t grain = 0;  // all are powers of two: the largest is a multiple of the others
  bool by_channels = true;
  for (const ChannelPack& pack : packs) {
    grain = std::max(grain, pack.grain);
    by_channels = by_channels && pack.grain > 0;
  }
  const std::int64_t strip = by_channels ? grain : channels;
  steps.step({"update, pack", divided ? Split::free : Split::single},
             [=, packs = std::move(packs), update = std::move(update)](const Run& run, int thread,
                                                                       int threads) {
               if (!divided && thread != 0) return;
               const Range mine =
                   divided ? share(channels, thread, threads, strip) : Range{0, channels};
               for (std::int64_t c = mine.begin; c < mine.end; c += strip) {
                 const Range rows{c, std::min(c + strip, mine.end)};
                 update(run, {c * filters, rows.size() * filters, taps, channels * filters});
                 for (const ChannelPack& pack : packs) pack.run(run, rows);
               }
             });
}

}  // namespace

bool updated_by_rows(const Shape& parameter, int threads) {
  return parameter.rank() == 2 && parameter.numel() >= kUpdatedByRows &&
         parameter[0] >= 64 * threads;
}

void add_update_step(const Problem& p, StepBuilder& steps, Update update) {
  const Shape& shape = p.input(0).shape;
  if (updated_by_rows(shape, steps.threads())) {
    const std::int64_t rows = shape[0], columns = shape[1];
    steps.step({"update", Split::rows, rows, true, steps.input(1).base + 1},
               [=, update = std::move(update)](const Run& run, int thread, int threads) {
                 const Range r = share(rows, thread, threads);
                 update(run, {r.begin * columns, r.size() * columns});
               });
    return;
  }
  const std::int64_t size = shape.numel();
  const bool divided = steps.threads() > 1 && size >= kWorthThread;
  const std::int64_t largest_grain = divided && shape.rank() == 4
                                         ? shape[2] / steps.threads()
                                         : std::numeric_limits<std::int64_t>::max();
  if (std::vector<ChannelPack> packs = steps.repacks(0, largest_grain); !packs.empty())
    return add_update_and_pack(steps, shape, divided, std::move(packs), std::move(update));
  add_array_step(
      steps, "update", size,
      [update = std::move(update)](const Run& run, std::int64_t first, std::int64_t count) {
        update(run, {first, count});
      },
      kWorthThread);
}

}  // namespace cnnfast
