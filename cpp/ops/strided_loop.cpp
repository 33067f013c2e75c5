#include "ops/strided_loop.h"

#include <algorithm>

namespace cnnfast {

namespace {

// Adds an axis inside the ones so far, merging it with the last where every operand allows.
void add_axis(StridedLoop& loop, int& rank, std::int64_t size,
              const std::array<std::int64_t, StridedLoop::kMaxOperands>& stride) {
  if (size == 1) return;
  if (rank > 0) {
    const auto last = static_cast<std::size_t>(rank - 1);
    bool merge = true;
    for (std::size_t o = 0; o < static_cast<std::size_t>(loop.operands); ++o)
      merge = merge && loop.stride[o][last] == stride[o] * size;
    if (merge) {
      loop.size[last] *= size;
      for (std::size_t o = 0; o < static_cast<std::size_t>(loop.operands); ++o)
        loop.stride[o][last] = stride[o];
      return;
    }
  }
  const auto next = static_cast<std::size_t>(rank++);
  loop.size[next] = size;
  for (std::size_t o = 0; o < static_cast<std::size_t>(loop.operands); ++o)
    loop.stride[o][next] = stride[o];
}

void finish(StridedLoop& loop, int rank) {
  if (rank == 0) {
    loop.size[0] = 1;
    for (auto& stride : loop.stride) stride[0] = 1;
    rank = 1;
  }
  loop.rank = rank;
}

}  // namespace

Strides dense_strides(const Shape& shape) {
  Strides strides{};
  std::int64_t next = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = next;
    next *= shape[axis];
  }
  return strides;
}

StridedLoop strided_loop(const Shape& shape, std::span<const Strides> operands) {
  StridedLoop loop;
  loop.operands = static_cast<int>(operands.size());
  int rank = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    std::array<std::int64_t, StridedLoop::kMaxOperands> stride{};
    for (std::size_t o = 0; o < operands.size(); ++o)
      stride[o] = operands[o][static_cast<std::size_t>(axis)];
    add_axis(loop, rank, shape[axis], stride);
  }
  finish(loop, rank);
  return loop;
}

bool StridedLoop::empty() const {
  return std::any_of(size.begin(), size.begin() + rank, [](std::int64_t s) { return s == 0; });
}

StridedLoop flat_loop(std::int64_t n) {
  StridedLoop loop;
  loop.operands = StridedLoop::kMaxOperands;
  loop.size[0] = n;
  for (auto& stride : loop.stride) stride[0] = 1;
  return loop;
}

StridedLoop broadcast_loop(const Shape& shape, std::span<const Shape> operands) {
  StridedLoop loop;
  loop.operands = static_cast<int>(operands.size());
  int rank = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    std::array<std::int64_t, StridedLoop::kMaxOperands> stride{};
    for (std::size_t o = 0; o < operands.size(); ++o) {
      const int own = axis - (shape.rank() - operands[o].rank());
      if (own < 0 || operands[o][own] == 1) continue;
      stride[o] = dense_strides(operands[o])[static_cast<std::size_t>(own)];
    }
    add_axis(loop, rank, shape[axis], stride);
  }
  finish(loop, rank);
  return loop;
}

StridedLoop transpose_loop(const Shape& x, const std::vector<std::int64_t>& permutation) {
  StridedLoop loop;
  loop.operands = 2;
  int rank = 0;
  const auto from = dense_strides(x);
  std::array<std::int64_t, Shape::kMaxRank> to{};
  std::int64_t next = 1;
  for (std::size_t i = permutation.size(); i-- > 0;) {
    to[i] = next;
    next *= x[static_cast<int>(permutation[i])];
  }
  for (std::size_t i = 0; i < permutation.size(); ++i) {
    const auto axis = static_cast<std::size_t>(permutation[i]);
    add_axis(loop, rank, x[static_cast<int>(axis)], {from[axis], to[i], 0, 0});
  }
  finish(loop, rank);
  return loop;
}

std::int64_t rows_apply(const Shape& output, std::span<const TensorType> operands) {
  if (output.rank() == 0 || output[0] <= 1) return 0;
  const std::int64_t rows = output[0];
  for (const TensorType& t : operands) {
    const Shape& shape = t.shape;
    const bool whole = shape.rank() == output.rank() && shape[0] == rows;
    const bool broadcast = shape.rank() == 0 || (shape.rank() == output.rank() && shape[0] == 1) ||
                           (shape.rank() < output.rank() && shape[0] != rows);
    if (!whole && !broadcast) return 0;
  }
  return rows;
}

Division divide_loop(const Problem& problem, const StridedLoop& loop, double nanoseconds,
                     std::int64_t rows) {
  Division d;
  const std::int64_t threads = problem.threads;
  if (nanoseconds < kSingleStepNanoseconds) return d;
  // Uneven shares (3 rows, 2 threads) cost more than barriers do.
  if (rows > 0 && loop.size[0] % rows == 0 && (rows % threads == 0 || rows >= 4 * threads)) {
    d.split = Split::rows;
    d.rows = rows;
    d.grain = loop.size[0] / rows;
    return d;
  }
  d.split = Split::free;
  for (int axis = 1; axis < loop.rank; ++axis)
    if (loop.size[static_cast<std::size_t>(d.axis)] < 4 * threads &&
        loop.size[static_cast<std::size_t>(axis)] > loop.size[static_cast<std::size_t>(d.axis)])
      d.axis = axis;
  // Shares of whole cache lines along the innermost axis.
  if (d.axis == loop.rank - 1) d.grain = 64;
  return d;
}

Part thread_part(const StridedLoop& loop, const Division& d, int thread, int threads) {
  const std::int64_t size = loop.size[static_cast<std::size_t>(d.axis)];
  if (d.split == Split::single) return {0, {0, size}};
  if (d.split == Split::rows) {
    const Range rows = share(d.rows, thread, threads);
    return {0, {rows.begin * d.grain, rows.end * d.grain}};
  }
  return {d.axis, share(size, thread, threads, d.grain)};
}

}  // namespace cnnfast
