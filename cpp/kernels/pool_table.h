// Pooling over NHWC. Every call handles a range of rows: row r is row r % height of image
// r / height, so that any division over threads has exclusive writes.
#pragma once

#include <cstdint>

namespace cnnfast {

struct PoolSizes {
  std::int64_t h, w, c, oh, ow;
  std::int64_t window_h, window_w, stride_h, stride_w, top, left;
  bool distant = false;   // x comes from memory
  bool uncached = false;  // dx is too large for the caches
};

struct PoolKernels {
  // Rows of y (of `max` null: not wanted). The first of equals wins, NaN wins over all; a place
  // outside the input counts for nothing. argmax (null: not wanted) is the winner's place
  // kh * window_w + kw.
  void (*max)(const PoolSizes&, const float* x, float* y, std::uint8_t* argmax, std::int64_t row,
              std::int64_t end);
  void (*max_int32)(const PoolSizes&, const float* x, float* y, std::int32_t* argmax,
                    std::int64_t row, std::int64_t end);
  void (*average)(const PoolSizes&, const float* x, float* y, std::int64_t row, std::int64_t end);
  // Rows of dx, each element written once.
  void (*max_backward)(const PoolSizes&, const float* dy, const std::uint8_t* argmax, float* dx,
                       std::int64_t row, std::int64_t end);
  void (*max_backward_int32)(const PoolSizes&, const float* dy, const std::int32_t* argmax,
                             float* dx, std::int64_t row, std::int64_t end);
  void (*average_backward)(const PoolSizes&, const float* dy, float* dx, std::int64_t row,
                           std::int64_t end);
};

}  // namespace cnnfast
