// Every element-wise op, reduction, shape op and dropout against its reference in float64, at
// every instruction set of this machine, on one and two threads.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/philox.h"
#include "cnnfast/isa.h"
#include "tests/op_runner.h"

namespace cnnfast::testing {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Operand widened(const Operand& o) {
  if (o.type.dtype != DType::f32) return o;
  const std::vector<float> v = o.values<float>();
  return operand(o.type.shape, std::vector<double>(v.begin(), v.end()));
}

std::vector<double> as_doubles(const Operand& o) {
  switch (o.type.dtype) {
    case DType::f32:
      return doubles(o.values<float>());
    case DType::f64:
      return o.values<double>();
    case DType::i32:
      return doubles(o.values<std::int32_t>());
    case DType::i64:
      return doubles(o.values<std::int64_t>());
    default:
      return doubles(o.values<std::uint8_t>());
  }
}

// Runs the op in float32, first implementation that accepts, and its reference in float64.
void check(const std::string& op, const Attributes& attributes, const std::vector<Operand>& inputs,
           double tolerance, double scale = 0, const std::string& implementation = "vector") {
  std::vector<Operand> wide;
  for (const Operand& o : inputs) wide.push_back(widened(o));
  const Outcome want = run_op(op, attributes, wide, Isa::baseline, 1, "reference");
  for (const Isa isa : supported_isas()) {
    for (const int threads : {1, 2}) {
      const Outcome got = run_op(op, attributes, inputs, isa, threads);
      EXPECT_EQ(got.implementation, implementation);
      std::string what = op + " " + attributes.str() + " at " + std::string(name_of(isa)) + ", " +
                         std::to_string(threads) + " threads";
      for (const Operand& o : inputs) what += " " + o.type.str();
      const std::vector<double> a = as_doubles(got.outputs[0]);
      std::vector<double> b = as_doubles(want.outputs[0]);
      for (double& x : b)  // what float32 cannot hold
        if (std::abs(x) > static_cast<double>(std::numeric_limits<float>::max()))
          x = std::copysign(static_cast<double>(kInf), x);
      expect_close(std::vector<float>(a.begin(), a.end()), b, scale, what, tolerance);
    }
  }
}

// Ordinary numbers, and the ones where functions break.
Operand trying(const Shape& shape, unsigned seed, float spread = 4) {
  std::vector<float> v = random_floats(shape.numel(), seed);
  const float special[] = {0.0f,    -0.0f,  kInf, -kInf, kNan,  88.7f,  -87.0f, 100.0f,
                           -104.0f, 1e-30f, 1.0f, -1.0f, 1e30f, -1e30f, 0.5f};
  for (float& x : v) x *= spread;
  for (std::size_t i = 0; i < std::size(special) && 2 * i + 1 < v.size(); ++i)
    v[2 * i + 1] = special[i];
  return operand(shape, v);
}

// ---- unary
// ---------------------------------------------------------------------------------------
TEST(Elementwise, UnaryFunctions) {
  for (const char* op : {"relu", "leaky_relu", "tanh", "exp", "log", "sqrt", "square", "abs",
                         "negative", "reciprocal", "sign"}) {
    for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{1}, Shape{7, 5}, Shape{3, 31},
                               Shape{64, 1033}, Shape{1, 70001}})
      // What rounds below 1e-38 is flushed to zero.
      check(op, {}, {trying(shape, 1)}, 4e-7, 1e-31);
  }
  // Sanitizers keep the compiler from fusing its exponential's reduction, which costs two bits.
  check("sigmoid", {}, {trying({64, 1033}, 1)}, 1e-6, 1e-31);
  check("sigmoid", {}, {trying({3, 31}, 1)}, 1e-6, 1e-31);
  check("leaky_relu", {{"alpha", 0.01}}, {trying({5, 9}, 2)}, 4e-7);
  check("elu", {{"alpha", 1.5}}, {trying({5, 9}, 3, 0.01f)}, 4e-7);
  check("clip", {{"low", -1.5}, {"high", 0.25}}, {trying({5, 9}, 3)}, 1e-7);
}

