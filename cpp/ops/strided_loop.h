// Walks several operands of one shape together: broadcast operands have stride 0, transposed ones
// odd strides. Neighbouring axes that every operand walks as one are merged, so that most calls
// end as one or two axes; the two innermost are the kernel's.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "cnnfast/shape.h"
#include "ops/implementation.h"

namespace cnnfast {

struct StridedLoop {
  static constexpr int kMaxOperands = 4;

  int operands = 0;
  int rank = 1;  // at least 1
  std::array<std::int64_t, Shape::kMaxRank> size{};
  std::array<std::array<std::int64_t, Shape::kMaxRank>, kMaxOperands> stride{};  // in elements

  bool empty() const;
  std::int64_t inner_size() const { return size[static_cast<std::size_t>(rank - 1)]; }
};

// Plain arrays of n elements.
StridedLoop flat_loop(std::int64_t n);
// `shape` with operands that broadcast to it (the output among them).
StridedLoop broadcast_loop(const Shape& shape, std::span<const Shape> operands);
// `shape` with operands of any strides, in elements; negative ones walk backwards.
using Strides = std::array<std::int64_t, Shape::kMaxRank>;
StridedLoop strided_loop(const Shape& shape, std::span<const Strides> operands);
// Strides of a tensor of this shape.
Strides dense_strides(const Shape& shape);
// Over the elements of y = transpose(x) in y's order: operand 0 is x, operand 1 is y.
StridedLoop transpose_loop(const Shape& x, const std::vector<std::int64_t>& permutation);

// How an element-wise step is divided: which axis of the loop, in shares of `grain`.
struct Division {
  Split split = Split::single;
  std::int64_t rows = 0;  // for Split::rows
  int axis = 0;
  std::int64_t grain = 1;
};

// Below this a step is not worth a barrier on each side and a second core's attention.
inline constexpr double kSingleStepNanoseconds = 20000;

// rows: size of axis 0 when the step may be divided by rows (see rows_apply), else 0.
Division divide_loop(const Problem& problem, const StridedLoop& loop, double nanoseconds,
                     std::int64_t rows);

// The row rule of plan/step.h for an element-wise step: axis 0 of `output` is axis 0 of every
// operand, or the operand is broadcast along it and no step divided by as many rows can have made
// it. Returns the number of rows, or 0.
std::int64_t rows_apply(const Shape& output, std::span<const TensorType> operands);

// A thread's part of a loop: what it walks of one axis.
struct Part {
  int axis;
  Range range;
  std::int64_t begin() const { return range.begin; }
  std::int64_t size() const { return range.size(); }
};
Part thread_part(const StridedLoop& loop, const Division& division, int thread, int threads);

// Calls body(offsets, rows, n) for each innermost pair of axes; offsets[o] is operand o's first
// element, rows and n the sizes of the pair (its row strides: row_stride(loop, o)).
template <class Body>
void walk(const StridedLoop& loop, const Part& part, const Body& body) {
  std::array<std::int64_t, Shape::kMaxRank> size = loop.size, index{};
  size[static_cast<std::size_t>(part.axis)] = part.size();
  std::array<std::int64_t, StridedLoop::kMaxOperands> offset{};
  for (int i = 0; i < loop.rank; ++i)
    if (size[static_cast<std::size_t>(i)] <= 0) return;
  for (int o = 0; o < loop.operands; ++o)
    offset[static_cast<std::size_t>(o)] =
        part.begin() *
        loop.stride[static_cast<std::size_t>(o)][static_cast<std::size_t>(part.axis)];
  const int outer = loop.rank > 2 ? loop.rank - 2 : 0;
  const std::int64_t rows = loop.rank > 1 ? size[static_cast<std::size_t>(loop.rank - 2)] : 1;
  const std::int64_t n = size[static_cast<std::size_t>(loop.rank - 1)];
  for (;;) {
    body(offset, rows, n);
    int d = outer - 1;
    for (; d >= 0; --d) {
      const auto a = static_cast<std::size_t>(d);
      const bool more = ++index[a] < size[a];
      const std::int64_t by = more ? 1 : 1 - size[a];
      for (std::size_t o = 0; o < static_cast<std::size_t>(loop.operands); ++o)
        offset[o] += by * loop.stride[o][a];
      if (more) break;
      index[a] = 0;
    }
    if (d < 0) return;
  }
}

inline std::int64_t row_stride(const StridedLoop& loop, int operand) {
  return loop.rank > 1 ? loop.stride[static_cast<std::size_t>(operand)]
                                    [static_cast<std::size_t>(loop.rank - 2)]
                       : 0;
}
inline std::int64_t step_of(const StridedLoop& loop, int operand) {
  return loop.stride[static_cast<std::size_t>(operand)][static_cast<std::size_t>(loop.rank - 1)];
}

// Adds the step that runs body(run, loop, part) for each thread's part.
template <class Body>
void add_divided_step(StepBuilder& steps, std::string name, const StridedLoop& loop,
                      const Division& division, Body body) {
  steps.step({std::move(name), division.split, division.rows, true},
             [loop, division, body = std::move(body)](const Run& run, int thread, int threads) {
               if (division.split == Split::single) {
                 if (thread != 0) return;
                 threads = 1;
               }
               body(run, loop, thread_part(loop, division, thread, threads));
             });
}

}  // namespace cnnfast
