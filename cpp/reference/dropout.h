// Dropout whose mask is a function of (seed, step, stream, element) and of nothing else.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/philox.h"
#include "kernels/elementwise_table.h"

namespace cnnfast::reference {

// An element is kept where its number / 2^32 >= rate: number >= ceil(rate * 2^32).
inline std::uint32_t dropout_threshold(double rate) {
  const double exact = std::ceil(rate * 4294967296.0);
  return exact >= 4294967295.0 ? 4294967295u : static_cast<std::uint32_t>(exact);
}

inline DropoutKey dropout_key(std::int64_t seed, std::int64_t step, std::int64_t stream) {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
          static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(stream)};
}

// The 32-bit number of an element, a half of it from each of two words. The lower half is wanted
// only where the upper one equals the threshold's, so that a block of the generator serves eight
// elements: the lower halves of the 16 words of four blocks are the upper halves of 16 elements'
// numbers, their upper halves those of the 16 elements behind. What completes the numbers comes in
// the same order from blocks with the counter's bit 63 set.
inline std::uint32_t dropout_number(const DropoutKey& key, std::int64_t element) {
  const std::int64_t block = element / 32 * 4 + element % 16 / 4;
  const auto half = [&](std::uint32_t completing) {
    const std::uint32_t word =
        philox({static_cast<std::uint32_t>(block),
                static_cast<std::uint32_t>(block >> 32) | completing, key.stream, key.seed_high},
               {key.seed_low, key.step})[static_cast<std::size_t>(element % 4)];
    return element % 32 < 16 ? word & 0xffffu : word >> 16;
  };
  return half(0) << 16 | half(kDropoutCompleting);
}

template <class T>
void dropout(const T* x, T* y, std::int64_t count, const DropoutKey& key, double rate) {
  const std::uint32_t threshold = dropout_threshold(rate);
  const T scale = static_cast<T>(1.0 / (1.0 - rate));
  for (std::int64_t i = 0; i < count; ++i)
    y[i] = dropout_number(key, i) >= threshold ? x[i] * scale : T(0);
}

}  // namespace cnnfast::reference
