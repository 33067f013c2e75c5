#include <algorithm>
#include <cstring>

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/reduction.h"
#include "ops/strided_loop.h"
#include "reference/reduction.h"

namespace cnnfast {

namespace {

std::int64_t folded_count(const Shape& x, const std::vector<std::int64_t>& axes) {
  std::int64_t count = 1;
  for (const std::int64_t axis : axes) count *= x[static_cast<int>(axis)];
  return count;
}

void sum_reference(const Problem& p, StepBuilder& steps, const Reduction& r) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape shape = p.input(0).shape;
  const std::int64_t outputs = p.output().shape.numel();
  const Slot lost = steps.scratch(8 * outputs + 8);
  const double divisor = r.mean ? static_cast<double>(folded_count(shape, r.axes)) : 1.0;
  for_any(p.input(0).dtype, [&]<class T>(T) {
    using R = std::conditional_t<std::is_floating_point_v<T>, T, std::int64_t>;
    single_step(steps, "reference", [=, axes = r.axes](const Run& run) {
      reference::sum(run.ptr<const T>(x), shape, axes, run.ptr<R>(y), run.ptr<R>(lost), outputs,
                     static_cast<R>(divisor));
    });
  });
}

void reduce_reference(const Problem& p, StepBuilder& steps) {
  const Reduction r = reduction_of(p);
  if (r.kind == ReduceKind::sum) return sum_reference(p, steps, r);
  const Slot x = steps.input(0), y = steps.output();
  const Shape shape = p.input(0).shape;
  const std::int64_t outputs = p.output().shape.numel();
  const Slot winners = steps.scratch(8 * outputs + 8);
  for_number(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      const T* from = run.ptr<const T>(x);
      T* to = run.ptr<T>(y);
      std::int64_t* winner = run.ptr<std::int64_t>(winners);
      reference::find_winners(r.kind, from, shape, r.axes, winner, outputs);
      for (std::int64_t o = 0; o < outputs; ++o) to[o] = from[winner[o]];
    });
  });
}

void extreme_backward_reference(const Problem& p, StepBuilder& steps) {
  const Reduction r = reduction_of(p);
  const Slot x = steps.input(0), dy = steps.input(1), dx = steps.output();
  const Shape shape = p.input(0).shape;
  const std::int64_t n = shape.numel(), outputs = p.input(1).shape.numel();
  const Slot winners = steps.scratch(8 * outputs + 8);
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      std::int64_t* winner = run.ptr<std::int64_t>(winners);
      reference::find_winners(r.kind, run.ptr<const T>(x), shape, r.axes, winner, outputs);
      T* to = run.ptr<T>(dx);
      for (std::int64_t i = 0; i < n; ++i) to[i] = T(0);
      for (std::int64_t o = 0; o < outputs; ++o) to[winner[o]] = run.ptr<const T>(dy)[o];
    });
  });
}

void argmax_reference(const Problem& p, StepBuilder& steps) {
  const Reduction r = reduction_of(p);
  const Slot x = steps.input(0), y = steps.output();
  const Shape shape = p.input(0).shape;
  const auto axis = static_cast<int>(r.axes[0]);
  const std::int64_t inner = shape.product(axis + 1, shape.rank()), size = shape[axis];
  const std::int64_t outputs = p.output().shape.numel();
  for_number(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      std::int64_t* winner = run.ptr<std::int64_t>(y);
      reference::find_winners(r.kind, run.ptr<const T>(x), shape, r.axes, winner, outputs);
      for (std::int64_t o = 0; o < outputs; ++o) winner[o] = winner[o] / inner % size;
    });
  });
}

// ---- the fast one: one stage for every run of neighbouring reduced axes, innermost first
// ---------- Each folds the middle of (outer, n, inner).
struct Stage {
  std::int64_t outer, n, inner;
  double cost() const {  // nanoseconds on one core
    return static_cast<double>(outer * std::max<std::int64_t>(n, 1) * inner) / 16 * 3;
  }
  // Few outputs from many numbers: partial results of chunks, whose count follows from the sizes
  // alone, so that the result is the same for any number of threads.
  std::int64_t chunks() const {
    if (outer > 4 || inner >= 512 || n * inner < 32768) return 1;
    return std::clamp<std::int64_t>(n * inner / 16384, 2, 64);
  }
};

