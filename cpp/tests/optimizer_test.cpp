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
      reference::adam_update(
          want.data(), gd.data(), rate, want_m.data(), want_v.data(), static_cast<double*>(nullptr),
          reference::adam_step_size(rate, 0.9, 0.999, step + 1), size, {0.9, 0.999, 1e-7, decay});
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

// Quotients are made of an estimate: of gradients from the smallest to those whose squares
// overflow, whose step is then 0, none comes out as anything else.
TEST(Optimizer, AdamDividesByAnySquareRoot) {
  std::vector<float> gradients{0.0f, -0.0f, 1e-30f};
  for (float g = 1e-18f; g < 1e18f; g *= 1.37f) gradients.push_back(g);
  const std::size_t finite = gradients.size();
  for (const float g : {2e19f, 1e30f, 3e38f}) gradients.push_back(g);
  const auto size = static_cast<std::int64_t>(gradients.size());
  const std::vector<float> zeros(gradients.size(), 0.0f);
  const Operand none = operand({size}, zeros), lr = operand(Shape{}, std::vector<float>{kRate});
  const Operand counter = operand(Shape{}, std::vector<std::int64_t>{0});
  const auto rate = static_cast<double>(kRate);
  const auto g = doubles(gradients);
  std::vector<double> want(gradients.size(), 0.0), m = want, v = want;
  reference::adam_update(
      want.data(), g.data(), rate, m.data(), v.data(), static_cast<double*>(nullptr),
      reference::adam_step_size(rate, 0.9, 0.999, 1), size, {0.9, 0.999, 1e-7, 0.0});
  for (std::size_t i = finite; i < want.size(); ++i) want[i] = 0.0;
  for (const Isa isa : supported_isas()) {
    const auto got = run_op("adam_update", {},
                            {none, operand({size}, gradients), lr, none, none, counter}, isa, 1)
                         .inputs[0]
                         .values<float>();
    for (std::size_t i = 0; i < want.size(); ++i)
      EXPECT_NEAR(static_cast<double>(got[i]), want[i], 1e-6 * std::abs(want[i]))
          << name_of(isa) << " gradient " << gradients[i];
  }
}

TEST_P(OptimizerTest, AdamKeepsTheLargestSquares) {
  const Operand m = random_operand({size}, 3);
  auto squares = random_floats(size, 4), largest = random_floats(size, 5);
  for (float& v : squares) v *= v;
  for (float& v : largest) v *= v;
  auto want = wd, want_m = doubles(m.values<float>()), want_v = doubles(squares),
       want_largest = doubles(largest);
  const double rate = static_cast<double>(kRate);
  reference::adam_update(want.data(), gd.data(), rate, want_m.data(), want_v.data(),
                         want_largest.data(), reference::adam_step_size(rate, 0.9, 0.999, 4), size,
                         {0.9, 0.999, 1e-7, 0});
  const Operand counter = operand(Shape{}, std::vector<std::int64_t>{3});
  for (const Isa isa : supported_isas()) {
    const auto got =
        run_op("adam_update", {{"amsgrad", true}},
               {w, g, lr, m, operand({size}, squares), counter, operand({size}, largest)}, isa, 2);
    EXPECT_EQ(got.implementation, "vector");
    expect_close(got.inputs[0].values<float>(), want, 1, "w");
    expect_close(got.inputs[6].values<float>(), want_largest, 1, "largest");
  }
}

TEST_P(OptimizerTest, Rmsprop) {
  auto squares = random_floats(size, 4);
  for (float& v : squares) v = v * v + 1;  // at least the square of the average
  const auto averages = random_floats(size, 5);
  const Operand velocity = operand({size}, squares), average = operand({size}, averages);
  const Operand buffer = random_operand({size}, 6);
  for (const bool centered : {false, true})
    for (const double momentum : {0.0, 0.5}) {
      auto want = wd, want_v = doubles(squares), want_m = doubles(buffer.values<float>());
      std::vector<float> small = averages;
      for (float& a : small) a *= 0.1f;
      auto want_a = doubles(small);
      reference::rmsprop_update(want.data(), gd.data(), static_cast<double>(kRate), want_v.data(),
                                centered ? want_a.data() : nullptr,
                                momentum > 0 ? want_m.data() : nullptr, size,
                                {0.8, momentum, 1e-7, 0.1});
      std::vector<Operand> inputs{w, g, lr, velocity};
      if (centered) inputs.push_back(operand({size}, small));
      if (momentum > 0) inputs.push_back(buffer);
      const Attributes a{
          {"rho", 0.8}, {"centered", centered}, {"momentum", momentum}, {"weight_decay", 0.1}};
      for (const Isa isa : supported_isas())
        for (const int threads : {1, 2}) {
          const auto got = run_op("rmsprop_update", a, inputs, isa, threads);
          EXPECT_EQ(got.implementation, "vector");
          expect_close(got.inputs[0].values<float>(), want, 1, "w " + a.str());
          expect_close(got.inputs[3].values<float>(), want_v, 1, "v " + a.str());
          if (centered) expect_close(got.inputs[4].values<float>(), want_a, 1, "a " + a.str());
          if (momentum > 0)
            expect_close(got.inputs.back().values<float>(), want_m, 1, "m " + a.str());
        }
    }
}

