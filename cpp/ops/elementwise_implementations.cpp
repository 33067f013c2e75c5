#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"
#include "ops/strided_loop.h"
#include "reference/elementwise.h"

namespace cnnfast {

namespace {

void binary_reference(const Problem& p, StepBuilder& steps) {
  const Slot a = steps.input(0), b = steps.input(1), y = steps.output();
  const Shape shape = p.output().shape, a_shape = p.input(0).shape, b_shape = p.input(1).shape;
  const BinaryKind kind = binary_kind(p);
  for_any(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      const T *left = run.ptr<const T>(a), *right = run.ptr<const T>(b);
      T* to = run.ptr<T>(y);
      reference::for_each_broadcast<2>(
          shape, {a_shape, b_shape}, [&](std::int64_t i, const std::array<std::int64_t, 2>& at) {
            to[i] = reference::binary<T>(kind, left[at[0]], right[at[1]]);
          });
    });
  });
}

void compare_reference(const Problem& p, StepBuilder& steps) {
  const Slot a = steps.input(0), b = steps.input(1), y = steps.output();
  const Shape shape = p.output().shape, a_shape = p.input(0).shape, b_shape = p.input(1).shape;
  const CompareKind kind = compare_kind(p);
  for_any(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      const T *left = run.ptr<const T>(a), *right = run.ptr<const T>(b);
      bool* to = run.ptr<bool>(y);
      reference::for_each_broadcast<2>(
          shape, {a_shape, b_shape}, [&](std::int64_t i, const std::array<std::int64_t, 2>& at) {
            to[i] = reference::compare<T>(kind, left[at[0]], right[at[1]]);
          });
    });
  });
}

void select_reference(const Problem& p, StepBuilder& steps) {
  const Slot c = steps.input(0), a = steps.input(1), b = steps.input(2), y = steps.output();
  const Shape shape = p.output().shape, c_shape = p.input(0).shape, a_shape = p.input(1).shape,
              b_shape = p.input(2).shape;
  for_any(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      const std::uint8_t* condition = run.ptr<const std::uint8_t>(c);
      const T *yes = run.ptr<const T>(a), *no = run.ptr<const T>(b);
      T* to = run.ptr<T>(y);
      reference::for_each_broadcast<3>(shape, {c_shape, a_shape, b_shape},
                                       [&](std::int64_t i, const std::array<std::int64_t, 3>& at) {
                                         to[i] = condition[at[0]] != 0 ? yes[at[1]] : no[at[2]];
                                       });
    });
  });
}

std::optional<std::string> declines_unless_float32(const Problem& p, int i) {
  if (p.input(i).dtype == DType::f32) return std::nullopt;
  return concat("dtype is ", name_of(p.input(i).dtype), ", this kernel computes in float32");
}
std::optional<std::string> binary_declines(const Problem& p) {
  return declines_unless_float32(p, 0);
}
std::optional<std::string> select_declines(const Problem& p) {
  return declines_unless_float32(p, 1);
}

Grid grid(const float* data, const StridedLoop& loop, int operand,
          const std::array<std::int64_t, StridedLoop::kMaxOperands>& offset) {
  return {data + offset[static_cast<std::size_t>(operand)], row_stride(loop, operand),
          step_of(loop, operand)};
}

Division divide(const Problem& p, const StridedLoop& loop, double nanoseconds_per_16) {
  const Shape& shape = p.output().shape;
  return divide_loop(p, loop, static_cast<double>(shape.numel()) / 16 * nanoseconds_per_16,
                     rows_apply(shape, p.inputs));
}

void binary_vector(const Problem& p, StepBuilder& steps) {
  const Slot a = steps.input(0), b = steps.input(1), y = steps.output();
  const Shape shapes[] = {p.input(0).shape, p.input(1).shape, p.output().shape};
  const StridedLoop loop = broadcast_loop(p.output().shape, shapes);
  const BinaryKind kind = binary_kind(p);
  const auto kernel = p.kernels.elementwise.binary[static_cast<std::size_t>(kind)];
  add_divided_step(steps, "vector", loop, divide(p, loop, kind == BinaryKind::power ? 80 : 6),
                   [=](const Run& run, const StridedLoop& l, Part part) {
                     walk(l, part, [&](const auto& at, std::int64_t rows, std::int64_t n) {
                       kernel(grid(run.ptr<const float>(a), l, 0, at),
                              grid(run.ptr<const float>(b), l, 1, at), run.ptr<float>(y) + at[2],
                              row_stride(l, 2), rows, n);
                     });
                   });
}

void compare_vector(const Problem& p, StepBuilder& steps) {
  const Slot a = steps.input(0), b = steps.input(1), y = steps.output();
  const Shape shapes[] = {p.input(0).shape, p.input(1).shape, p.output().shape};
  const StridedLoop loop = broadcast_loop(p.output().shape, shapes);
  const auto kernel = p.kernels.elementwise.compare[static_cast<std::size_t>(compare_kind(p))];
  add_divided_step(steps, "vector", loop, divide(p, loop, 5),
                   [=](const Run& run, const StridedLoop& l, Part part) {
                     walk(l, part, [&](const auto& at, std::int64_t rows, std::int64_t n) {
                       kernel(grid(run.ptr<const float>(a), l, 0, at),
                              grid(run.ptr<const float>(b), l, 1, at),
                              run.ptr<std::uint8_t>(y) + at[2], row_stride(l, 2), rows, n);
                     });
                   });
}

void select_vector(const Problem& p, StepBuilder& steps) {
  const Slot c = steps.input(0), a = steps.input(1), b = steps.input(2), y = steps.output();
  const Shape shapes[] = {p.input(0).shape, p.input(1).shape, p.input(2).shape, p.output().shape};
  const StridedLoop loop = broadcast_loop(p.output().shape, shapes);
  const auto kernel = p.kernels.elementwise.select;
  add_divided_step(
      steps, "vector", loop, divide(p, loop, 6),
      [=](const Run& run, const StridedLoop& l, Part part) {
        walk(l, part, [&](const auto& at, std::int64_t rows, std::int64_t n) {
          kernel({run.ptr<const std::uint8_t>(c) + at[0], row_stride(l, 0), step_of(l, 0)},
                 grid(run.ptr<const float>(a), l, 1, at), grid(run.ptr<const float>(b), l, 2, at),
                 run.ptr<float>(y) + at[3], row_stride(l, 3), rows, n);
        });
      });
}

const FunctionImplementation kBinaryVector("vector", binary_declines, binary_vector);
const FunctionImplementation kCompareVector("vector", binary_declines, compare_vector);
const FunctionImplementation kSelectVector("vector", select_declines, select_vector);
const FunctionImplementation kBinaryReference("reference", nullptr, binary_reference);
const FunctionImplementation kCompareReference("reference", nullptr, compare_reference);
const FunctionImplementation kSelectReference("reference", nullptr, select_reference);
const Implementation* const kBinary[] = {&kBinaryVector, &kBinaryReference};
const Implementation* const kCompare[] = {&kCompareVector, &kCompareReference};
const Implementation* const kSelect[] = {&kSelectVector, &kSelectReference};

}  // namespace

std::span<const Implementation* const> binary_implementations() { return kBinary; }
std::span<const Implementation* const> compare_implementations() { return kCompare; }
std::span<const Implementation* const> select_implementations() { return kSelect; }

}  // namespace cnnfast