std::vector<Stage> stages_of(const Shape& shape, const std::vector<std::int64_t>& axes) {
  struct Group {
    std::int64_t size;
    bool reduced;
  };
  std::vector<Group> groups;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    const bool reduced = std::find(axes.begin(), axes.end(), axis) != axes.end();
    if (!groups.empty() && groups.back().reduced == reduced)
      groups.back().size *= shape[axis];
    else
      groups.push_back({shape[axis], reduced});
  }
  std::vector<Stage> stages;
  for (std::size_t g = groups.size(); g-- > 0;) {
    if (!groups[g].reduced) continue;
    Stage stage{1, groups[g].size, 1};
    for (std::size_t i = 0; i < g; ++i) stage.outer *= groups[i].size;
    for (std::size_t i = g + 1; i < groups.size(); ++i)
      if (!groups[i].reduced) stage.inner *= groups[i].size;
    stages.push_back(stage);
  }
  if (stages.empty()) stages.push_back({shape.numel(), 1, 1});
  return stages;
}

class StageSteps {
 public:
  StageSteps(const Problem& p, StepBuilder& steps, ReduceKind kind)
      : p_(p),
        steps_(steps),
        last_(p.kernels.elementwise.reduce_last[static_cast<std::size_t>(kind)]),
        first_(p.kernels.elementwise.reduce_first[static_cast<std::size_t>(kind)]) {}

  void add(const Stage& stage, Slot from, Slot to, float scale, std::int64_t rows) {
    const std::int64_t chunks = stage.chunks();
    if (chunks > 1) return add_chunked(stage, chunks, from, to, scale);
    if (stage.outer < p_.threads && stage.inner >= 128 * p_.threads)
      return add_by_columns(stage, from, to, scale);
    const StridedLoop loop = flat_loop(stage.outer);
    Division division = divide_loop(p_, loop, stage.cost(), rows);
    if (division.split == Split::free) division.grain = 1;
    add_divided_step(
        steps_, stage.inner == 1 ? "last axis" : "leading axis", loop, division,
        [=, last = last_, first = first_](const Run& run, const StridedLoop&, Part part) {
          const std::int64_t block = stage.n * stage.inner;
          const float* x = run.ptr<const float>(from) + part.begin() * block;
          float* y = run.ptr<float>(to) + part.begin() * stage.inner;
          if (stage.inner == 1) return last(x, y, part.size(), stage.n, scale);
          for (std::int64_t i = 0; i < part.size(); ++i)
            first(x + i * block, y + i * stage.inner, stage.n, stage.inner, stage.inner, scale);
        });
  }

 private:
  void add_by_columns(const Stage& stage, Slot from, Slot to, float scale) {
    const StridedLoop loop = flat_loop(stage.inner);
    add_divided_step(steps_, "leading axis", loop, divide_loop(p_, loop, stage.cost(), 0),
                     [=, first = first_](const Run& run, const StridedLoop&, Part part) {
                       for (std::int64_t o = 0; o < stage.outer && part.size() > 0; ++o)
                         first(
                             run.ptr<const float>(from) + o * stage.n * stage.inner + part.begin(),
                             run.ptr<float>(to) + o * stage.inner + part.begin(), stage.n,
                             part.size(), stage.inner, scale);
                     });
  }