// Far below zero the exponential of a large number leaves few digits; slopes cross zero, where an
// error is to be small beside 1.
TEST(Elementwise, FunctionsWithSlopesOfTheirOwn) {
  for (const char* op : {"elu", "selu", "silu", "gelu", "gelu_tanh", "mish", "softplus", "softsign",
                         "log_sigmoid", "hard_sigmoid", "hard_silu", "clip"})
    for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{1}, Shape{7, 5}, Shape{3, 31},
                               Shape{64, 1033}, Shape{1, 70001}}) {
      const bool gelu = std::string(op).starts_with("gelu");
      check(op, {}, {trying(shape, 1)}, gelu ? 1e-5 : 1e-6, gelu ? 1e-20 : 1e-30);
      check(std::string(op) + "_backward", {}, {trying(shape, 2), random_operand(shape, 3)}, 1e-6,
            1);
    }
  check("elu_backward", {{"alpha", 0.7}}, {trying({5, 9}, 3), random_operand({5, 9}, 4)}, 4e-7, 1);
  check("clip_backward", {{"low", -1.5}, {"high", 0.25}},
        {trying({5, 9}, 3), random_operand({5, 9}, 4)}, 1e-7);
}

TEST(Elementwise, FunctionsThatSayWhatIsWrong) {
  const TensorType x{Shape{3}, DType::f32, MemorySpace::host};
  const auto infer = [&](const char* op, const Attributes& attributes) {
    return find_op(op).infer({attributes, {&x, 1}});
  };
  EXPECT_THROW(infer("clip", {{"low", 2.0}, {"high", 1.0}}), ValueError);
  EXPECT_THROW(infer("silu", {{"alpha", 2.0}}), ValueError);
  EXPECT_THROW(infer("leaky_relu", {{"alpha", -2.0}}), ValueError);
}

TEST(Elementwise, ActivationBackward) {
  for (const char* kind : {"linear", "relu", "leaky_relu", "tanh", "sigmoid"})
    for (const Shape& shape : {Shape{0}, Shape{3, 5, 7}, Shape{66, 1001}})
      check("activation_backward", {{"activation", std::string(kind)}, {"alpha", 0.25}},
            {random_operand(shape, 4), random_operand(shape, 5)}, 4e-7, 1);
}

TEST(Elementwise, IntegersRunTheReference) {
  const Operand x =
      operand<std::int32_t>({4}, {-3, 0, 5, std::numeric_limits<std::int32_t>::min()});
  const Outcome y = run_op("abs", {}, {x}, Isa::baseline, 1);
  EXPECT_EQ(y.outputs[0].values<std::int32_t>(),
            (std::vector<std::int32_t>{3, 0, 5, std::numeric_limits<std::int32_t>::min()}));
  EXPECT_EQ(y.implementation, "reference");
}

// ---- binary
// --------------------------------------------------------------------------------------
const std::vector<std::pair<Shape, Shape>>& broadcasts() {
  static const std::vector<std::pair<Shape, Shape>> pairs = {
      {{}, {}},
      {{5}, {}},
      {{}, {2, 19}},
      {{0, 4}, {4}},
      {{3, 17}, {3, 17}},
      {{65, 1031}, {65, 1031}},  // flat, two threads
      {{64, 20, 55}, {55}},      // trailing vector, longer than a vector
      {{64, 40, 25, 3}, {3}},    // and one that is unrolled
      {{10}, {7000, 10}},
      {{300, 257}, {300, 1}},
      {{40, 1, 9, 5}, {1, 11, 1, 5}},
      {{2, 3, 1, 5}, {4, 1}},
      {{1, 3, 40, 300}, {3, 1, 1}},  // axis 0 too short to divide
      {{33, 1}, {1, 2100}},
      {{2, 1, 2, 1, 2, 1, 2, 3}, {1, 3, 1, 2, 1, 2, 1, 3}}};
  return pairs;
}

TEST(Elementwise, ArithmeticBroadcasts) {
  for (const char* op : {"add", "subtract", "multiply", "divide", "maximum", "minimum"})
    for (const auto& [a, b] : broadcasts())
      check(op, {}, {trying(a, 6), trying(b, 7)}, 2e-7, 1e-31);
}

