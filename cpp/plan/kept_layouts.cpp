#include "plan/kept_layouts.h"

#include <limits>
#include <utility>

#include "ops/op.h"

namespace cnnfast {

namespace {

// Of a variable. Layouts of a larger one would wait in memory for the next run, which makes them
// faster than it reads them.
constexpr std::int64_t kRepackedBytes = 512 << 10;

}  // namespace

KeptLayouts::Updates KeptLayouts::updates_of(ValueId variable) const {
  Updates found;
  const auto& nodes = graph_.nodes();
  for (std::size_t n = 0; n < nodes.size(); ++n)
    for (std::size_t i = 0; i < nodes[n].inputs.size(); ++i)
      if (nodes[n].inputs[i] == variable && nodes[n].op->updates(static_cast<int>(i)))
        found = {found.count + 1, static_cast<int>(n)};
  return found;
}

bool KeptLayouts::keeps(ValueId variable, const TensorType& type, int reader) const {
  const Updates updates = updates_of(variable);
  if (updates.count == 0) return true;
  return updates.count == 1 && updates.last > reader && type.shape.rank() == 4 &&
         type.shape == graph_.type(variable).shape && type.bytes() <= kRepackedBytes;
}

void KeptLayouts::add(KeptLayout layout) {
  if (updates_of(layout.variable).count > 0) layouts_.push_back(std::move(layout));
}

std::vector<KeptLayout> KeptLayouts::renew(ValueId variable, std::int64_t largest_grain) {
  constexpr std::int64_t kWhole = std::numeric_limits<std::int64_t>::max();
  for (const KeptLayout& layout : layouts_)
    if (layout.variable == variable &&
        (layout.pack.grain > 0 ? layout.pack.grain : kWhole) > largest_grain)
      return {};
  std::vector<KeptLayout> renewed;
  for (KeptLayout& layout : layouts_) {
    if (layout.variable != variable) continue;
    layout.renewed = true;
    renewed.push_back(layout);
  }
  return renewed;
}

std::vector<std::size_t> KeptLayouts::abandoned() const {
  std::vector<std::size_t> steps;
  for (const KeptLayout& layout : layouts_)
    if (!layout.renewed) steps.push_back(layout.step);
  return steps;
}

}  // namespace cnnfast
