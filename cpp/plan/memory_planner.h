// Liveness -> offsets in one arena.
#pragma once

#include <cstdint>
#include <vector>

namespace cnnfast {

// A buffer that is alive during epochs [first, last], both included. An epoch is what lies between
// two barriers: within one, threads may be at different steps, so two buffers share memory only
// when they share no epoch.
struct Lifetime {
  std::int64_t bytes = 0;
  int first = 0, last = 0;
  std::int64_t offset = 0;  // set by plan_memory
};

// Sets every offset (64-byte aligned, with readable slack between neighbours) and returns the size
// of the arena. Greedy by size: largest first, each at the lowest place that is free during its
// life (Pisarchyk & Lee, Efficient Memory Management for Deep Neural Net Inference, 2020).
std::int64_t plan_memory(std::vector<Lifetime>& buffers);

}  // namespace cnnfast
