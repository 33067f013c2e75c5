#include "ops/channel_rows.h"

#include <algorithm>
#include <numeric>

namespace cnnfast {

ChannelRows channel_rows(std::int64_t rows, std::int64_t channels, int vector_floats) {
  // Rows of 64 floats and more hide what a loop over columns costs.
  constexpr std::int64_t kNarrow = 64;
  ChannelRows s{};
  s.rows = rows;
  s.channels = channels;
  s.fold = 1;
  if (channels > 0 && channels < kNarrow) {
    s.fold = vector_floats / std::gcd<std::int64_t>(vector_floats, channels);
    while (s.fold * channels < kNarrow) s.fold *= 2;
    if (rows < 4 * s.fold) s.fold = 1;
  }
  s.columns = s.fold * channels;
  s.folded_rows = rows / s.fold;
  s.rest = rows - s.folded_rows * s.fold;
  // Within a chunk sums are float32: 1,024 rows, 32 blocks of a kernel, keep their error at a few
  // roundings. Fewer rows: eight chunks or so, for that many threads to share.
  constexpr std::int64_t kMost = 1024, kBlock = 32, kShares = 8;
  const std::int64_t share = (s.folded_rows + kShares - 1) / kShares;
  s.chunk_rows = std::clamp((share + kBlock - 1) / kBlock * kBlock, kBlock, kMost);
  s.chunks = (s.folded_rows + s.chunk_rows - 1) / s.chunk_rows;
  return s;
}

ChannelRows channel_rows(const TensorType& x, int vector_floats) {
  const int last = x.shape.rank() - 1;
  return channel_rows(x.shape.product(0, last), x.shape[last], vector_floats);
}

void spread(const ChannelRows& shape, float* values, std::int64_t first, std::int64_t last) {
  for (std::int64_t f = shape.channels; f < shape.columns; f += shape.channels)
    std::copy(values + first, values + last, values + f + first);
}

void merge_moments(const ChannelRows& shape, const ChannelMoments& m, std::int64_t first,
                   std::int64_t last) {
  double *mean = m.mean, *squares = m.squares;
  std::fill(mean + first, mean + last, 0.0);
  std::fill(squares + first, squares + last, 0.0);
  double count = 0;
  // Chan, Golub & LeVeque: `rows` rows about `base` join those before.
  const auto merge = [&](const float* base, const float* part, const float* part_squares,
                         double rows) {
    const double weight = rows / (count + rows), spread = count * weight;
    for (std::int64_t c = first; c < last; ++c) {
      double there = static_cast<double>(base[c]);
      if (part) there += static_cast<double>(part[c]);
      const double d = there - mean[c];
      mean[c] += d * weight;
      squares[c] += (part_squares ? static_cast<double>(part_squares[c]) : 0.0) + d * d * spread;
    }
    count += rows;
  };
  for (std::int64_t k = 0; k < shape.chunks; ++k) {
    const Range chunk = shape.chunk(k);
    const float* base = m.x + chunk.begin * shape.columns;
    const float* part = m.partial + k * 2 * shape.columns;
    for (std::int64_t f = 0; f < shape.columns; f += shape.channels)
      merge(base + f, part + f, part + shape.columns + f, static_cast<double>(chunk.size()));
  }
  for (std::int64_t r = 0; r < shape.rest; ++r)
    merge(m.x + shape.rest_at() + r * shape.channels, nullptr, nullptr, 1.0);
}

void merge_sums(const ChannelRows& shape, const ChannelSums& s, std::int64_t first,
                std::int64_t last) {
  std::fill(s.sum_dy + first, s.sum_dy + last, 0.0);
  std::fill(s.sum_dy_x + first, s.sum_dy_x + last, 0.0);
  for (std::int64_t k = 0; k < shape.chunks; ++k) {
    const float* part = s.partial + k * 2 * shape.columns;
    for (std::int64_t f = 0; f < shape.columns; f += shape.channels)
      for (std::int64_t c = first; c < last; ++c) {
        s.sum_dy[c] += static_cast<double>(part[f + c]);
        s.sum_dy_x[c] += static_cast<double>(part[shape.columns + f + c]);
      }
  }
  for (std::int64_t r = 0; r < shape.rest; ++r) {
    const std::int64_t at = shape.rest_at() + r * shape.channels;
    for (std::int64_t c = first; c < last; ++c) {
      const float x = s.x[at + c] - s.centre[c];
      float dy = s.dy[at + c];
      if (s.mask_scale && !(x * s.mask_scale[c] + s.mask_shift[c] > 0)) dy *= s.alpha;
      s.sum_dy[c] += static_cast<double>(dy);
      s.sum_dy_x[c] += static_cast<double>(dy) * static_cast<double>(x);
    }
  }
}

}  // namespace cnnfast
