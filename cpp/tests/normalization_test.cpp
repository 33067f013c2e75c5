// Normalisations at every ISA against the reference in float64, between guard bands.
#include "reference/batch_norm.h"
#include "tests/op_runner.h"

namespace cnnfast {
namespace {

using namespace testing;

struct RowsCase {
  std::int64_t rows, channels;
};

class BatchNormTest : public ::testing::TestWithParam<RowsCase> {
 protected:
  std::int64_t rows = GetParam().rows, channels = GetParam().channels;
  std::size_t size = static_cast<std::size_t>(rows * channels),
              width = static_cast<std::size_t>(channels);

  // A mean of 100 and a deviation of 1: what sums of squares would take two digits of.
  Operand data() const {
    auto v = random_floats(rows * channels, 1);
    for (float& each : v) each += 100;
    return operand({rows, channels}, v);
  }
  std::string where(Isa isa, int threads) const {
    return concat(" ", name_of(isa), " threads ", threads, " rows ", rows, " channels ", channels);
  }
};

TEST_P(BatchNormTest, ForwardAndBackward) {
  const Operand x = data(), dy = random_operand({rows, channels}, 2),
                gamma = random_operand({channels}, 3), beta = random_operand({channels}, 4);
  const auto xd = doubles(x.values<float>()), dyd = doubles(dy.values<float>()),
             gd = doubles(gamma.values<float>()), bd = doubles(beta.values<float>());
  std::vector<double> mean(width), variance(width), low(width), y(size), dx(size), dgamma(width),
      dbeta(width);
  reference::batch_moments(xd.data(), rows, channels, mean.data(), variance.data(), low.data());
  for (const bool relu : {false, true}) {
    const reference::BatchNorm<double> b{rows,
                                         channels,
                                         xd.data(),
                                         gd.data(),
                                         bd.data(),
                                         mean.data(),
                                         variance.data(),
                                         nullptr,
                                         1e-3,
                                         relu ? ActivationKind::relu : ActivationKind::linear,
                                         0};
    reference::batch_norm(b, y.data());
    reference::batch_norm_backward(b, dyd.data(), true, dx.data(), dgamma.data(), dbeta.data());
    Attributes attributes{{"epsilon", 1e-3}};
    if (relu) attributes.set("activation", std::string("relu"));
    for (const Isa isa : supported_isas())
      for (const int threads : {1, 2, 3}) {
        const auto got = run_op("batch_norm_training", attributes, {x, gamma, beta}, isa, threads);
        EXPECT_EQ(got.implementation, "vector");
        expect_close(got.outputs[0].values<float>(), y, 1, "y" + where(isa, threads), 1e-5);
        expect_close(got.outputs[1].values<float>(), mean, 1, "mean" + where(isa, threads));
        expect_close(got.outputs[2].values<float>(), variance, 0, "variance" + where(isa, threads),
                     1e-5);
        Attributes training = attributes;
        training.set("training", true);
        const auto back = run_op(
            "batch_norm_backward", training,
            {x, dy, gamma, beta, got.outputs[1], got.outputs[2], got.outputs[3]}, isa, threads);
        EXPECT_EQ(back.implementation, "vector");
        // Where the value itself is within rounding of 0 the mask may fall either way.
        bool edge = false;
        for (double v : y) edge = edge || (relu && v > 0 && v < 1e-4);
        if (edge) continue;
        const double n = std::sqrt(static_cast<double>(rows));
        expect_close(back.outputs[0].values<float>(), dx, 1, "dx" + where(isa, threads), 2e-5);
        expect_close(back.outputs[1].values<float>(), dgamma, n, "dgamma" + where(isa, threads),
                     2e-5);
        expect_close(back.outputs[2].values<float>(), dbeta, n, "dbeta" + where(isa, threads),
                     2e-5);
      }
  }
}

TEST_P(BatchNormTest, GivenStatistics) {
  const Operand x = random_operand({rows, channels}, 1), gamma = random_operand({channels}, 2),
                beta = random_operand({channels}, 3), mean = random_operand({channels}, 4);
  auto spread = random_floats(channels, 5);
  for (float& each : spread) each = 0.1f + each * each;
  const Operand variance = operand({channels}, spread);
  const auto xd = doubles(x.values<float>()), gd = doubles(gamma.values<float>()),
             bd = doubles(beta.values<float>()), md = doubles(mean.values<float>()),
             vd = doubles(spread);
  std::vector<double> y(size);
  reference::batch_norm<double>({rows, channels, xd.data(), gd.data(), bd.data(), md.data(),
                                 vd.data(), nullptr, 0.0, ActivationKind::leaky_relu, 0.25},
                                y.data());
  for (const Isa isa : supported_isas())
    for (const int threads : {1, 2}) {
      const auto got =
          run_op("batch_norm",
                 {{"epsilon", 0.0}, {"activation", std::string("leaky_relu")}, {"alpha", 0.25}},
                 {x, gamma, beta, mean, variance}, isa, threads);
      EXPECT_EQ(got.implementation, "vector");
      expect_close(got.outputs[0].values<float>(), y, 2, "y" + where(isa, threads));
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, BatchNormTest,
                         ::testing::Values(RowsCase{2, 1}, RowsCase{5, 3}, RowsCase{33, 17},
                                           RowsCase{300, 1}, RowsCase{1500, 12}, RowsCase{97, 64},
                                           RowsCase{70, 67}, RowsCase{9000, 5},
                                           RowsCase{2100, 33}));

}  // namespace
}  // namespace cnnfast