TEST(Elementwise, Power) {
  for (const auto& [a, b] : broadcasts()) {
    std::vector<float> base = random_floats(a.numel(), 8);
    for (float& x : base) x = std::abs(x) + 0.1f;
    check("power", {}, {operand(a, base), random_operand(b, 9)}, 1e-6);
  }
  for (const float exponent : {2.0f, -1.0f, 0.5f, 3.0f, 0.0f})
    check("power", {}, {trying({3, 29}, 10), operand<float>({}, {exponent})}, 1e-6, 1e-31);
}

TEST(Elementwise, ComparisonsAndSelect) {
  for (const auto& [a, b] : broadcasts()) {
    for (const char* op : {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"})
      check(op, {}, {trying(a, 6), trying(b, 6)}, 0);
    std::vector<std::uint8_t> flags(static_cast<std::size_t>(a.numel()));
    for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = (i * 2654435761u >> 7) & 1;
    Operand condition = operand(a, flags);
    condition.type.dtype = DType::boolean;
    check("select", {}, {condition, trying(b, 11), trying(a, 12)}, 0);
    check("select", {}, {condition, trying(Shape{}, 11), trying(b, 12)}, 0);
  }
}

// ---- reductions
// ----------------------------------------------------------------------------------
// Rounding errors of a good summation grow like the square root of the count, those of a mean not.
void check_reduction(const char* op, const Shape& shape, const std::vector<std::int64_t>& axes,
                     bool keepdims) {
  double count = 1;
  for (const std::int64_t axis : axes) count *= static_cast<double>(shape[static_cast<int>(axis)]);
  const bool sum = std::string(op) == "sum", mean = std::string(op) == "mean";
  check(op, {{"axes", axes}, {"keepdims", keepdims}}, {random_operand(shape, 13)},
        sum || mean ? 1e-6 : 0, sum ? std::sqrt(count) : 1 / std::sqrt(count));
}

TEST(Reduction, EverySetOfAxes) {
  const std::vector<Shape> shapes = {{3, 5, 7, 11}, {2, 37, 1, 19}, {4, 6, 130, 3}, {5, 1, 4, 200}};
  for (const Shape& shape : shapes) {
    for (int mask = 0; mask < 16; ++mask) {
      std::vector<std::int64_t> axes;
      for (int axis = 0; axis < 4; ++axis)
        if (mask >> axis & 1) axes.push_back(axis);
      for (const char* op : {"sum", "mean", "max", "min"})
        check_reduction(op, shape, axes, mask % 3 == 0);
    }
  }
}

TEST(Reduction, LargeOnes) {
  struct Case {
    Shape shape;
    std::vector<std::int64_t> axes;
  };
  const std::vector<Case> cases = {{{200001}, {0}},
                                   {{40003, 10}, {0}},
                                   {{9001, 32}, {0}},
                                   {{700, 601}, {0}},
                                   {{64, 5003}, {1}},
                                   {{8, 900, 33}, {1}},
                                   {{3, 40001}, {1}},
                                   {{30, 7, 11, 64}, {0, 1, 2}},
                                   {{16, 20, 30, 40}, {0, 2, 3}},
                                   {{50000, 3}, {1}},
                                   {{2, 60000, 7}, {1}}};
  for (const Case& c : cases)
    for (const char* op : {"sum", "mean", "max"}) check_reduction(op, c.shape, c.axes, false);
}

TEST(Reduction, MeanOfManyIsExact) {
  // Plain summation of 0.1 in float32 would be off by 1e-3 here.
  const Operand x = operand({1 << 22}, std::vector<float>(1 << 22, 0.1f));
  for (const Isa isa : supported_isas()) {
    const Outcome y = run_op("mean", {}, {x}, isa, 2);
    EXPECT_NEAR(y.outputs[0].values<float>()[0], 0.1f, 2e-8) << name_of(isa);
  }
}

TEST(Reduction, SameBitsForAnyThreadCount) {
  const Operand x = random_operand({30000, 10}, 15);
  for (const Isa isa : supported_isas()) {
    const Outcome one = run_op("sum", {{"axes", std::vector<std::int64_t>{0}}}, {x}, isa, 1);
    const Outcome two = run_op("sum", {{"axes", std::vector<std::int64_t>{0}}}, {x}, isa, 2);
    EXPECT_EQ(one.outputs[0].bytes, two.outputs[0].bytes);
  }
}

TEST(Reduction, NanWinsAndEmptyMeansAreNan) {
  for (const char* op : {"max", "min"}) {
    for (const int place : {0, 5, 36}) {
      std::vector<float> v = random_floats(37, 16);
      v[static_cast<std::size_t>(place)] = kNan;
      v[20] = kInf;
      check(op, {}, {operand({37}, v)}, 0);
      check(op, {{"axes", std::vector<std::int64_t>{0}}}, {operand({37, 1}, v)}, 0);
    }
    check(op, {{"axes", std::vector<std::int64_t>{0}}}, {trying({40, 35}, 17)}, 0);
    check(op, {{"axes", std::vector<std::int64_t>{0}}}, {trying({400, 5}, 17)}, 0);
    check(op, {{"axes", std::vector<std::int64_t>{1}}}, {trying({40, 35}, 17)}, 0);
  }
  check("mean", {{"axes", std::vector<std::int64_t>{1}}}, {operand<float>({3, 0}, {})}, 0);
  check("sum", {{"axes", std::vector<std::int64_t>{0}}}, {operand<float>({0, 5}, {})}, 0);
  check("sum", {{"axes", std::vector<std::int64_t>{1}}}, {operand<float>({0, 5}, {})}, 0);
}

TEST(Reduction, IntegersAddUpInInt64) {
  const Operand x = operand<std::uint8_t>({3}, {200, 200, 200});
  const Outcome y = run_op("sum", {}, {x}, Isa::baseline, 1);
  EXPECT_EQ(y.outputs[0].values<std::int64_t>(), (std::vector<std::int64_t>{600}));
}

TEST(Reduction, ArgmaxAndMaxBackwardTakeTheFirstWinner) {
  const Operand x = operand<float>({2, 4}, {1, 7, 7, 2, 5, kNan, 9, kNan});
  const Outcome a = run_op("argmax", {{"axis", std::int64_t{1}}}, {x}, Isa::baseline, 1);
  EXPECT_EQ(a.outputs[0].values<std::int64_t>(), (std::vector<std::int64_t>{1, 1}));
  const Operand dy = operand<float>({2}, {3, 4});
  const Outcome b =
      run_op("max_backward", {{"axes", std::vector<std::int64_t>{1}}}, {x, dy}, Isa::baseline, 1);
  EXPECT_EQ(b.outputs[0].values<float>(), (std::vector<float>{0, 3, 0, 0, 0, 4, 0, 0}));
}

// ---- shape ops
// -----------------------------------------------------------------------------------
TEST(ShapeOps, TransposesEveryPermutation) {
  const std::vector<Shape> shapes = {{2, 3, 5, 7}, {3, 37, 18, 5}, {1, 33, 17, 3}, {4, 1, 16, 32}};
  for (const Shape& shape : shapes) {
    std::vector<std::int64_t> permutation = {0, 1, 2, 3};
    do {
      check("transpose", {{"permutation", permutation}}, {random_operand(shape, 18)}, 0, 0,
            "blocked");
    } while (std::next_permutation(permutation.begin(), permutation.end()));
  }
}

TEST(ShapeOps, TransposesLargeOnes) {
  const auto move = [](const Shape& shape, std::vector<std::int64_t> permutation) {
    check("transpose", {{"permutation", permutation}}, {random_operand(shape, 19)}, 0, 0,
          "blocked");
  };
  move({8, 28, 29, 31}, {0, 3, 1, 2});
  move({8, 31, 28, 29}, {0, 2, 3, 1});
  move({1, 224, 224, 3}, {0, 3, 1, 2});
  move({1, 3, 224, 224}, {0, 2, 3, 1});
  move({513, 257}, {1, 0});
  move({}, {});
  move({0, 3}, {1, 0});
}

TEST(ShapeOps, BroadcastCastGather) {
  check("broadcast_to", {{"shape", std::vector<std::int64_t>{64, 40, 33}}},
        {random_operand({40, 1}, 20)}, 0);
  check("broadcast_to", {{"shape", std::vector<std::int64_t>{3, 0}}}, {random_operand({1}, 20)}, 0);
  std::vector<std::uint8_t> pixels(100 * 1001);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 7);
  check("cast", {{"dtype", std::string("float32")}}, {operand({100, 1001}, pixels)}, 0);
  std::vector<std::int64_t> rows(256);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i * 37 % 100);
  rows[3] = -1;
  rows[7] = 100;
  rows[9] = std::numeric_limits<std::int64_t>::min();
  for (const char* dtype : {"float32", ""}) {
    const std::vector<Operand> inputs = {operand({100, 1001}, pixels), operand({256}, rows)};
    check("gather", {{"dtype", std::string(dtype)}}, inputs, 0, 0, "rows");
  }
  check("gather", {}, {random_operand({100, 33, 5}, 21), operand({256}, rows)}, 0, 0, "rows");
}

