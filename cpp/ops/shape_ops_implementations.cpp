#include <cstring>
#include <functional>

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/shape_ops.h"
#include "ops/strided_loop.h"
#include "reference/elementwise.h"
#include "reference/shape_ops.h"

namespace cnnfast {

namespace {

void view_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const auto bytes = static_cast<std::size_t>(p.output().bytes());
  single_step(steps, "copy", [=](const Run& run) {
    if (bytes != 0) std::memmove(run.ptr<char>(y), run.ptr<const char>(x), bytes);
  });
}

void transpose_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape shape = p.input(0).shape;
  for_any(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference",
                [=, permutation = p.attributes.integers("permutation")](const Run& run) {
                  reference::transpose(run.ptr<const T>(x), shape, permutation, run.ptr<T>(y));
                });
  });
}

void broadcast_to_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape shape = p.output().shape, x_shape = p.input(0).shape;
  for_any(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      const T* from = run.ptr<const T>(x);
      T* to = run.ptr<T>(y);
      reference::for_each_broadcast<1>(
          shape, {x_shape},
          [&](std::int64_t i, const std::array<std::int64_t, 1>& at) { to[i] = from[at[0]]; });
    });
  });
}

void cast_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const std::int64_t n = p.output().shape.numel();
  for_any(p.input(0).dtype, [&]<class From>(From) {
    for_any(p.output().dtype, [&]<class To>(To) {
      single_step(steps, "reference", [=](const Run& run) {
        const From* from = run.ptr<const From>(x);
        To* to = run.ptr<To>(y);
        for (std::int64_t i = 0; i < n; ++i) to[i] = reference::convert<To>(from[i]);
      });
    });
  });
}

void gather_reference(const Problem& p, StepBuilder& steps) {
  const Slot data = steps.input(0), indices = steps.input(1), y = steps.output();
  const Shape& shape = p.input(0).shape;
  const std::int64_t rows = shape[0], width = shape.product(1, shape.rank());
  const std::int64_t count = p.output().shape[0];
  for_any(p.input(0).dtype, [&]<class From>(From) {
    for_any(p.output().dtype, [&]<class To>(To) {
      single_step(steps, "reference", [=](const Run& run) {
        reference::gather(run.ptr<const From>(data), rows, width,
                          run.ptr<const std::int64_t>(indices), count, run.ptr<To>(y));
      });
    });
  });
}

void fill_reference(const Problem& p, StepBuilder& steps) {
  const Slot y = steps.output();
  const std::int64_t n = p.output().shape.numel();
  const double value = p.attributes.real("value", 0.0);
  for_any(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=, number = reference::convert<T>(value)](const Run& run) {
      T* to = run.ptr<T>(y);
      for (std::int64_t i = 0; i < n; ++i) to[i] = number;
    });
  });
}

// ---- the fast ones -----------------------------------------------------------------------------
bool four_bytes(DType dtype) { return size_of(dtype) == 4; }

double copy_nanoseconds(const Problem& p) {  // read and written at some 10 GB/s
  return 0.2 * static_cast<double>(p.output().bytes());
}

std::optional<std::string> declines_unless_four_bytes(const Problem& p) {
  if (four_bytes(p.input(0).dtype)) return std::nullopt;
  return concat("dtype is ", name_of(p.input(0).dtype), ", this kernel moves 4-byte elements");
}

void transpose_blocked(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  StridedLoop loop = transpose_loop(p.input(0).shape, p.attributes.integers("permutation"));
  // Where x is dense along y's last axis too, rows are copied. Otherwise the axis along which x is
  // dense goes beside the last: those two are the kernel's.
  const auto last = static_cast<std::size_t>(loop.rank - 1);
  const bool copies = loop.stride[0][last] == 1;
  bool moved_first = false;
  for (std::size_t i = 0; !copies && i + 1 < last; ++i) {
    if (loop.stride[0][i] != 1) continue;
    moved_first = i == 0;
    for (std::size_t k = i; k + 1 < last; ++k) {
      std::swap(loop.size[k], loop.size[k + 1]);
      std::swap(loop.stride[0][k], loop.stride[0][k + 1]);
      std::swap(loop.stride[1][k], loop.stride[1][k + 1]);
    }
    break;
  }
  const std::vector<std::int64_t>& permutation = p.attributes.integers("permutation");
  const bool rows_kept = !permutation.empty() && permutation[0] == 0 && !moved_first;
  const std::int64_t rows = rows_kept ? rows_apply(p.output().shape, p.inputs) : 0;
  const Division division = divide_loop(p, loop, 2 * copy_nanoseconds(p), rows);
  const auto transpose = p.kernels.elementwise.transpose;
  const auto copy = p.kernels.elementwise.copy;
  add_divided_step(
      steps, copies ? "rows" : "blocked", loop, division,
      [=](const Run& run, const StridedLoop& l, Part part) {
        const float* from = run.ptr<const float>(x);
        float* to = run.ptr<float>(y);
        walk(l, part, [&](const auto& at, std::int64_t height, std::int64_t n) {
          if (copies)
            copy({from + at[0], row_stride(l, 0), 1}, to + at[1], row_stride(l, 1), height, n);
          else  // x's rows are y's columns
            transpose(from + at[0], step_of(l, 0), to + at[1], row_stride(l, 1), n, height);
        });
      });
}

