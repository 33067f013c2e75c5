#include <array>
#include <cstring>

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/rearrange.h"
#include "ops/strided_loop.h"
#include "reference/rearrange.h"
#include "reference/shape_ops.h"

namespace cnnfast {

namespace {

// ---- references --------------------------------------------------------------------------------
void concatenate_reference(const Problem& p, StepBuilder& steps) {
  const Slot y = steps.output();
  const auto axis = static_cast<int>(p.attributes.integer("axis"));
  const Shape& shape = p.output().shape;
  const std::int64_t outer = shape.product(0, axis), total = shape[axis];
  const std::int64_t inner = shape.product(axis + 1, shape.rank());
  std::int64_t first = 0;
  for (int i = 0; i < p.input_count(); ++i) {
    const Slot x = steps.input(i);
    const std::int64_t size = p.input(i).shape[axis];
    for_any(p.output().dtype, [&]<class T>(T) {
      single_step(steps, "reference", [=](const Run& run) {
        reference::put_along_axis(run.ptr<const T>(x), outer, size, inner, run.ptr<T>(y), first,
                                  total);
      });
    });
    first += size;
  }
}

void slice_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape x_shape = p.input(0).shape, y_shape = p.output().shape;
  for_any(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference",
                [=, begin = p.attributes.integers("begin"),
                 step = p.attributes.integers("step")](const Run& run) {
                  reference::slice(run.ptr<const T>(x), x_shape, begin, step, y_shape,
                                   run.ptr<T>(y));
                });
  });
}

void slice_backward_reference(const Problem& p, StepBuilder& steps) {
  const Slot dy = steps.input(0), dx = steps.output();
  const Shape dy_shape = p.input(0).shape, dx_shape = p.output().shape;
  for_any(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference",
                [=, begin = p.attributes.integers("begin"),
                 step = p.attributes.integers("step")](const Run& run) {
                  reference::slice_backward(run.ptr<const T>(dy), dy_shape, begin, step, dx_shape,
                                            run.ptr<T>(dx));
                });
  });
}

void pad_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape x_shape = p.input(0).shape, y_shape = p.output().shape;
  const double value = p.attributes.real("value", 0.0);
  for_any(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=, before = p.attributes.integers("before")](const Run& run) {
      reference::pad(run.ptr<const T>(x), x_shape, before, reference::convert<T>(value), y_shape,
                     run.ptr<T>(y));
    });
  });
}

// ---- the fast ones: bytes are moved, so every dtype goes through them --------------------------
double copy_nanoseconds(std::int64_t bytes) {  // read and written at some 10 GB/s
  return 0.2 * static_cast<double>(bytes);
}