TEST(ShapeOps, SmallIntegersSurviveFlushingToZero) {
  // As floats they are denormals.
  const Operand x = operand<std::int32_t>({3, 1}, {1, 2, 3});
  for (const Isa isa : supported_isas()) {
    const Outcome y =
        run_op("broadcast_to", {{"shape", std::vector<std::int64_t>{3, 5}}}, {x}, isa, 1);
    EXPECT_EQ(y.outputs[0].values<std::int32_t>(),
              (std::vector<std::int32_t>{1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3}));
  }
}

TEST(ShapeOps, ConvertsEveryPairOfTypes) {
  const Operand x = operand<double>({6}, {0.0, 1.0, 2.9, 255.0, 3e19, std::nan("")});
  const auto cast = [&](const char* dtype) {
    return as_doubles(
        run_op("cast", {{"dtype", std::string(dtype)}}, {x}, Isa::baseline, 1).outputs[0]);
  };
  EXPECT_EQ(cast("bool"), (std::vector<double>{0, 1, 1, 1, 1, 1}));
  EXPECT_EQ(cast("uint8"), (std::vector<double>{0, 1, 2, 255, 255, 0}));
  EXPECT_EQ(cast("int64"), (std::vector<double>{0, 1, 2, 255, 9223372036854775807.0, 0}));
  EXPECT_FLOAT_EQ(static_cast<float>(cast("float32")[2]), 2.9f);
}