TEST_P(OptimizerTest, AdagradAndEma) {
  auto squares = random_floats(size, 4);
  for (float& v : squares) v *= v;
  auto want = wd, want_a = doubles(squares);
  reference::adagrad_update(want.data(), gd.data(), static_cast<double>(kRate), want_a.data(), size,
                            1e-7, 0.1);
  for (const Isa isa : supported_isas())
    for (const int threads : {1, 2}) {
      const auto got = run_op("adagrad_update", {{"weight_decay", 0.1}},
                              {w, g, lr, operand({size}, squares)}, isa, threads);
      EXPECT_EQ(got.implementation, "vector");
      expect_close(got.inputs[0].values<float>(), want, 1, "w", 1e-5);
      expect_close(got.inputs[3].values<float>(), want_a, 1, "a");
    }
  for (const std::int64_t t : {0, 4, 5}) {
    auto want_w = wd, average = doubles(g.values<float>());
    reference::ema_update(average.data(), want_w.data(), t == 0 ? 0.0 : 0.9, t == 5, size);
    const Operand counter = operand(Shape{}, std::vector<std::int64_t>{t});
    for (const Isa isa : supported_isas()) {
      const auto got =
          run_op("ema_update", {{"momentum", 0.9}, {"overwrite_every", std::int64_t{3}}},
                 {g, w, counter}, isa, 2);
      EXPECT_EQ(got.implementation, "vector");
      expect_close(got.inputs[0].values<float>(), average, 1, "average");
      expect_close(got.inputs[1].values<float>(), want_w, 1, "w");
    }
  }
}

TEST_P(OptimizerTest, UpdatesWaitUntilTheyAreDue) {
  const Attributes every{{"every", std::int64_t{3}}};
  const Operand zeros = operand({size}, std::vector<float>(static_cast<std::size_t>(size)));
  auto sum = wd;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += gd[i];
  for (const Isa isa : supported_isas())
    for (const std::int64_t step : {0, 1, 2, 5}) {
      const Operand counter = operand(Shape{}, std::vector<std::int64_t>{step});
      const bool due = step % 3 == 2;
      const auto sgd = run_op("sgd_update", every, {w, g, lr, counter}, isa, 2);
      EXPECT_EQ(sgd.inputs[0].bytes == w.bytes, !due || size == 0);
      EXPECT_EQ(sgd.inputs[3].bytes, counter.bytes);
      const auto total = run_op("accumulate_gradient", every, {w, g, counter}, isa, 2);
      if (due)
        EXPECT_EQ(total.inputs[0].bytes, zeros.bytes);
      else
        expect_close(total.inputs[0].values<float>(), sum, 1, "total");
      const auto assigned = run_op("assign", every, {w, g, counter}, isa, 2);
      EXPECT_EQ(assigned.inputs[0].bytes, due ? g.bytes : w.bytes);
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
  throws("sgd_update", {{"every", std::int64_t{2}}}, {w, w, lr});
  throws("sgd_update", {{"every", std::int64_t{0}}}, {w, w, lr});
  throws("adam_update", {{"amsgrad", true}}, {w, w, lr, w, w, lr});
  throws("rmsprop_update", {{"centered", true}}, {w, w, lr, w});
  throws("rmsprop_update", {{"rho", 1.5}}, {w, w, lr, w});
  throws("adagrad_update", {}, {w, w, lr, g});
  throws("accumulate_gradient", {}, {w, w, lr});
  throws("ema_update", {{"momentum", 2.0}}, {w, w, lr});
}

}  // namespace
}  // namespace cnnfast