  void add_chunked(const Stage& stage, std::int64_t chunks, Slot from, Slot to, float scale) {
    const Slot partial = steps_.scratch(stage.outer * chunks * stage.inner * 4);
    const StridedLoop loop = flat_loop(stage.outer * chunks);
    Division division = divide_loop(p_, loop, stage.cost(), 0);
    division.grain = 1;
    add_divided_step(
        steps_, "chunks", loop, division,
        [=, last = last_, first = first_](const Run& run, const StridedLoop&, Part part) {
          for (std::int64_t item = part.range.begin; item < part.range.end; ++item) {
            const Range r =
                share(stage.n, static_cast<int>(item % chunks), static_cast<int>(chunks));
            const float* x =
                run.ptr<const float>(from) + (item / chunks * stage.n + r.begin) * stage.inner;
            float* y = run.ptr<float>(partial) + item * stage.inner;
            if (stage.inner == 1)
              last(x, y, 1, r.size(), 1.0f);
            else
              first(x, y, r.size(), stage.inner, stage.inner, 1.0f);
          }
        });
    single_step(steps_, "combine", [=, last = last_, first = first_](const Run& run) {
      const float* x = run.ptr<const float>(partial);
      float* y = run.ptr<float>(to);
      if (stage.inner == 1) return last(x, y, stage.outer, chunks, scale);
      for (std::int64_t o = 0; o < stage.outer; ++o)
        first(x + o * chunks * stage.inner, y + o * stage.inner, chunks, stage.inner, stage.inner,
              scale);
    });
  }

  const Problem& p_;
  StepBuilder& steps_;
  ElementwiseKernels::ReduceLast last_;
  ElementwiseKernels::ReduceFirst first_;
};

std::optional<std::string> reduce_declines(const Problem& p) {
  if (p.input(0).dtype == DType::f32) return std::nullopt;
  return concat("dtype is ", name_of(p.input(0).dtype), ", this kernel computes in float32");
}

void reduce_vector(const Problem& p, StepBuilder& steps) {
  const Reduction r = reduction_of(p);
  const Shape& shape = p.input(0).shape;
  if (p.output().shape.numel() == 0) return;
  const float scale =
      r.mean ? static_cast<float>(1.0 / static_cast<double>(folded_count(shape, r.axes))) : 1.0f;
  const std::vector<Stage> stages = stages_of(shape, r.axes);
  StageSteps builder(p, steps, r.kind);
  const bool by_rows =
      stages.size() == 1 && shape.rank() > 0 && shape[0] > 1 && (r.axes.empty() || r.axes[0] != 0);
  Slot from = steps.input(0);
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const bool final = i + 1 == stages.size();
    const Slot to =
        final ? steps.output() : steps.scratch(stages[i].outer * stages[i].inner * 4 + 4);
    builder.add(stages[i], from, to, final ? scale : 1.0f, by_rows ? shape[0] : 0);
    from = to;
  }
}

// ---- where the extremes stand ------------------------------------------------------------------
std::optional<std::string> arg_declines(const Problem& p) {
  if (auto reason = reduce_declines(p)) return reason;
  if (p.input(0).shape.numel() >= (std::int64_t{1} << 31)) return "an index does not fit 31 bits";
  return std::nullopt;
}

void argmax_vector(const Problem& p, StepBuilder& steps) {
  const Reduction r = reduction_of(p);
  const Shape& shape = p.input(0).shape;
  if (p.output().shape.numel() == 0) return;
  const auto axis = static_cast<int>(r.axes[0]);
  const Stage stage{shape.product(0, axis), shape[axis], shape.product(axis + 1, shape.rank())};
  const Slot x = steps.input(0), y = steps.output();
  const auto kernel = p.kernels.elementwise.arg_extreme[static_cast<std::size_t>(r.kind)];
  const StridedLoop loop = flat_loop(stage.outer);
  Division division = divide_loop(p, loop, stage.cost(), axis > 0 ? shape[0] : 0);
  if (division.split == Split::free) division.grain = 1;
  add_divided_step(steps, "vector", loop, division,
                   [=](const Run& run, const StridedLoop&, Part part) {
                     for (std::int64_t o = part.begin(); o < part.begin() + part.size(); ++o)
                       kernel(run.ptr<const float>(x) + o * stage.n * stage.inner,
                              run.ptr<std::int64_t>(y) + o * stage.inner, stage.n, stage.inner);
                   });
}

