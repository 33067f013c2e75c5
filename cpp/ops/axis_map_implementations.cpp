#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "ops/axis_map.h"
#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/strided_loop.h"
#include "reference/axis_map.h"

namespace cnnfast {

namespace {

using reference::SparseRows;

// What every op here says of itself: (outer, rows, inner) around its axis.
struct View {
  std::int64_t outer, size, rows, inner;
  bool rows_kept;  // axis 0 is not the one that is mapped
};
View view(const Problem& p) {
  const auto axis = static_cast<int>(p.attributes.integer("axis"));
  const Shape &x = p.input(0).shape, &y = p.output().shape;
  return {x.product(0, axis), x[axis], y[axis], x.product(axis + 1, x.rank()), axis > 0};
}

// Half-pixel centres, as Keras and TensorFlow have them: output r looks at (r + 1/2) size / rows -
// 1/2 of the input, held inside of it.
SparseRows interpolation(std::int64_t size, std::int64_t rows) {
  SparseRows map;
  const double scale = static_cast<double>(size) / static_cast<double>(rows);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double place = std::max(0.0, (static_cast<double>(r) + 0.5) * scale - 0.5);
    const std::int64_t low = std::min(static_cast<std::int64_t>(place), size - 1);
    const std::int64_t high = std::min(low + 1, size - 1);
    const double part = place - static_cast<double>(low);
    if (high == low || part == 0.0) {
      map.add(low, 1.0);
    } else {
      map.add(low, 1.0 - part);
      map.add(high, part);
    }
    map.end_row();
  }
  return map;
}

SparseRows chosen(const std::vector<std::int64_t>& indices) {
  SparseRows map;
  for (const std::int64_t index : indices) {
    map.add(index, 1.0);
    map.end_row();
  }
  return map;
}

void map_reference(const Problem& p, StepBuilder& steps, const SparseRows& map) {
  const Slot x = steps.input(0), y = steps.output();
  const View v = view(p);
  for_floating(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      reference::apply(map, run.ptr<const T>(x), v.outer, v.size, v.inner, run.ptr<T>(y));
    });
  });
}

// Work is divided by (outer, row): of one image, its rows.
template <class F>
void add_rows(const Problem& p, StepBuilder& steps, const char* name, const View& v, double cost,
              F f) {
  const StridedLoop loop = flat_loop(v.outer * v.rows);
  Division division =
      divide_loop(p, loop, cost, v.rows_kept ? rows_apply(p.output().shape, p.inputs) : 0);
  if (division.split == Split::free) division.grain = v.inner < 64 ? 64 : 1;
  add_divided_step(steps, name, loop, division, [=](const Run& run, const StridedLoop&, Part part) {
    for (std::int64_t i = part.range.begin; i < part.range.end;) {
      const std::int64_t o = i / v.rows;
      const std::int64_t end = std::min(part.range.end, (o + 1) * v.rows);
      f(run, o, i - o * v.rows, end - o * v.rows);
      i = end;
    }
  });
}

// The map with what a kernel is given: offsets of elements, float32 weights.
struct KernelMap {
  std::vector<std::int64_t> starts, offsets;
  std::vector<float> weights;
};

void sparse(const Problem& p, StepBuilder& steps, const SparseRows& map) {
  const Slot x = steps.input(0), y = steps.output();
  const View v = view(p);
  auto made = std::make_shared<KernelMap>();
  made->starts = map.starts;
  for (const std::int64_t source : map.sources) made->offsets.push_back(source * v.inner);
  for (const double weight : map.weights) made->weights.push_back(static_cast<float>(weight));
  const std::shared_ptr<const KernelMap> kept = std::move(made);
  const auto kernel = p.kernels.sample.sparse_rows;
  const double terms = static_cast<double>(v.outer) * static_cast<double>(map.sources.size());
  const double cost = terms * (2 + 0.3 * static_cast<double>(v.inner));
  add_rows(p, steps, "sparse", v, cost,
           [=](const Run& run, std::int64_t o, std::int64_t first, std::int64_t last) {
             kernel(run.ptr<const float>(x) + o * v.size * v.inner, kept->starts.data() + first,
                    kept->offsets.data(), kept->weights.data(),
                    run.ptr<float>(y) + (o * v.rows + first) * v.inner, last - first, v.inner);
           });
}

void take_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const View v = view(p);
  for_any(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference",
                [=, indices = p.attributes.integers("indices")](const Run& run) {
                  const T* from = run.ptr<const T>(x);
                  T* to = run.ptr<T>(y);
                  for (std::int64_t o = 0; o < v.outer; ++o)
                    for (const std::int64_t index : indices)
                      for (std::int64_t i = 0; i < v.inner; ++i)
                        *to++ = from[(o * v.size + index) * v.inner + i];
                });
  });
}