void broadcast_to_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const Shape shapes[] = {p.input(0).shape, p.output().shape};
  const StridedLoop loop = broadcast_loop(p.output().shape, shapes);
  const auto copy = p.kernels.elementwise.copy;
  add_divided_step(
      steps, "vector", loop,
      divide_loop(p, loop, copy_nanoseconds(p), rows_apply(p.output().shape, p.inputs)),
      [=](const Run& run, const StridedLoop& l, Part part) {
        walk(l, part, [&](const auto& at, std::int64_t rows, std::int64_t n) {
          copy({run.ptr<const float>(x) + at[0], row_stride(l, 0), step_of(l, 0)},
               run.ptr<float>(y) + at[1], row_stride(l, 1), rows, n);
        });
      });
}

// The kernel between two dtypes, one of them float32; null: there is none.
using Converter = std::function<void(const void*, void*, std::int64_t)>;
Converter conversion(const Problem& p, DType from, DType to) {
  const ElementwiseKernels& kernels = p.kernels.elementwise;
  if (to == DType::f32 && (from == DType::u8 || from == DType::boolean))
    return [f = kernels.uint8_to_float](const void* x, void* y, std::int64_t n) {
      f(static_cast<const std::uint8_t*>(x), static_cast<float*>(y), n);
    };
  const ConversionKernels& c = kernels.convert;
  if (to == DType::f32) {
    if (from == DType::i32) return c.int32_to_float;
    if (from == DType::i64) return c.int64_to_float;
    if (from == DType::f64) return c.double_to_float;
  }
  if (from == DType::f32) {
    if (to == DType::i32) return c.float_to_int32;
    if (to == DType::i64) return c.float_to_int64;
    if (to == DType::u8) return c.float_to_uint8;
    if (to == DType::boolean) return c.float_to_bool;
    if (to == DType::f64) return c.float_to_double;
  }
  return nullptr;
}

std::optional<std::string> conversion_declines(const Problem& p) {
  const DType from = p.input(0).dtype, to = p.output().dtype;
  if (from == to || conversion(p, from, to)) return std::nullopt;
  return concat("converts ", name_of(from), " to ", name_of(to),
                ", this kernel from and to float32");
}

void cast_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), y = steps.output();
  const StridedLoop loop = flat_loop(p.output().shape.numel());
  const DType from = p.input(0).dtype, to = p.output().dtype;
  const std::size_t x_size = size_of(from), y_size = size_of(to);
  const Converter convert = conversion(p, from, to);
  add_divided_step(
      steps, "convert", loop,
      divide_loop(p, loop, copy_nanoseconds(p), rows_apply(p.output().shape, p.inputs)),
      [=](const Run& run, const StridedLoop&, Part part) {
        const auto first = static_cast<std::size_t>(part.begin());
        const std::byte* source = run.ptr<const std::byte>(x) + first * x_size;
        std::byte* target = run.ptr<std::byte>(y) + first * y_size;
        if (convert)
          convert(source, target, part.size());
        else if (part.size() > 0)
          std::memcpy(target, source, static_cast<std::size_t>(part.size()) * x_size);
      });
}

