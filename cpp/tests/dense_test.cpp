// dense and its backward ops at every ISA against the float64 reference.
#include "reference/dense.h"

#include <gtest/gtest-spi.h>

#include "tests/op_runner.h"

namespace cnnfast {
namespace {

using namespace testing;

struct DenseCase {
  std::int64_t rows, in, out;
  ActivationKind activation;
};

std::string name_of(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::relu:
      return "relu";
    case ActivationKind::leaky_relu:
      return "leaky_relu";
    case ActivationKind::tanh:
      return "tanh";
    case ActivationKind::sigmoid:
      return "sigmoid";
    default:
      return "linear";
  }
}

class DenseTest : public ::testing::TestWithParam<DenseCase> {};

TEST_P(DenseTest, AgreesWithReference) {
  const DenseCase c = GetParam();
  const Operand x = random_operand({c.rows, c.in}, 1), w = random_operand({c.in, c.out}, 2);
  const Operand b = random_operand({c.out}, 3), dy = random_operand({c.rows, c.out}, 4);
  const auto xd = doubles(x.values<float>()), wd = doubles(w.values<float>());
  const auto bd = doubles(b.values<float>()), dyd = doubles(dy.values<float>());
  std::vector<double> y(dyd.size()), dx(xd.size()), dw(wd.size()), db(bd.size());
  reference::dense(xd.data(), wd.data(), bd.data(), y.data(), c.rows, c.in, c.out, c.activation,
                   static_cast<double>(0.3f));
  reference::dense_backward_input(dyd.data(), wd.data(), dx.data(), c.rows, c.in, c.out);
  reference::dense_backward_kernel(xd.data(), dyd.data(), dw.data(), db.data(), c.rows, c.in,
                                   c.out);
  const auto root = [](std::int64_t n) { return std::sqrt(static_cast<double>(n)) + 1; };
  const Attributes activation{{"activation", name_of(c.activation)}, {"alpha", 0.3}};
  for (const Isa isa : supported_isas())
    for (const int threads : {1, 2, 3}) {
      const std::string where = concat(" ", name_of(isa), " threads ", threads, " rows ", c.rows,
                                       " in ", c.in, " out ", c.out, " ", name_of(c.activation));
      const auto forward = run_op("dense", activation, {x, w, b}, isa, threads);
      EXPECT_NE(forward.implementation, "reference");
      expect_close(forward.outputs[0].values<float>(), y, root(c.in), "y" + where);
      const auto input = run_op("dense_backward_input", {}, {dy, w}, isa, threads);
      expect_close(input.outputs[0].values<float>(), dx, root(c.out), "dx" + where);
      const auto kernel = run_op("dense_backward_kernel", {{"bias", true}}, {x, dy}, isa, threads);
      expect_close(kernel.outputs[0].values<float>(), dw, root(c.rows), "dw" + where);
      expect_close(kernel.outputs[1].values<float>(), db, root(c.rows), "db" + where);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, DenseTest,
    ::testing::Values(
        DenseCase{0, 5, 7, ActivationKind::linear}, DenseCase{1, 1, 1, ActivationKind::linear},
        DenseCase{3, 0, 5, ActivationKind::relu}, DenseCase{1, 17, 10, ActivationKind::relu},
        DenseCase{80, 0, 1100, ActivationKind::relu}, DenseCase{9, 0, 200, ActivationKind::linear},
        DenseCase{1, 300, 1, ActivationKind::linear}, DenseCase{1, 301, 7, ActivationKind::linear},
        DenseCase{1, 1600, 10, ActivationKind::linear},
        DenseCase{1, 97, 15, ActivationKind::linear}, DenseCase{1, 130, 16, ActivationKind::linear},
        DenseCase{1, 259, 31, ActivationKind::linear},
        DenseCase{2, 33, 31, ActivationKind::leaky_relu},
        DenseCase{3, 64, 33, ActivationKind::tanh}, DenseCase{4, 9, 100, ActivationKind::sigmoid},
        DenseCase{5, 130, 65, ActivationKind::relu}, DenseCase{7, 31, 1000, ActivationKind::linear},
        DenseCase{8, 257, 513, ActivationKind::relu}, DenseCase{9, 5, 3, ActivationKind::tanh},
        DenseCase{15, 258, 16, ActivationKind::linear},
        DenseCase{16, 100, 17, ActivationKind::relu},
        DenseCase{11, 1030, 1041, ActivationKind::relu},
        DenseCase{16, 1027, 1030, ActivationKind::linear},
        DenseCase{20, 1030, 1041, ActivationKind::tanh},
        DenseCase{64, 1040, 1050, ActivationKind::linear},
        DenseCase{29, 300, 48, ActivationKind::sigmoid},
        DenseCase{31, 513, 95, ActivationKind::leaky_relu},
        DenseCase{64, 40, 530, ActivationKind::relu},
        DenseCase{128, 160, 10, ActivationKind::linear},
        DenseCase{9, 3, 1, ActivationKind::sigmoid}, DenseCase{30, 12, 1, ActivationKind::relu},
        DenseCase{13, 1037, 48, ActivationKind::linear},
        DenseCase{14, 1041, 1, ActivationKind::sigmoid},
        DenseCase{33, 700, 2, ActivationKind::relu}, DenseCase{20, 1100, 3, ActivationKind::tanh},
        DenseCase{50, 515, 5, ActivationKind::linear},
        DenseCase{24, 77, 6, ActivationKind::leaky_relu},
        DenseCase{37, 523, 9, ActivationKind::linear},
        DenseCase{41, 1025, 11, ActivationKind::relu},
        DenseCase{128, 640, 12, ActivationKind::linear},
        DenseCase{45, 203, 8, ActivationKind::linear}, DenseCase{26, 130, 7, ActivationKind::relu},
        DenseCase{19, 2740, 12, ActivationKind::linear},
        DenseCase{33, 8001, 9, ActivationKind::relu}, DenseCase{1, 600, 400, ActivationKind::relu},
        DenseCase{130, 70, 1050, ActivationKind::tanh},
        // Some rows: panels of few and many, lanes along rows by half, whole and twice, in parts.
        DenseCase{4, 300, 5001, ActivationKind::linear},
        DenseCase{6, 1030, 1041, ActivationKind::relu},
        DenseCase{7, 260, 5001, ActivationKind::linear},
        DenseCase{14, 1030, 1027, ActivationKind::linear},
        DenseCase{16, 260, 5003, ActivationKind::relu},
        DenseCase{50, 401, 83, ActivationKind::linear},
        DenseCase{128, 1030, 1031, ActivationKind::linear},
        // Rows, and steps of the kernel's gradient, that meet in few sets of L1, and far ones.
        DenseCase{140, 1024, 96, ActivationKind::linear},
        DenseCase{100, 1030, 1024, ActivationKind::linear},
        DenseCase{300, 64, 40, ActivationKind::relu},
        DenseCase{150, 2049, 70, ActivationKind::linear}));

TEST(DenseTest, LeadingAxesAreRows) {
  const Operand x = random_operand({9, 3, 4}, 1), w = random_operand({4, 5}, 2);
  Operand flat = x;
  flat.type.shape = Shape{27, 4};
  const auto a = run_op("dense", {}, {x, w}, current_isa(), 2).outputs[0];
  const auto b = run_op("dense", {}, {flat, w}, current_isa(), 1).outputs[0];
  EXPECT_EQ(a.type.shape, (Shape{9, 3, 5}));
  EXPECT_EQ(a.values<float>(), b.values<float>());
}

// The op's outputs on one thread and on more, at every ISA; `divided`: their work is.
void expect_same_bits(const std::string& op, const Attributes& attributes,
                      const std::vector<Operand>& operands, bool divided) {
  for (const Isa isa : supported_isas()) {
    const auto one = run_op(op, attributes, operands, isa, 1);
    for (const int threads : {2, 3}) {
      const auto more = run_op(op, attributes, operands, isa, threads);
      EXPECT_EQ(more.divided, divided) << op << " " << name_of(isa) << " threads " << threads;
      for (std::size_t i = 0; i < one.outputs.size(); ++i)
        EXPECT_EQ(one.outputs[i].bytes, more.outputs[i].bytes)
            << op << " " << name_of(isa) << " threads " << threads << " output " << i;
    }
  }
}

TEST(DenseTest, SameBitsForAnyThreadCount) {
  for (const std::int64_t rows : {6, 12})
    expect_same_bits("dense", {}, {random_operand({rows, 300}, 1), random_operand({300, 700}, 2)},
                     true);
}

TEST(DenseTest, GradientsOfLargeKernelsGoPastTheCaches) {
  const std::int64_t in = 1100, out = 4096;
  for (const std::int64_t rows : {1, 3, 8, 16, 20, 32, 33}) {
    const Operand x = random_operand({rows, in}, 1), dy = random_operand({rows, out}, 2);
    const auto xd = doubles(x.values<float>()), dyd = doubles(dy.values<float>());
    std::vector<double> dw(static_cast<std::size_t>(in * out));
    std::vector<double> db(static_cast<std::size_t>(out));
    reference::dense_backward_kernel(xd.data(), dyd.data(), dw.data(), db.data(), rows, in, out);
    for (const Isa isa : supported_isas()) {
      const auto got = run_op("dense_backward_kernel", {{"bias", true}}, {x, dy}, isa, 2);
      const std::string what = concat(name_of(isa), " rows ", rows);
      expect_close(got.outputs[0].values<float>(), dw, 5, what);
      expect_close(got.outputs[1].values<float>(), db, 5, what);
    }
  }
}

// Columns are divided where the kernel has few rows, else rows.
TEST(DenseTest, GradientsOfSmallBatchesHaveTheSameBitsForAnyThreadCount) {
  for (const std::int64_t rows : {2, 4, 8, 13, 16})
    for (const auto& [in, out] : {std::pair<std::int64_t, std::int64_t>{37, 2010}, {700, 70}})
      expect_same_bits("dense_backward_kernel", {{"bias", true}},
                       {random_operand({rows, in}, 1), random_operand({rows, out}, 2)}, true);
}

TEST(DenseTest, FewColumnsHaveTheSameBitsForAnyThreadCount) {
  for (const std::int64_t out : {1, 3, 10}) {
    const Operand x = random_operand({45, 1300}, 1), w = random_operand({1300, out}, 2);
    const Operand dy = random_operand({45, out}, 3);
    expect_same_bits("dense", {}, {x, w}, true);
    expect_same_bits("dense", {},  // in several parts of k
                     {random_operand({45, 40000 / out}, 1), random_operand({40000 / out, out}, 2)},
                     true);
    expect_same_bits("dense_backward_input", {}, {dy, w}, true);
    // Smaller ones are left to one thread.
    expect_same_bits("dense_backward_kernel", {{"bias", true}}, {x, dy}, out == 10);
  }
}

TEST(DenseTest, NaNPassesRelu) {
  const Operand x = operand(Shape{1, 3}, std::vector<float>(3, NAN)), w = random_operand({3, 2}, 1);
  for (const Isa isa : supported_isas()) {
    const auto y = run_op("dense", {{"activation", std::string("relu")}}, {x, w}, isa, 1);
    EXPECT_TRUE(std::isnan(y.outputs[0].values<float>()[0]));
  }
}

TEST(DenseTest, Float64RunsThroughReference) {
  const Operand x = operand(Shape{1, 2}, std::vector<double>{1, 2});
  const Operand w = operand(Shape{2, 1}, std::vector<double>{3, 4});
  const auto y = run_op("dense", {}, {x, w}, current_isa(), 2);
  EXPECT_EQ(y.implementation, "reference");
  EXPECT_EQ(y.outputs[0].values<double>()[0], 11.0);
}

TEST(DenseTest, SaysWhatIsWrong) {
  const auto infer = [&](const std::vector<TensorType>& types, const Attributes& attributes = {}) {
    return find_op("dense").infer({attributes, types});
  };
  const auto f32 = [](Shape s) { return TensorType{s, DType::f32, MemorySpace::host}; };
  EXPECT_THROW(infer({f32({3}), f32({3, 2})}), ValueError);
  EXPECT_THROW(infer({f32({2, 3}), f32({4, 2})}), ValueError);
  EXPECT_THROW(infer({f32({2, 3}), f32({3, 2}), f32({3})}), ValueError);
  EXPECT_THROW(infer({f32({2, 3}), f32({3, 2})}, {{"activation", std::string("gelu")}}),
               ValueError);
  EXPECT_THROW(infer({f32({2, 3}), {Shape{3, 2}, DType::f64, MemorySpace::host}}), TypeError);
  EXPECT_EQ(infer({f32({kSymbolic, 3}), f32({3, 2})})[0].shape, (Shape{kSymbolic, 2}));
}

TEST(Comparison, RejectsZeros) {
  EXPECT_FATAL_FAILURE(expect_close({0.0f}, {1.0}, 1.0, "zeroed"), "zeroed");
}

}  // namespace
}  // namespace cnnfast
