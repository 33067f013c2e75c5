// Floats between the pixels of a padded copy. Pixels a multiple of 1 KiB apart would share two to
// four cache sets: the 14 that a tile reads at once, and its weights, would evict each other
// (1024 to 256 channels, 1x1, 14x14 maps: 54 GFLOP/s on one core).
#pragma once

#include <cstdint>

namespace cnnfast {
namespace {

[[maybe_unused]] constexpr bool conv_pixels_collide(std::int64_t channels) {
  return channels >= 256 && channels % 256 == 0;
}
[[maybe_unused]] constexpr std::int64_t conv_pitch(std::int64_t channels) {
  return conv_pixels_collide(channels) ? channels + 16 : channels;
}

}  // namespace
}  // namespace cnnfast
