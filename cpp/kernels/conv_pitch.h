// Floats between the pixels of a padded copy. The pixels of a register tile are read side by side;
// when they are a multiple of 1 KiB apart they share one to four of the L1 cache's 64 sets, and
// where that asks for more than seven of a set's eight ways (the eighth passes the weights), every
// read evicts another pixel. Six pixels fit whatever their distance, fourteen do not from 4 KiB on.
#pragma once

#include <cstdint>

namespace cnnfast {
namespace {

[[maybe_unused]] constexpr bool conv_pixels_collide(std::int64_t channels,
                                                    std::int64_t tile_pixels) {
  return channels % 1024 == 0 && tile_pixels > 7;
}
[[maybe_unused]] constexpr std::int64_t conv_pitch(std::int64_t channels,
                                                   std::int64_t tile_pixels) {
  return conv_pixels_collide(channels, tile_pixels) ? channels + 16 : channels;
}

}  // namespace
}  // namespace cnnfast