// f(U{}) with U an integer of as many bytes as the dtype has.
template <class F>
void for_size(DType dtype, F f) {
  switch (size_of(dtype)) {
    case 1:
      return f(std::uint8_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

// One thread copies whole blocks (outer, i) or, where there is a single outer one, its share of
// each input.
void concatenate_blocks(const Problem& p, StepBuilder& steps) {
  struct Piece {
    Slot x;
    std::int64_t bytes, first;  // of one block; where it begins in a block of y
  };
  const Slot y = steps.output();
  const auto axis = static_cast<int>(p.attributes.integer("axis"));
  const Shape& shape = p.output().shape;
  const std::int64_t outer = shape.product(0, axis);
  const std::int64_t inner =
      shape.product(axis + 1, shape.rank()) * static_cast<std::int64_t>(size_of(p.output().dtype));
  const std::int64_t block = shape[axis] * inner;
  std::vector<Piece> pieces;
  std::int64_t first = 0;
  for (int i = 0; i < p.input_count(); ++i) {
    const std::int64_t bytes = p.input(i).shape[axis] * inner;
    if (bytes > 0) pieces.push_back({steps.input(i), bytes, first});
    first += bytes;
  }
  const double cost = copy_nanoseconds(p.output().bytes());
  if (outer < 2 * p.threads) {
    const Split split = cost < kSingleStepNanoseconds ? Split::single : Split::free;
    steps.step({"pieces", split}, [=](const Run& run, int thread, int threads) {
      if (split == Split::single && thread != 0) return;
      for (const Piece& piece : pieces) {
        const Range r = split == Split::single ? Range{0, piece.bytes}
                                               : share(piece.bytes, thread, threads, 4096);
        if (r.size() <= 0) continue;
        for (std::int64_t o = 0; o < outer; ++o)
          std::memcpy(run.ptr<std::byte>(y) + o * block + piece.first + r.begin,
                      run.ptr<const std::byte>(piece.x) + o * piece.bytes + r.begin,
                      static_cast<std::size_t>(r.size()));
      }
    });
    return;
  }
  const StridedLoop loop = flat_loop(outer);
  Division division = divide_loop(p, loop, cost, axis > 0 ? rows_apply(shape, p.inputs) : 0);
  if (division.split == Split::free) division.grain = 1;
  add_divided_step(
      steps, "blocks", loop, division, [=](const Run& run, const StridedLoop&, Part part) {
        for (std::int64_t o = part.range.begin; o < part.range.end; ++o) {
          std::byte* to = run.ptr<std::byte>(y) + o * block;
          for (const Piece& piece : pieces)
            std::memcpy(to + piece.first, run.ptr<const std::byte>(piece.x) + o * piece.bytes,
                        static_cast<std::size_t>(piece.bytes));
        }
      });
}

// Where a slice begins in the whole tensor, and how far its neighbours along each axis are apart.
struct Region {
  std::int64_t first = 0;
  Strides strides{};
};
Region region(const Attributes& attributes, const Shape& whole) {
  const std::vector<std::int64_t>& begin = attributes.integers("begin");
  const std::vector<std::int64_t>& step = attributes.integers("step");
  const Strides dense = dense_strides(whole);
  Region r;
  for (int axis = 0; axis < whole.rank(); ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    r.first += dense[a] * reference::slice_place(begin[a], step[a], 0, whole[axis]);
    r.strides[a] = dense[a] * step[a];
  }
  return r;
}

// Operand 0 of the loop is read, operand 1 written.
template <class U>
void copy_strided(const StridedLoop& loop, Part part, const U* from, U* to) {
  walk(loop, part, [&](const auto& at, std::int64_t rows, std::int64_t n) {
    const std::int64_t x_step = step_of(loop, 0), y_step = step_of(loop, 1);
    for (std::int64_t r = 0; r < rows; ++r) {
      const U* x = from + at[0] + r * row_stride(loop, 0);
      U* y = to + at[1] + r * row_stride(loop, 1);
      if (x_step == 1 && y_step == 1)
        std::memcpy(y, x, static_cast<std::size_t>(n) * sizeof(U));
      else
        for (std::int64_t i = 0; i < n; ++i) y[i * y_step] = x[i * x_step];
    }
  });
}

void slice_strided(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape& shape = p.output().shape;
  if (shape.numel() == 0) return single_step(steps, "nothing", [](const Run&) {});
  const Region from = region(p.attributes, p.input(0).shape);
  const Strides strides[] = {from.strides, dense_strides(shape)};
  const StridedLoop loop = strided_loop(shape, strides);
  // Row i of y comes from row i of x.
  const bool rows_kept =
      shape.rank() > 0 && shape[0] == p.input(0).shape[0] && p.attributes.integers("step")[0] == 1;
  const Division division = divide_loop(p, loop, copy_nanoseconds(p.output().bytes()),
                                        rows_kept ? rows_apply(shape, p.inputs) : 0);
  for_size(p.output().dtype, [&]<class U>(U) {
    add_divided_step(steps, "strided", loop, division,
                     [=](const Run& run, const StridedLoop& l, Part part) {
                       copy_strided(l, part, run.ptr<const U>(x) + from.first, run.ptr<U>(y));
                     });
  });
}

// Everything is cleared first: what a step leaves out lies between what it takes.
void slice_backward_strided(const Problem& p, StepBuilder& steps) {
  const Slot dy = steps.input(0), dx = steps.output();
  const Shape &shape = p.input(0).shape, &whole = p.output().shape;
  const std::int64_t bytes = p.output().bytes();
  const bool rows_kept = shape.rank() > 0 && shape[0] == whole[0] && shape[0] > 1 &&
                         p.attributes.integers("step")[0] == 1;
  const StridedLoop clear = flat_loop(bytes);
  add_divided_step(steps, "clear", clear,
                   divide_loop(p, clear, copy_nanoseconds(bytes) / 2, rows_kept ? whole[0] : 0),
                   [=](const Run& run, const StridedLoop&, Part part) {
                     if (part.size() > 0)
                       std::memset(run.ptr<std::byte>(dx) + part.begin(), 0,
                                   static_cast<std::size_t>(part.size()));
                   });
  if (shape.numel() == 0) return;
  const Region to = region(p.attributes, whole);
  const Strides strides[] = {dense_strides(shape), to.strides};
  const StridedLoop loop = strided_loop(shape, strides);
  const Division division =
      divide_loop(p, loop, copy_nanoseconds(p.input(0).bytes()), rows_kept ? shape[0] : 0);
  for_size(p.output().dtype, [&]<class U>(U) {
    add_divided_step(steps, "strided", loop, division,
                     [=](const Run& run, const StridedLoop& l, Part part) {
                       copy_strided(l, part, run.ptr<const U>(dy), run.ptr<U>(dx) + to.first);
                     });
  });
}

// The axes of a padding, those that are not padded merged with the one before.
struct PadLoop {
  int rank = 0;
  std::array<std::int64_t, Shape::kMaxRank> size{}, before{}, padded{};  // x's size, y's size
  std::array<std::int64_t, Shape::kMaxRank> x_stride{}, y_stride{};  // of one step along the axis
};
PadLoop pad_loop(const Problem& p) {
  const std::vector<std::int64_t>& before = p.attributes.integers("before");
  const Shape &x = p.input(0).shape, &y = p.output().shape;
  const Strides x_stride = dense_strides(x), y_stride = dense_strides(y);
  PadLoop loop;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    if (loop.rank > 0 && x[axis] == y[axis]) {
      const auto last = static_cast<std::size_t>(loop.rank - 1);
      loop.size[last] *= x[axis];
      loop.before[last] *= x[axis];
      loop.padded[last] *= x[axis];
      loop.x_stride[last] = x_stride[a];
      loop.y_stride[last] = y_stride[a];
      continue;
    }
    const auto next = static_cast<std::size_t>(loop.rank++);
    loop.size[next] = x[axis];
    loop.before[next] = before[a];
    loop.padded[next] = y[axis];
    loop.x_stride[next] = x_stride[a];
    loop.y_stride[next] = y_stride[a];
  }
  return loop;
}

// [first, last) of axis `axis` of a block of y that lies inside of x on the axes before it.
template <class U>
void pad_part(const PadLoop& loop, int axis, std::int64_t first, std::int64_t last, const U* x,
              U* y, U value) {
  const auto a = static_cast<std::size_t>(axis);
  const std::int64_t inside = loop.before[a], behind = inside + loop.size[a];
  const std::int64_t stride = loop.y_stride[a];
  const std::int64_t from = std::clamp(inside, first, last), to = std::clamp(behind, first, last);
  std::fill(y + first * stride, y + from * stride, value);
  if (axis == loop.rank - 1) {
    if (to > from)
      std::memcpy(y + from, x + (from - inside), static_cast<std::size_t>(to - from) * sizeof(U));
  } else {
    for (std::int64_t i = from; i < to; ++i)
      pad_part(loop, axis + 1, 0, loop.padded[a + 1], x + (i - inside) * loop.x_stride[a],
               y + i * stride, value);
  }
  std::fill(y + to * stride, y + last * stride, value);
}

// Writes every element once: borders are filled, the inside is copied.
void pad_bordered(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape &from = p.input(0).shape, &shape = p.output().shape;
  if (shape.numel() == 0) return single_step(steps, "nothing", [](const Run&) {});
  const double value = p.attributes.real("value", 0.0);
  // The first axis is what threads divide: of few images, it is rows of them.
  PadLoop loop = pad_loop(p);
  const bool empty = from.numel() == 0;
  const bool images = loop.rank > 1 && loop.size[0] == loop.padded[0];
  const std::int64_t outer = images ? loop.padded[0] : 1;
  const int axis = images ? 1 : 0;
  const std::int64_t units = loop.rank == 0 || empty ? 1 : loop.padded[images ? 1 : 0];
  const StridedLoop work = flat_loop(empty || loop.rank == 0 ? 1 : outer * units);
  Division division = divide_loop(p, work, copy_nanoseconds(p.output().bytes()),
                                  images ? rows_apply(shape, p.inputs) : 0);
  if (division.split == Split::free) division.grain = loop.rank - 1 == axis ? 1024 : 1;
  const std::int64_t n = shape.numel();
  for_any(p.output().dtype, [&]<class T>(T) {
    add_divided_step(
        steps, "bordered", work, division,
        [=, number = reference::convert<T>(value)](const Run& run, const StridedLoop&, Part part) {
          const T* source = run.ptr<const T>(x);
          T* target = run.ptr<T>(y);
          if (empty || loop.rank == 0) {
            if (part.size() > 0) std::fill(target, target + n, empty ? number : *source);
            return;
          }
          for (std::int64_t i = part.range.begin; i < part.range.end;) {
            const std::int64_t image = i / units;
            const std::int64_t end = std::min(part.range.end, (image + 1) * units);
            pad_part(loop, axis, i - image * units, end - image * units,
                     source + image * (images ? loop.x_stride[0] : 0),
                     target + image * (images ? loop.y_stride[0] : 0), number);
            i = end;
          }
        });
  });
}

const FunctionImplementation kConcatenateBlocks("blocks", nullptr, concatenate_blocks);
const FunctionImplementation kSliceStrided("strided", nullptr, slice_strided);
const FunctionImplementation kSliceBackwardStrided("strided", nullptr, slice_backward_strided);
const FunctionImplementation kPadBordered("bordered", nullptr, pad_bordered);
const FunctionImplementation kConcatenateReference("reference", nullptr, concatenate_reference);
const FunctionImplementation kSliceReference("reference", nullptr, slice_reference);
const FunctionImplementation kSliceBackwardReference("reference", nullptr,
                                                     slice_backward_reference);
const FunctionImplementation kPadReference("reference", nullptr, pad_reference);
const Implementation* const kConcatenate[] = {&kConcatenateBlocks, &kConcatenateReference};
const Implementation* const kSlice[] = {&kSliceStrided, &kSliceReference};
const Implementation* const kSliceBackward[] = {&kSliceBackwardStrided, &kSliceBackwardReference};
const Implementation* const kPad[] = {&kPadBordered, &kPadReference};

}  // namespace

std::span<const Implementation* const> concatenate_implementations() { return kConcatenate; }
std::span<const Implementation* const> slice_implementations() { return kSlice; }
std::span<const Implementation* const> slice_backward_implementations() { return kSliceBackward; }
std::span<const Implementation* const> pad_implementations() { return kPad; }

}  // namespace cnnfast