// Offsets in x of the elements that an output folds, and of the outputs' first ones.
struct Offsets {
  std::vector<std::int64_t> kept{0}, folded{0};
  Offsets(const Shape& shape, const std::vector<std::int64_t>& axes) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const bool reduced = std::find(axes.begin(), axes.end(), axis) != axes.end();
      std::vector<std::int64_t>& offsets = reduced ? folded : kept;
      const std::int64_t step = shape.product(axis + 1, shape.rank());
      std::vector<std::int64_t> next;
      for (const std::int64_t offset : offsets)
        for (std::int64_t i = 0; i < shape[axis]; ++i) next.push_back(offset + i * step);
      offsets = std::move(next);
    }
  }
};

// The gradient goes to the first winner. Reduced axes side by side are one axis; others are
// gathered, one output at a time.
void extreme_backward_vector(const Problem& p, StepBuilder& steps) {
  const Reduction r = reduction_of(p);
  const Shape& shape = p.input(0).shape;
  const Slot x = steps.input(0), dy = steps.input(1), dx = steps.output();
  if (shape.numel() == 0) return;
  const auto bytes = static_cast<std::size_t>(p.output().bytes());
  const std::int64_t outputs = p.input(1).shape.numel();
  const auto kernel = p.kernels.elementwise.arg_extreme[static_cast<std::size_t>(r.kind)];
  const std::vector<Stage> stages = stages_of(shape, r.axes);
  if (stages.size() == 1) {
    const Stage stage = stages[0];
    const Slot places = steps.scratch(8 * stage.inner);
    single_step(steps, "vector", [=](const Run& run) {
      std::int64_t* place = run.ptr<std::int64_t>(places);
      const std::int64_t block = stage.n * stage.inner;
      float* to = run.ptr<float>(dx);
      std::memset(to, 0, bytes);
      for (std::int64_t o = 0; o < stage.outer; ++o, to += block) {
        kernel(run.ptr<const float>(x) + o * block, place, stage.n, stage.inner);
        for (std::int64_t j = 0; j < stage.inner; ++j)
          to[place[j] * stage.inner + j] = run.ptr<const float>(dy)[o * stage.inner + j];
      }
    });
    return;
  }
  const Offsets at(shape, r.axes);
  const auto count = static_cast<std::int64_t>(at.folded.size());
  const Slot gathered = steps.scratch(4 * count);
  single_step(steps, "gathered", [=](const Run& run) {
    float *row = run.ptr<float>(gathered), *to = run.ptr<float>(dx);
    std::memset(to, 0, bytes);
    for (std::int64_t o = 0; o < outputs; ++o) {
      const std::int64_t first = at.kept[static_cast<std::size_t>(o)];
      for (std::int64_t i = 0; i < count; ++i)
        row[i] = run.ptr<const float>(x)[first + at.folded[static_cast<std::size_t>(i)]];
      std::int64_t place = 0;
      kernel(row, &place, count, 1);
      to[first + at.folded[static_cast<std::size_t>(place)]] = run.ptr<const float>(dy)[o];
    }
  });
}

const FunctionImplementation kReduceVector("vector", reduce_declines, reduce_vector);
const FunctionImplementation kReduceReference("reference", nullptr, reduce_reference);
const FunctionImplementation kArgmaxVector("vector", arg_declines, argmax_vector);
const FunctionImplementation kExtremeBackwardVector("vector", arg_declines,
                                                    extreme_backward_vector);
const FunctionImplementation kArgmaxReference("reference", nullptr, argmax_reference);
const FunctionImplementation kExtremeBackwardReference("reference", nullptr,
                                                       extreme_backward_reference);
const Implementation* const kReduce[] = {&kReduceVector, &kReduceReference};
const Implementation* const kArgmax[] = {&kArgmaxVector, &kArgmaxReference};
const Implementation* const kExtremeBackward[] = {&kExtremeBackwardVector,
                                                  &kExtremeBackwardReference};

}  // namespace

std::span<const Implementation* const> reduce_implementations() { return kReduce; }
std::span<const Implementation* const> argmax_implementations() { return kArgmax; }
std::span<const Implementation* const> extreme_backward_implementations() {
  return kExtremeBackward;
}

}  // namespace cnnfast