// Indices that follow each other are copied as one; single elements one by one.
void take_runs(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const View v = view(p);
  const auto bytes = static_cast<std::int64_t>(size_of(p.output().dtype));
  const auto indices =
      std::make_shared<const std::vector<std::int64_t>>(p.attributes.integers("indices"));
  const double cost =
      0.2 * static_cast<double>(p.output().bytes()) + 2.0 * static_cast<double>(v.outer * v.rows);
  const auto copy = [=](auto unit, const Run& run, std::int64_t o, std::int64_t first,
                        std::int64_t last) {
    using U = decltype(unit);
    const U* from = run.ptr<const U>(x) + o * v.size;
    U* to = run.ptr<U>(y) + o * v.rows;
    for (std::int64_t r = first; r < last; ++r)
      to[r] = from[(*indices)[static_cast<std::size_t>(r)]];
  };
  if (v.inner == 1) {
    add_rows(p, steps, "elements", v, cost,
             [=](const Run& run, std::int64_t o, std::int64_t first, std::int64_t last) {
               if (bytes == 1)
                 copy(std::uint8_t{}, run, o, first, last);
               else if (bytes == 4)
                 copy(std::uint32_t{}, run, o, first, last);
               else
                 copy(std::uint64_t{}, run, o, first, last);
             });
    return;
  }
  add_rows(p, steps, "runs", v, cost,
           [=, row = v.inner * bytes](const Run& run, std::int64_t o, std::int64_t first,
                                      std::int64_t last) {
             const std::byte* from = run.ptr<const std::byte>(x) + o * v.size * row;
             std::byte* to = run.ptr<std::byte>(y) + o * v.rows * row;
             const std::vector<std::int64_t>& at = *indices;
             for (std::int64_t r = first; r < last;) {
               const std::int64_t source = at[static_cast<std::size_t>(r)];
               std::int64_t n = 1;
               while (r + n < last && at[static_cast<std::size_t>(r + n)] == source + n) ++n;
               std::memcpy(to + r * row, from + source * row, static_cast<std::size_t>(n * row));
               r += n;
             }
           });
}

SparseRows take_transposed(const Problem& p) {
  return reference::transposed(chosen(p.attributes.integers("indices")),
                               p.attributes.integer("size"));
}
void take_backward_reference(const Problem& p, StepBuilder& steps) {
  map_reference(p, steps, take_transposed(p));
}
void take_backward_sparse(const Problem& p, StepBuilder& steps) {
  sparse(p, steps, take_transposed(p));
}

void interpolate_reference(const Problem& p, StepBuilder& steps) {
  const View v = view(p);
  map_reference(p, steps, interpolation(v.size, v.rows));
}
void interpolate_sparse(const Problem& p, StepBuilder& steps) {
  const View v = view(p);
  sparse(p, steps, interpolation(v.size, v.rows));
}
void interpolate_backward_reference(const Problem& p, StepBuilder& steps) {
  const View v = view(p);
  map_reference(p, steps, reference::transposed(interpolation(v.rows, v.size), v.rows));
}
void interpolate_backward_sparse(const Problem& p, StepBuilder& steps) {
  const View v = view(p);
  sparse(p, steps, reference::transposed(interpolation(v.rows, v.size), v.rows));
}

const FunctionImplementation kTakeRuns("runs", nullptr, take_runs);
const FunctionImplementation kTakeReference("reference", nullptr, take_reference);
const FunctionImplementation kTakeBackwardSparse("sparse", declines_unless_f32,
                                                 take_backward_sparse);
const FunctionImplementation kTakeBackwardReference("reference", nullptr, take_backward_reference);
const FunctionImplementation kInterpolateSparse("sparse", declines_unless_f32, interpolate_sparse);
const FunctionImplementation kInterpolateReference("reference", nullptr, interpolate_reference);
const FunctionImplementation kInterpolateBackwardSparse("sparse", declines_unless_f32,
                                                        interpolate_backward_sparse);
const FunctionImplementation kInterpolateBackwardReference("reference", nullptr,
                                                           interpolate_backward_reference);

const Implementation* const kTake[] = {&kTakeRuns, &kTakeReference};
const Implementation* const kTakeBackward[] = {&kTakeBackwardSparse, &kTakeBackwardReference};
const Implementation* const kInterpolate[] = {&kInterpolateSparse, &kInterpolateReference};
const Implementation* const kInterpolateBackward[] = {&kInterpolateBackwardSparse,
                                                      &kInterpolateBackwardReference};

}  // namespace

std::span<const Implementation* const> take_implementations() { return kTake; }
std::span<const Implementation* const> take_backward_implementations() { return kTakeBackward; }
std::span<const Implementation* const> interpolate_implementations() { return kInterpolate; }
std::span<const Implementation* const> interpolate_backward_implementations() {
  return kInterpolateBackward;
}

}  // namespace cnnfast
