// Optimizer updates at every ISA against the float64 reference.
#include "reference/optimizer.h"

#include "tests/op_runner.h"

namespace cnnfast {
namespace {

using namespace testing;

constexpr float kRate = 0.01f;

class OptimizerTest : public ::testing::TestWithParam<std::int64_t> {
 protected:
  std::int64_t size = GetParam();
  Operand w = random_operand({size}, 1), g = random_operand({size}, 2);
  Operand lr = operand(Shape{}, std::vector<float>{kRate});
  std::vector<double> wd = doubles(w.values<float>()), gd = doubles(g.values<float>());
};

TEST_P(OptimizerTest, Sgd) {
  for (const double momentum : {0.0, 0.9})
    for (const bool nesterov : {false, true})
      for (const double decay : {0.0, 0.1}) {
        const Operand velocity = random_operand({size}, 3);
        auto want = wd, want_velocity = doubles(velocity.values<float>());
        reference::sgd_update(want.data(), gd.data(), static_cast<double>(kRate),
                              momentum > 0 ? want_velocity.data() : nullptr, size,
                              {momentum, decay, nesterov});
        const Attributes a{{"momentum", momentum}, {"nesterov", nesterov}, {"weight_decay", decay}};
        std::vector<Operand> inputs{w, g, lr};
        if (momentum > 0) inputs.push_back(velocity);
        for (const Isa isa : supported_isas())
          for (const int threads : {1, 2}) {
            const auto got = run_op("sgd_update", a, inputs, isa, threads);
            EXPECT_EQ(got.implementation, "vector");
            expect_close(got.inputs[0].values<float>(), want, 1, "w " + a.str());
            if (momentum > 0)
              expect_close(got.inputs[3].values<float>(), want_velocity, 1, "m " + a.str());
          }
      }
}

TEST_P(OptimizerTest, Adam) {
  const Operand m = random_operand({size}, 3);
  auto squares = random_floats(size, 4);
  for (float& v : squares) v *= v;
  const Operand v = operand({size}, squares);
  for (const std::int64_t step : {0, 100})
    for (const double decay : {0.0, 0.1}) {
      auto want = wd, want_m = doubles(m.values<float>()), want_v = doubles(squares);
      const double rate = static_cast<double>(kRate);
      reference::adam_update(want.data(), gd.data(), rate, want_m.data(), want_v.data(),
                             reference::adam_step_size(rate, 0.9, 0.999, step + 1), size,
                             {0.9, 0.999, 1e-7, decay});
      const Operand counter = operand(Shape{}, std::vector<std::int64_t>{step});
      for (const Isa isa : supported_isas())
        for (const int threads : {1, 2}) {
          const auto got = run_op("adam_update", {{"weight_decay", decay}},
                                  {w, g, lr, m, v, counter}, isa, threads);
          EXPECT_EQ(got.implementation, "vector");
          expect_close(got.inputs[0].values<float>(), want, 1, "w");
          expect_close(got.inputs[3].values<float>(), want_m, 1, "m");
          expect_close(got.inputs[4].values<float>(), want_v, 1, "v");
          EXPECT_EQ(got.inputs[5].bytes, counter.bytes);
        }
    }
}

TEST_P(OptimizerTest, AccumulateAndAssign) {
  auto want = wd;
  for (std::size_t i = 0; i < want.size(); ++i) want[i] += gd[i];
  for (const Isa isa : supported_isas()) {
    expect_close(run_op("accumulate", {}, {w, g}, isa, 2).inputs[0].values<float>(), want, 1, "");
    EXPECT_EQ(run_op("assign", {}, {w, g}, isa, 2).inputs[0].bytes, g.bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, OptimizerTest, ::testing::Values(0, 1, 15, 16, 333, 70001));

TEST(OptimizerTest, CountersAndMistakes) {
  const Operand counter = operand(Shape{2}, std::vector<std::int64_t>{5, 7});
  const Attributes second{{"index", std::int64_t{1}}, {"by", std::int64_t{3}}};
  EXPECT_EQ(
      run_op("increment", second, {counter}, current_isa(), 2).inputs[0].values<std::int64_t>(),
      (std::vector<std::int64_t>{5, 10}));
  const auto throws = [](const char* op, const Attributes& a, const std::vector<Operand>& inputs) {
    std::vector<TensorType> types;
    for (const Operand& o : inputs) types.push_back(o.type);
    EXPECT_THROW(find_op(op).infer({a, types}), ValueError) << op << " " << a.str();
  };
  throws("increment", {{"index", std::int64_t{2}}}, {counter});
  throws("increment", {{"index", std::int64_t{-1}}}, {counter});
  const Operand w = random_operand({3}, 1), g = random_operand({4}, 1);
  const Operand lr = operand(Shape{}, std::vector<float>{0.1f});
  throws("sgd_update", {}, {w, g, lr});
  throws("sgd_update", {{"momentum", 0.9}}, {w, w, lr});
  throws("sgd_update", {{"momentum", 1.5}}, {w, w, lr, w});
  throws("sgd_update", {}, {w, w, w});
}

}  // namespace
}  // namespace cnnfast
