// Statistics of the channels of x (rows, channels) on several threads, in an order that follows
// from the sizes alone: rows are summed in chunks of a fixed length, chunks are merged in double.
#pragma once

#include <cstdint>

#include "ops/implementation.h"
#include "ops/strided_loop.h"

namespace cnnfast {

// Few channels fill no vector: `fold` neighbouring rows are taken as one row of fold * channels
// columns, so that kernels walk whole vectors; `rest` rows that fill none are treated alone.
struct ChannelRows {
  std::int64_t rows, channels;
  std::int64_t fold;
  std::int64_t folded_rows, columns;
  std::int64_t rest;
  std::int64_t chunk_rows, chunks;  // of folded rows

  Range chunk(std::int64_t i) const {
    const std::int64_t begin = i * chunk_rows, end = begin + chunk_rows;
    return {begin, end < folded_rows ? end : folded_rows};
  }
  std::int64_t rest_at() const { return folded_rows * columns; }  // element
};
ChannelRows channel_rows(std::int64_t rows, std::int64_t channels, int vector_floats);
// x of any rank at least 1, channels last.
ChannelRows channel_rows(const TensorType& x, int vector_floats);

// Repeats the values of channels [first, last) over the columns of a folded row.
void spread(const ChannelRows& shape, float* values, std::int64_t first, std::int64_t last);

// What `moments` kernels found in each chunk: rows of `columns` means, then of squares.
struct ChannelMoments {
  const float* x;
  const float* partial;    // (chunks, 2, columns)
  double *mean, *squares;  // of each channel: the sum of squared deviations from the mean
};
void merge_moments(const ChannelRows& shape, const ChannelMoments& m, std::int64_t first,
                   std::int64_t last);

// A mean in two floats: to twice the digits of one.
struct SplitMean {
  float high, low;
};
inline SplitMean split_mean(double mean) {
  const auto high = static_cast<float>(mean);
  return {high, static_cast<float>(mean - static_cast<double>(high))};
}

// Sums of dy and dy * (x - centre) of each channel from those of the chunks.
struct ChannelSums {
  const float *x, *dy;
  const float* partial;  // (chunks, 2, columns)
  const float* centre;
  const float *mask_scale, *mask_shift;  // as in NormMask; null: no activation
  float alpha;
  double *sum_dy, *sum_dy_x;
};
void merge_sums(const ChannelRows& shape, const ChannelSums& s, std::int64_t first,
                std::int64_t last);

// A step over the chunks, f(run, chunk).
template <class F>
void add_chunk_step(const Problem& p, StepBuilder& steps, const char* name,
                    const ChannelRows& shape, double nanoseconds_each, F f) {
  if (shape.chunks == 0) return;
  const StridedLoop loop = flat_loop(shape.chunks);
  const double elements = static_cast<double>(shape.folded_rows * shape.columns);
  Division division = divide_loop(p, loop, elements * nanoseconds_each, 0);
  division.grain = 1;
  add_divided_step(steps, name, loop, division, [=](const Run& run, const StridedLoop&, Part part) {
    for (std::int64_t i = part.range.begin; i < part.range.end; ++i) f(run, i);
  });
}

// A step over the channels, f(run, first, last): divided only where merging many chunks of many
// channels takes long enough, some 2 ns each.
template <class F>
void add_channel_step(const Problem& p, StepBuilder& steps, const char* name,
                      const ChannelRows& shape, F f) {
  const StridedLoop loop = flat_loop(shape.channels);
  const double merged = static_cast<double>((shape.chunks * shape.fold + 4) * shape.channels);
  add_divided_step(steps, name, loop, divide_loop(p, loop, 2 * merged, 0),
                   [=](const Run& run, const StridedLoop&, Part part) {
                     if (part.size() > 0) f(run, part.range.begin, part.range.end);
                   });
}

// A step over all rows, f(run, first element, rows, columns): folded rows, then the rest. By rows
// of x's axis 0 where that spares a barrier.
template <class F>
void add_affine_step(const Problem& p, StepBuilder& steps, const char* name, const TensorType& x,
                     const ChannelRows& shape, F f) {
  const std::int64_t outer = x.shape[0] > 1 ? x.shape[0] : 0;
  const StridedLoop loop = flat_loop(shape.rows);
  const double cost = static_cast<double>(shape.rows * shape.channels) * 0.2;
  Division division = divide_loop(p, loop, cost, outer);
  if (division.split == Split::free) division.grain = shape.fold;
  add_divided_step(steps, name, loop, division, [=](const Run& run, const StridedLoop&, Part part) {
    if (part.size() <= 0) return;
    const std::int64_t at = part.range.begin * shape.channels;
    const std::int64_t whole = part.size() / shape.fold;
    if (whole > 0) f(run, at, whole, shape.columns);
    const std::int64_t left = part.size() - whole * shape.fold;
    if (left > 0) f(run, at + whole * shape.columns, left, shape.channels);
  });
}

}  // namespace cnnfast