void gather_rows(const Problem& p, StepBuilder& steps) {
  const Slot data = steps.input(0), indices = steps.input(1), y = steps.output();
  const Shape& shape = p.input(0).shape;
  const std::int64_t rows = shape[0], width = shape.product(1, shape.rank());
  const std::int64_t count = p.output().shape[0];
  const DType from = p.input(0).dtype, to = p.output().dtype;
  const auto x_bytes = static_cast<std::size_t>(width) * size_of(from);
  const auto y_bytes = static_cast<std::size_t>(width) * size_of(to);
  const int missing = is_floating(to) ? 0xff : 0;  // all bits set is a NaN
  const Converter convert = conversion(p, from, to);
  StridedLoop loop = flat_loop(count);
  // The rows of y and of the indices; data is nobody's, unless it has as many rows.
  Division division = divide_loop(p, loop, 2 * copy_nanoseconds(p),
                                  rows == count ? 0
                                  : count > 1   ? count
                                                : 0);
  division.grain = 1;
  add_divided_step(steps, from == to ? "copy" : "convert", loop, division,
                   [=](const Run& run, const StridedLoop&, Part part) {
                     const std::int64_t* chosen = run.ptr<const std::int64_t>(indices);
                     const std::byte* source = run.ptr<const std::byte>(data);
                     std::byte* target = run.ptr<std::byte>(y);
                     for (std::int64_t i = part.range.begin; i < part.range.end; ++i) {
                       std::byte* row = target + static_cast<std::size_t>(i) * y_bytes;
                       const std::int64_t index = chosen[i];
                       if (index < 0 || index >= rows) {
                         std::memset(row, missing, y_bytes);
                         continue;
                       }
                       const std::byte* x = source + static_cast<std::size_t>(index) * x_bytes;
                       if (from == to)
                         std::memcpy(row, x, y_bytes);
                       else
                         convert(x, row, width);
                     }
                   });
}

std::optional<std::string> fill_declines(const Problem& p) {
  if (p.output().dtype == DType::f32) return std::nullopt;
  return concat("dtype is ", name_of(p.output().dtype), ", this kernel writes float32");
}

void fill_vector(const Problem& p, StepBuilder& steps) {
  const Slot y = steps.output();
  const StridedLoop loop = flat_loop(p.output().shape.numel());
  const auto value = static_cast<float>(p.attributes.real("value", 0.0));
  const auto copy = p.kernels.elementwise.copy;
  add_divided_step(
      steps, "vector", loop,
      divide_loop(p, loop, copy_nanoseconds(p), rows_apply(p.output().shape, p.inputs)),
      [=](const Run& run, const StridedLoop&, Part part) {
        copy({&value, 0, 0}, run.ptr<float>(y) + part.begin(), part.size(), 1, part.size());
      });
}

const FunctionImplementation kTransposeBlocked("blocked", declines_unless_four_bytes,
                                               transpose_blocked);
const FunctionImplementation kBroadcastToVector("vector", declines_unless_four_bytes,
                                                broadcast_to_vector);
const FunctionImplementation kCastVector("vector", conversion_declines, cast_vector);
const FunctionImplementation kGatherRows("rows", conversion_declines, gather_rows);
const FunctionImplementation kViewReference("reference", nullptr, view_reference);
const FunctionImplementation kTransposeReference("reference", nullptr, transpose_reference);
const FunctionImplementation kBroadcastToReference("reference", nullptr, broadcast_to_reference);
const FunctionImplementation kCastReference("reference", nullptr, cast_reference);
const FunctionImplementation kGatherReference("reference", nullptr, gather_reference);
const FunctionImplementation kFillVector("vector", fill_declines, fill_vector);
const FunctionImplementation kFillReference("reference", nullptr, fill_reference);
const Implementation* const kView[] = {&kViewReference};
const Implementation* const kTranspose[] = {&kTransposeBlocked, &kTransposeReference};
const Implementation* const kBroadcastTo[] = {&kBroadcastToVector, &kBroadcastToReference};
const Implementation* const kCast[] = {&kCastVector, &kCastReference};
const Implementation* const kGather[] = {&kGatherRows, &kGatherReference};
const Implementation* const kFill[] = {&kFillVector, &kFillReference};

}  // namespace

std::span<const Implementation* const> view_implementations() { return kView; }
std::span<const Implementation* const> transpose_implementations() { return kTranspose; }
std::span<const Implementation* const> broadcast_to_implementations() { return kBroadcastTo; }
std::span<const Implementation* const> cast_implementations() { return kCast; }
std::span<const Implementation* const> gather_implementations() { return kGather; }
std::span<const Implementation* const> fill_implementations() { return kFill; }

}  // namespace cnnfast
