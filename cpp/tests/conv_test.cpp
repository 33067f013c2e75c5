// Every implementation of the three convolution passes against the definition in float64, at every
// ISA this machine runs, with one, two and three threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cnnfast/error.h"
#include "cnnfast/plan.h"
#include "reference/conv2d.h"
#include "reference/epilogue.h"
#include "tests/conv_case.h"
#include "tests/op_runner.h"

namespace cnnfast::testing {
namespace {

const std::vector<ConvCase>& cases() {
  static const std::vector<ConvCase> list = {
      // n h w c k kh kw sh sw padding pads dh dw groups activation bias
      {1, 1, 1, 1, 1, 1, 1},
      {2, 5, 7, 3, 5, 3, 3},
      {3, 8, 8, 1, 6, 5, 5, 1, 1, "same", {}, 1, 1, 1, "tanh"},
      {2, 28, 28, 1, 32, 3, 3, 1, 1, "valid", {}, 1, 1, 1, "relu"},
      {4, 13, 13, 32, 64, 3, 3, 1, 1, "valid", {}, 1, 1, 1, "relu"},
      {1, 13, 13, 32, 64, 3, 3, 1, 1, "valid", {}, 1, 1, 1, "relu"},
      {2, 14, 14, 6, 16, 5, 5, 1, 1, "valid", {}, 1, 1, 1, "sigmoid"},
      {1, 14, 14, 24, 40, 3, 3, 1, 1, "same"},
      {5, 7, 7, 33, 17, 3, 3, 1, 1, "same", {}, 1, 1, 1, "leaky_relu"},
      {2, 27, 29, 19, 50, 5, 5, 1, 1, "same"},
      {2, 23, 17, 3, 20, 7, 7, 2, 2, "same"},
      {1, 35, 35, 3, 24, 11, 11, 4, 4, "valid"},
      {3, 9, 9, 16, 48, 1, 1},
      {2, 9, 10, 16, 33, 1, 1, 2, 2},
      {7, 6, 5, 8, 8, 1, 1, 1, 1, "explicit", {1, 0, 2, 1}},
      {2, 6, 6, 4, 4, 2, 2, 3, 3},                            // stride beyond the window
      {2, 3, 3, 5, 7, 3, 3, 1, 1, "explicit", {4, 3, 5, 4}},  // pads beyond the window
      {1, 1, 1, 16, 16, 3, 3, 1, 1, "same"},                  // 1x1 map
      {20, 2, 2, 10, 20, 3, 3, 1, 1, "same"},
      {3, 3, 3, 20, 36, 3, 3, 1, 1, "same"},
      {2, 4, 4, 18, 32, 3, 3, 1, 1, "same"},
      {2, 5, 5, 18, 32, 3, 3, 1, 1, "same"},
      {2, 6, 6, 18, 32, 3, 3, 1, 1, "same"},
      {2, 12, 11, 4, 9, 3, 3, 1, 1, "valid", {}, 2, 3},
      {2, 12, 11, 4, 9, 3, 2, 2, 1, "same", {}, 2, 3},
      {1, 17, 13, 6, 12, 3, 3, 3, 2, "explicit", {2, 1, 0, 3}, 2, 4},
      {1, 12, 12, 4, 6, 3, 3, 2, 4, "explicit", {1, 2, 3, 4}, 2, 2},
      {2, 10, 9, 12, 18, 3, 3, 1, 1, "same", {}, 1, 1, 3, "relu"},
      {2, 10, 9, 12, 60, 3, 3, 2, 2, "same", {}, 1, 1, 2},
      {2, 9, 9, 20, 20, 3, 3, 1, 1, "same", {}, 1, 1, 20, "relu"},  // depthwise
      {2, 9, 9, 7, 21, 3, 3, 2, 2, "same", {}, 1, 1, 7},            // depthwise, multiplier 3
      {1, 9, 9, 40, 40, 5, 3, 1, 1, "valid", {}, 2, 1, 40, "tanh"},
      {0, 8, 8, 3, 4, 3, 3, 1, 1, "same"},  // empty batch
      {9, 4, 4, 3, 2, 3, 3, 1, 1, "same", {}, 1, 1, 1, "linear", false},
      {1, 20, 30, 64, 64, 3, 3, 1, 1, "same", {}, 1, 1, 1, "relu"},
      {2, 16, 16, 64, 96, 3, 3, 1, 1, "same", {}, 1, 1, 1, "linear", false},
      {1, 7, 7, 128, 160, 3, 3, 1, 1, "same"},
      {1, 64, 40, 8, 16, 3, 3, 1, 1, "same"},
      {2, 30, 31, 32, 32, 5, 5, 1, 1, "same", {}, 1, 1, 1, "relu"},
      {3, 5, 9, 256, 40, 1, 1, 1, 1, "valid", {}, 1, 1, 1, "relu"},
      {2, 6, 5, 256, 20, 3, 3, 1, 1, "same"},
      {3, 1, 40, 16, 16, 1, 5, 1, 2, "same"},
      // Dilated grids of unequal sizes, one axis alone, pads that are no multiple of the dilation.
      {2, 13, 10, 17, 40, 3, 3, 1, 1, "same", {}, 4, 3, 1, "relu"},
      {1, 19, 11, 33, 20, 5, 5, 1, 1, "same", {}, 3, 2},
      {2, 11, 12, 24, 33, 3, 3, 1, 1, "explicit", {1, 4, 0, 3}, 2, 1, 1, "tanh"},
      {1, 9, 9, 16, 18, 3, 3, 1, 1, "explicit", {5, 5, 5, 5}, 6, 9},
      // Channels in panels: strided, dilated, in groups, one tap, a block in part.
      {2, 9, 8, 40, 50, 3, 3, 2, 2, "same"},
      {1, 11, 10, 26, 70, 3, 2, 1, 1, "same", {}, 2, 1},
      {2, 8, 7, 72, 40, 3, 3, 1, 1, "same", {}, 1, 1, 2, "relu"},
      {2, 9, 10, 40, 37, 1, 1, 2, 3, "explicit", {1, 1, 1, 0}},
      {3, 9, 9, 130, 97, 1, 1, 3, 1, "valid", {}, 1, 1, 1, "linear", false},
      // Phases that read the same places: several blocks of each, in groups, some places left over.
      {3, 12, 14, 40, 19, 2, 2, 2, 2},
      {1, 13, 11, 33, 24, 2, 3, 3, 3, "explicit", {0, 1, 0, 0}, 1, 1, 1, "relu"},
      {2, 9, 15, 34, 12, 2, 2, 3, 5, "valid", {}, 2, 3, 2},
      // Phases that share padded rows: several blocks of rows, sizes that differ between phases.
      {1, 30, 60, 16, 256, 4, 4, 2, 2, "same", {}, 1, 1, 1, "relu"},
      {3, 17, 15, 12, 20, 5, 3, 2, 3, "same", {}, 1, 2},
      {2, 14, 13, 18, 22, 4, 5, 3, 2, "explicit", {5, 2, 0, 6}, 1, 1, 2},
      // Transformed weights and sums too large to keep: made where they are used.
      {1, 6, 5, 416, 272, 3, 3, 1, 1, "same", {}, 1, 1, 1, "relu"},
      // Depthwise tiles of every width.
      {1, 12, 23, 24, 24, 3, 3, 1, 1, "same", {}, 1, 1, 24, "leaky_relu"},
      {2, 11, 21, 43, 43, 5, 5, 2, 2, "same", {}, 1, 1, 43},
      {1, 9, 26, 16, 16, 5, 5, 1, 1, "valid", {}, 1, 1, 16, "relu"},
      {1, 8, 19, 9, 9, 2, 2, 1, 1, "same", {}, 1, 1, 9},
      {1, 16, 15, 40, 40, 3, 3, 2, 2, "explicit", {1, 0, 1, 1}, 1, 1, 40},
      // Strided ones of whole vectors, whose gradient is read in place.
      {2, 11, 9, 48, 48, 3, 3, 2, 2, "same", {}, 1, 1, 48, "relu"},
      {3, 13, 12, 16, 16, 4, 5, 3, 1, "explicit", {5, 0, 2, 6}, 1, 2, 16},
      {1, 9, 17, 80, 80, 2, 7, 1, 2, "same", {}, 2, 1, 80, "linear", false},
      // 3x3 ones of whole vectors, whose gradient meets each pixel once.
      {2, 9, 11, 32, 32, 3, 3, 1, 1, "same", {}, 1, 1, 32, "relu"},
      {1, 7, 5, 16, 16, 3, 3, 1, 1, "explicit", {4, 0, 5, 1}, 1, 1, 16},
      {3, 3, 4, 48, 48, 3, 3, 1, 1, "valid", {}, 1, 1, 48, "linear", false},
      // Few channels out of several: bands of rows, rows apart.
      {1, 9, 300, 3, 7, 3, 4, 1, 1, "same", {}, 1, 1, 1, "relu"},
      {2, 13, 37, 2, 3, 3, 5, 2, 1, "explicit", {1, 2, 3, 0}, 2, 2},
      {2, 40, 20, 5, 24, 5, 5, 1, 1, "explicit", {1, 3, 2, 0}, 2, 1},
  };
  return list;
}

// Expected outputs in float64, and for each the sum of the magnitudes of its terms: what a rounding
// error is relative to.
struct Expected {
  std::vector<std::vector<double>> values, magnitudes;
};

Expected expect(const ConvCase& c, ConvPassKind kind, const std::vector<std::vector<float>>& in) {
  const Conv2dShape s = c.shape();
  const auto run = [&](auto change) {
    std::vector<std::vector<double>> operands;
    for (const auto& each : in) {
      operands.emplace_back(each.begin(), each.end());
      for (double& v : operands.back()) v = change(v);
    }
    const double* third = operands.size() == 3 ? operands[2].data() : nullptr;
    std::vector<std::vector<double>> out(1);
    if (kind == ConvPassKind::forward) {
      out[0].resize(static_cast<std::size_t>(s.y().numel()));
      reference::conv2d(s, operands[0].data(), operands[1].data(), third, out[0].data());
    } else if (kind == ConvPassKind::backward_input) {
      out[0].resize(static_cast<std::size_t>(s.x().numel()));
      reference::conv2d_backward_input(s, operands[0].data(), operands[1].data(), out[0].data());
    } else {
      out[0].resize(static_cast<std::size_t>(s.w().numel()));
      if (c.bias) out.emplace_back(static_cast<std::size_t>(s.k));
      reference::conv2d_backward_kernel(s, operands[0].data(), operands[1].data(), out[0].data(),
                                        c.bias ? out[1].data() : nullptr);
    }
    return out;
  };
  Expected e{run([](double v) { return v; }), run([](double v) { return std::fabs(v); })};
  if (kind == ConvPassKind::forward) {
    const Epilogue epilogue = epilogue_attributes("conv2d", {{"activation", c.activation}});
    for (double& v : e.values[0])
      v = reference::apply_activation(epilogue.activation, static_cast<double>(epilogue.alpha), v);
  }
  return e;
}

// Where the first value lies outside its tolerance; empty when none does.
std::string first_difference(const std::vector<float>& got, const std::vector<double>& expected,
                             const std::vector<double>& magnitude, double tolerance) {
  for (std::size_t i = 0; i < got.size(); ++i)
    if (!(std::fabs(got[i] - expected[i]) <= tolerance * magnitude[i] + 1e-37))
      return concat("element ", i, ": got ", got[i], ", expected ", expected[i]);
  return {};
}

void run_everywhere(const ConvCase& c, ConvPassKind kind) {
  const ConvNode node(c, kind);
  std::vector<std::vector<float>> values;
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    values.push_back(
        random_values<float>(node.inputs[i].shape.numel(), 7 + static_cast<unsigned>(i)));
  const Expected expected = expect(c, kind, values);
  for (const Isa isa : supported_isas())
    for (const int threads : {1, 2, 3})
      for (const Implementation* implementation : node.node.op->implementations()) {
        const Problem problem = node.problem(isa, threads);
        if (implementation->declines(problem)) continue;
        const std::string what =
            concat(kPassNames[static_cast<int>(kind)], " ", implementation->name(), " ",
                   name_of(isa), " ", threads, " threads: ", c.str());
        std::vector<std::unique_ptr<GuardedBuffer>> in, out;
        std::vector<std::byte*> in_data, out_data;
        for (const auto& each : values) {
          in.push_back(std::make_unique<GuardedBuffer>(each.size() * sizeof(float)));
          std::copy(each.begin(), each.end(), in.back()->as<float>());
          in_data.push_back(in.back()->data());
        }
        for (const TensorType& type : node.outputs) {
          out.push_back(std::make_unique<GuardedBuffer>(static_cast<std::size_t>(type.bytes())));
          out_data.push_back(out.back()->data());
        }
        StepRunner runner(threads, in_data, out_data);
        implementation->build(problem, runner);
        runner.run();
        // A Winograd tile mixes its outputs: an error is relative to the largest of them.
        const bool mixes = implementation->name() == "winograd";
        for (std::size_t i = 0; i < out.size(); ++i) {
          const float* data = out[i]->as<float>();
          const std::vector<float> got(data, data + expected.values[i].size());
          std::vector<double> magnitudes = expected.magnitudes[i];
          if (mixes && !magnitudes.empty())
            std::fill(magnitudes.begin(), magnitudes.end(),
                      *std::max_element(magnitudes.begin(), magnitudes.end()));
          const std::string difference =
              first_difference(got, expected.values[i], magnitudes, 2e-6);
          ASSERT_EQ(difference, "") << what << ", output " << i;
          ASSERT_TRUE(out[i]->intact()) << what << ", output " << i;
        }
        for (const auto& each : in) ASSERT_TRUE(each->intact()) << what;
        ASSERT_TRUE(runner.intact()) << what << ", scratch";
      }
}

class Conv2dGrid : public ::testing::TestWithParam<int> {};
TEST_P(Conv2dGrid, AgreesWithItsDefinition) {
  for (const ConvCase& c : cases()) run_everywhere(c, static_cast<ConvPassKind>(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Passes, Conv2dGrid, ::testing::Values(0, 1, 2),
                         [](const auto& info) { return std::string(kPassNames[info.param]); });

TEST(Conv2dTest, ResultsLargerThanTheCachesAgree) {  // they are stored past them
  for (const ConvCase& c : {ConvCase{1, 257, 257, 1, 64, 3, 3, 1, 1, "same", {}, 1, 1, 1, "relu"},
                            ConvCase{1, 216, 216, 48, 48, 3, 3, 1, 1, "same", {}, 1, 1, 48},
                            ConvCase{2, 182, 182, 2, 64, 1, 1}})
    run_everywhere(c, ConvPassKind::forward);
}

// Sizes with and without a row and a column that no window takes, in one tile and in several.
TEST(Conv2dTest, PlanarPoolsWithinItsArrays) {
  int ran = 0;
  for (const char* pool : {"average", "max"})
    for (std::int64_t k = 1; k <= 8; ++k)
      for (const Shape& shape : {Shape{2, 8, 9, 1}, Shape{3, 5, 38, 2}, Shape{1, 12, 65, 1}}) {
        const std::vector<Operand> operands = {random_operand(shape, 1),
                                               random_operand({3, 3, shape[3], k}, 2),
                                               random_operand({k}, 3)};
        const Attributes attributes{
            {"padding", "same"}, {"activation", "tanh"}, {"pool", std::string(pool)}};
        const auto run = [&](Isa isa, int threads, const char* way) {
          return run_op("conv2d", attributes, operands, isa, threads, way);
        };
        const Outcome right = run(Isa::baseline, 1, "reference");
        ASSERT_EQ(right.outputs[0].type.shape, (Shape{shape[0], shape[1] / 2, shape[2] / 2, k}));
        for (const Isa isa : supported_isas())
          for (const int threads : {1, 2}) {
            if (k > kernels_for(isa).conv.planar_channels) continue;
            const Outcome made = run(isa, threads, "planar");
            ASSERT_EQ(made.implementation, "planar");
            expect_close(made.outputs[0].values<float>(), doubles(right.outputs[0].values<float>()),
                         1.0, concat(pool, " ", shape.str(), " to ", k, ", ", name_of(isa)));
            ++ran;
          }
      }
  EXPECT_GT(ran, 0);
}

TEST(Conv2dTest, PoolsBelongToTheForwardPassAlone) {
  const TensorType x{Shape{-1, 8, -1, 1}}, w{Shape{3, 3, 1, 2}};
  const TensorType types[] = {x, w};
  const Op& op = find_op("conv2d");
  EXPECT_EQ(op.infer({{{"pool", "max"}}, types})[0].shape, (Shape{-1, 3, -1, 2}));
  EXPECT_THROW(op.infer({{{"pool", "median"}}, types}), ValueError);
  Graph graph;
  const ValueId image = graph.input(TensorType{Shape{1, 8, 8, 1}}, "x");
  const ValueId kernel = graph.variable(std::make_shared<Variable>(w, "w"));
  const ValueId y = graph.add("conv2d", {image, kernel}, {{"pool", "average"}})[0];
  const ValueId loss = graph.add("sum", {y}, {{"axes", std::vector<std::int64_t>{0, 1, 2, 3}}})[0];
  const ValueId dw = graph.gradients(loss, {kernel})[0];
  EXPECT_THROW(Plan(graph, {dw}, {TensorType{Shape{1, 8, 8, 1}}}, {}, nullptr), ValueError);
}

// Blocks of one vector are summed in the same order as those of two.
TEST(Conv2dTest, SlimBlocksOfWinogradGiveTheSame) {
  for (const Isa isa : supported_isas()) {
    const ConvKernels& kernels = kernels_for(isa).conv;
    for (const int m : {4, 2})
      for (const bool flipped : {false, true})
        for (const std::int64_t raw_channels : {0, 16}) {
          WinogradPass pass;
          pass.m = m;
          pass.src_h = pass.src_w = 9;
          pass.src_c = 21;
          pass.dst_h = pass.dst_w = m == 4 ? 7 : 5;
          pass.dst_c = 3 * kernels.lanes - 1;
          pass.tile_rows = pass.tile_cols = (pass.dst_h + m - 1) / m;
          pass.block_tiles = 5;
          pass.flipped = flipped;
          pass.raw_channels = raw_channels;
          const std::int64_t taps = m == 4 ? 9 : 25;
          const auto numbers = [](std::int64_t count) {
            std::vector<float> made(static_cast<std::size_t>(count));
            for (std::size_t i = 0; i < made.size(); ++i)
              made[i] = static_cast<float>((i * 2654435761u >> 8) % 1000) / 500 - 1;
            return made;
          };
          const std::vector<float> x = numbers(pass.src_h * pass.src_w * pass.src_c);
          const std::vector<float> w = numbers(taps * pass.src_c * pass.dst_c);
          const auto result = [&](bool slim) {
            WinogradPass p = pass;
            p.slim = slim;
            const std::int64_t channels = slim ? kernels.lanes : kernels.block;
            const std::int64_t blocks = (p.dst_c + channels - 1) / channels;
            std::vector<float> packed(static_cast<std::size_t>(kernels.winograd_weights(p)));
            std::vector<float> scratch(static_cast<std::size_t>(kernels.winograd_scratch(p)));
            std::vector<float> y(static_cast<std::size_t>(p.dst_h * p.dst_w * p.dst_c), -7.0f);
            const std::int64_t units = blocks * ((p.src_c + kPackUnit - 1) / kPackUnit);
            kernels.winograd_pack(p, w.data(), packed.data(), 0, units);
            kernels.winograd(p, x.data(), raw_channels > 0 ? w.data() : packed.data(), nullptr,
                             y.data(), scratch.data(), 0, p.image_tiles(), 0, blocks);
            return y;
          };
          EXPECT_EQ(result(true), result(false)) << name_of(isa) << ", m = " << m;
        }
  }
}

TEST(Conv2dTest, AZeroedResultIsRejected) {
  const std::vector<double> expected = {0.5, -0.25}, magnitude = {1.0, 1.0};
  EXPECT_EQ(first_difference({0.5f, -0.25f}, expected, magnitude, 2e-6), "");
  EXPECT_NE(first_difference({0.0f, 0.0f}, expected, magnitude, 2e-6), "");
  EXPECT_NE(first_difference({std::nanf(""), -0.25f}, expected, magnitude, 2e-6), "");
}

void expect_error(const Attributes& attributes, const Shape& x, const Shape& w,
                  const std::string& part) {
  try {
    conv2d_shape("conv2d", attributes, x, w);
    ADD_FAILURE() << "no error, expected: " << part;
  } catch (const ValueError& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Conv2dTest, RefusesBadGeometry) {
  const Shape x{2, 8, 8, 4}, w{3, 3, 4, 6};
  using List = std::vector<std::int64_t>;
  expect_error({}, x, {3, 3, 3, 6}, "input has 4 channels, kernel (3, 3, 3, 6)");
  expect_error({}, x, {0, 3, 4, 6}, "each at least 1");
  expect_error({{"groups", std::int64_t{0}}}, x, w, "groups must be at least 1, got 0");
  expect_error({{"groups", std::int64_t{3}}}, x, {3, 3, 1, 6}, "does not divide");
  expect_error({{"groups", std::int64_t{4}}}, x, {3, 3, 1, 6}, "does not divide");
  expect_error({{"strides", List{0, 1}}}, x, w, "strides must be at least 1, got (0, 1)");
  expect_error({{"strides", List{1}}}, x, w, "two integers");
  expect_error({{"dilation", List{1, -2}}}, x, w, "dilation must be at least 1");
  expect_error({{"dilation", List{4, 1}}}, x, w, "covers 9 places");
  expect_error({{"padding", std::string("full")}}, x, w, "'valid', 'same' or 'explicit'");
  expect_error({{"padding", std::string("explicit")}}, x, w, "pads=(top, bottom, left, right)");
  expect_error({{"padding", std::string("explicit")}, {"pads", List{0, 0, -1, 0}}}, x, w,
               "must not be negative");
  expect_error({}, x, {9, 3, 4, 6}, "use a smaller window");
}

TEST(Conv2dTest, SymbolicSizesPassThrough) {
  const Conv2dShape s =
      conv2d_shape("conv2d", {{"padding", std::string("same")}}, {-1, -1, 9, 4}, {3, 3, 4, 6});
  EXPECT_EQ(s.y(), (Shape{-1, -1, 9, 6}));
}

}  // namespace
}  // namespace cnnfast::testing
