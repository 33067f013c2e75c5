// Ops that move, choose, interpolate and sample: every implementation against the reference, at
// every instruction set, with guard bands around every buffer.
#include "tests/op_runner.h"

namespace cnnfast::testing {
namespace {

using Sizes = std::vector<std::int64_t>;

void matches_reference(const std::string& op, const Attributes& attributes,
                       const std::vector<Operand>& operands, double tolerance) {
  const Outcome right = run_op(op, attributes, operands, Isa::baseline, 1, "reference");
  ASSERT_EQ(right.implementation, "reference") << op;
  for (const Isa isa : supported_isas())
    for (const int threads : {1, 2, 3}) {
      const Outcome got = run_op(op, attributes, operands, isa, threads);
      const std::string what =
          concat(op, " ", attributes.str(), ", ", name_of(isa), ", ", threads, " threads");
      EXPECT_NE(got.implementation, "reference") << what;
      for (std::size_t i = 0; i < right.outputs.size(); ++i)
        expect_close(got.outputs[i].values<float>(), doubles(right.outputs[i].values<float>()), 1.0,
                     what, tolerance);
    }
}

TEST(Rearrange, Concatenate) {
  for (const std::int64_t axis : {0, 1, 2, 3}) {
    Shape a{3, 17, 20, 5}, b{3, 17, 20, 5};
    b[static_cast<int>(axis)] = 9;
    matches_reference("concatenate", {{"axis", axis}},
                      {random_operand(a, 1), random_operand(b, 2), random_operand(a, 3)}, 0);
  }
  matches_reference("concatenate", {{"axis", std::int64_t{1}}},
                    {random_operand({1, 40000}, 1), random_operand({1, 7}, 2)}, 0);
}

TEST(Rearrange, SliceAndItsAdjoint) {
  const Shape x{4, 30, 31, 9};
  const std::vector<std::pair<Sizes, Sizes>> cases = {{{0, 1, 2, 0}, {1, 1, 1, 1}},
                                                      {{1, 0, 0, 0}, {1, -1, 2, -1}},
                                                      {{0, 5, 3, 8}, {1, 3, -4, -8}},
                                                      {{4, 0, 0, 0}, {1, 1, 1, 1}}};
  for (const auto& [begin, step] : cases) {
    const Attributes slice{{"begin", begin}, {"size", Sizes{-1, -1, -1, -1}}, {"step", step}};
    matches_reference("slice", slice, {random_operand(x, 1)}, 0);
    const std::vector<TensorType> types = {TensorType{x, DType::f32, MemorySpace::host}};
    const Shape part = find_op("slice").infer({slice, types})[0].shape;
    matches_reference("slice_backward", {{"shape", x.vector()}, {"begin", begin}, {"step", step}},
                      {random_operand(part, 2)}, 0);
  }
}

TEST(Rearrange, Pad) {
  const std::vector<std::pair<Sizes, Sizes>> cases = {{{0, 1, 2, 0}, {0, 3, 0, 0}},
                                                      {{1, 0, 0, 0}, {1, 0, 0, 0}},
                                                      {{0, 0, 0, 3}, {0, 0, 0, 2}},
                                                      {{0, 0, 0, 0}, {0, 0, 0, 0}},
                                                      {{2, 1, 0, 1}, {0, 0, 4, 0}}};
  for (const auto& [before, after] : cases)
    for (const Shape& x : {Shape{4, 30, 31, 9}, Shape{1, 3, 1, 2}, Shape{2, 0, 3, 1}})
      matches_reference("pad", {{"before", before}, {"after", after}, {"value", 1.5}},
                        {random_operand(x, 1)}, 0);
}

TEST(Rearrange, TakeAndInterpolate) {
  for (const std::int64_t axis : {0, 1, 2, 3})
    for (const Shape& x : {Shape{3, 20, 21, 7}, Shape{2, 33, 9, 1}, Shape{1, 5, 4, 40}}) {
      const std::int64_t size = x[static_cast<int>(axis)];
      Sizes indices;
      for (std::int64_t i = 0; i < 3 * size; ++i) indices.push_back(i * 7 % size);
      for (std::int64_t i = 0; i < size; ++i) indices.push_back(i);
      Shape y = x;
      y[static_cast<int>(axis)] = static_cast<std::int64_t>(indices.size());
      matches_reference("take", {{"axis", axis}, {"indices", indices}}, {random_operand(x, 1)}, 0);
      matches_reference("take_backward", {{"axis", axis}, {"indices", indices}, {"size", size}},
                        {random_operand(y, 2)}, 2e-6);
      for (const std::int64_t length : {std::int64_t{1}, size, 2 * size, size / 2 + 1, 3 * size}) {
        const Attributes attributes{{"axis", axis}, {"size", length}};
        matches_reference("interpolate", attributes, {random_operand(x, 1)}, 2e-6);
        matches_reference("interpolate_backward", attributes, {random_operand(x, 1)}, 2e-6);
      }
    }
}

TEST(Rearrange, AffineTransform) {
  // No place is near the middle between two pixels, where the nearest is a matter of rounding.
  const std::vector<float> m = {0.9137f, 0.3071f, -1.2203f, -0.4119f, 1.1049f, 2.3157f,
                                1,       0,       0,        0,        1,       0};
  for (const char* fill : {"constant", "nearest", "reflect", "wrap"})
    for (const char* interpolation : {"bilinear", "nearest"})
      for (const std::int64_t channels : {1, 3, 8, 21}) {
        const Attributes attributes{{"height", std::int64_t{33}},
                                    {"width", std::int64_t{29}},
                                    {"fill_mode", fill},
                                    {"interpolation", interpolation},
                                    {"fill_value", 0.5}};
        const Operand matrices = operand(Shape{2, 6}, m);
        const Operand x = random_operand({2, 30, 31, channels}, 1);
        matches_reference("affine_transform", attributes, {x, matrices}, 2e-5);
        matches_reference("affine_transform_backward", attributes, {x, matrices}, 2e-5);
      }
}

TEST(Rearrange, Prelu) {
  const Shape x{6, 20, 21, 19};
  for (const Shape& slope : {Shape{19}, Shape{20, 1, 1}, Shape{1, 1, 1}, Shape{20, 21, 19}}) {
    matches_reference("prelu", {}, {random_operand(x, 1), random_operand(slope, 2)}, 1e-7);
    matches_reference("prelu_backward", {},
                      {random_operand(x, 1), random_operand(slope, 2), random_operand(x, 3)}, 1e-7);
  }
}

}  // namespace
}  // namespace cnnfast::testing
