// Which packed layouts of variables a plan keeps between runs, and whose update packs them again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cnnfast/graph.h"
#include "plan/step.h"

namespace cnnfast {

// A packed() buffer of a variable that the plan updates.
struct KeptLayout {
  ValueId variable;
  int buffer;
  std::size_t step;  // the pack_step
  ChannelPack pack;
  bool renewed = false;  // by the update
};

class KeptLayouts {
 public:
  explicit KeptLayouts(const Graph& graph) : graph_(graph) {}

  // Are layouts kept of `variable`, which node `reader` sees as `type`? The plan only reads it, or
  // one update behind the reader may pack it again.
  bool keeps(ValueId variable, const TensorType& type, int reader) const;

  void add(KeptLayout layout);  // nothing, if the plan only reads the variable
  // Layouts that the update of `variable` packs again: all of them, or none if one has a larger
  // grain (0 is the largest).
  std::vector<KeptLayout> renew(ValueId variable, std::int64_t largest_grain);
  // The pack_steps of those that no update renews: they must run every time.
  std::vector<std::size_t> abandoned() const;

 private:
  struct Updates {
    int count = 0, last = -1;  // node
  };
  Updates updates_of(ValueId variable) const;

  const Graph& graph_;
  std::vector<KeptLayout> layouts_;
};

}  // namespace cnnfast