TEST(ShapeOps, ReshapeKeepsTheBatchOpen) {
  const auto reshaped = [](const Shape& x, std::vector<std::int64_t> shape) {
    const Attributes attributes{{"shape", shape}};
    const std::vector<TensorType> types = {{x, DType::f32, MemorySpace::host}};
    return find_op("reshape").infer({attributes, types})[0].shape;
  };
  EXPECT_EQ(reshaped({kSymbolic, 4, 5}, {-1, 20}), (Shape{kSymbolic, 20}));
  EXPECT_EQ(reshaped({7, 4, 5}, {-1, 20}), (Shape{7, 20}));
  EXPECT_EQ(reshaped({0, 4, 5}, {-1, 20}), (Shape{0, 20}));
  EXPECT_THROW(reshaped({7, 4}, {-1, 3}), ValueError);
  EXPECT_THROW(reshaped({7, 4}, {-1, -1}), ValueError);
  EXPECT_THROW(reshaped({7, 0}, {-1, 0}), ValueError);
}

// ---- dropout
// -------------------------------------------------------------------------------------
TEST(Dropout, PhiloxKnowsThePublishedAnswers) {
  // Random123's kat_vectors for philox4x32-10.
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Dropout, MatchesTheReferenceBitForBit) {
  const Operand state = operand<std::int64_t>({2}, {0x123456789abcdef, 42});
  for (const Shape& shape :
       {Shape{}, Shape{0}, Shape{1}, Shape{3, 5}, Shape{33, 1001}, Shape{5, 20011}}) {
    for (const double rate : {0.0, 0.1, 0.5, 0.999}) {
      for (const char* op : {"dropout", "dropout_backward"}) {
        const Attributes attributes{{"rate", rate}, {"stream", std::int64_t{3}}};
        check(op, attributes, {random_operand(shape, 22), state}, 2e-7);
      }
    }
  }
}

TEST(Dropout, KeepsTheRightFraction) {
  const std::int64_t n = 1 << 18;
  const Operand x = operand({n}, std::vector<float>(static_cast<std::size_t>(n), 1.0f));
  std::vector<float> before;
  for (const std::int64_t step : {0, 1}) {
    const Operand state = operand<std::int64_t>({2}, {7, step});
    const auto y = run_op("dropout", {{"rate", 0.3}}, {x, state}, supported_isas().back(), 2)
                       .outputs[0]
                       .values<float>();
    std::int64_t kept = 0, same = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      kept += y[i] != 0;
      same += !before.empty() && (y[i] != 0) == (before[i] != 0);
    }
    // Four standard deviations.
    EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(n), 0.7, 0.0036);
    if (!before.empty()) {  // independent masks agree on 0.7^2 + 0.3^2
      EXPECT_NEAR(static_cast<double>(same) / static_cast<double>(n), 0.58, 0.0039);
    }
    before = y;
  }
}

// ---- errors
// --------------------------------------------------------------------------------------
TEST(Elementwise, RefusesWhatItCannotDo) {
  const auto infer = [](const char* op, const Attributes& attributes,
                        const std::vector<TensorType>& types) {
    return find_op(op).infer({attributes, types});
  };
  const auto f32 = [](const Shape& s) { return TensorType{s, DType::f32, MemorySpace::host}; };
  const auto i64 = [](const Shape& s) { return TensorType{s, DType::i64, MemorySpace::host}; };
  using Axes = std::vector<std::int64_t>;
  EXPECT_THROW(infer("add", {}, {f32({2, 3}), f32({4, 3})}), ValueError);
  EXPECT_THROW(infer("add", {}, {f32({2}), i64({2})}), TypeError);
  EXPECT_THROW(infer("add", {}, {f32({2})}), ValueError);
  EXPECT_THROW(infer("divide", {}, {i64({2}), i64({2})}), TypeError);
  EXPECT_THROW(infer("exp", {}, {i64({2})}), TypeError);
  EXPECT_THROW(infer("leaky_relu", {{"alpha", -1.0}}, {f32({2})}), ValueError);
  EXPECT_THROW(infer("relu", {{"alpha", 1.0}}, {f32({2})}), ValueError);
  EXPECT_THROW(infer("sum", {{"axes", Axes{2}}}, {f32({2, 3})}), ValueError);
  EXPECT_THROW(infer("sum", {{"axes", Axes{1, 0}}}, {f32({2, 3})}), ValueError);
  EXPECT_THROW(infer("max", {{"axes", Axes{0}}}, {f32({0, 3})}), ValueError);
  EXPECT_THROW(infer("transpose", {{"permutation", Axes{0, 0}}}, {f32({2, 3})}), ValueError);
  EXPECT_THROW(infer("broadcast_to", {{"shape", Axes{4}}}, {f32({3})}), ValueError);
  EXPECT_THROW(infer("gather", {}, {f32({3}), f32({3})}), TypeError);
  EXPECT_THROW(infer("dropout", {{"rate", 1.0}}, {f32({3}), i64({2})}), ValueError);
  EXPECT_THROW(infer("dropout", {{"rate", 0.5}}, {f32({3}), i64({3})}), TypeError);
  EXPECT_THROW(infer("fill", {{"shape", Axes{-1}}, {"dtype", std::string("float32")}}, {}),
               ValueError);
  EXPECT_EQ(infer("add", {}, {f32({kSymbolic, 3}), f32({1, 3})})[0].shape, (Shape{kSymbolic, 3}));
}

}  // namespace
}  // namespace cnnfast::testing
