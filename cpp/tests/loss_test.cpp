// Softmax, cross-entropy and accuracy at every ISA against the float64 reference.
#include "reference/loss.h"

#include "base/caches.h"
#include "reference/metric.h"
#include "tests/op_runner.h"

namespace cnnfast {
namespace {

using namespace testing;

struct RowsCase {
  std::int64_t rows, classes;
};

class LossTest : public ::testing::TestWithParam<RowsCase> {
 protected:
  std::int64_t rows = GetParam().rows, classes = GetParam().classes;
  std::size_t size = static_cast<std::size_t>(rows * classes);

  std::string where(Isa isa, int threads) const {
    return concat(" ", name_of(isa), " threads ", threads, " rows ", rows, " classes ", classes);
  }
  // Logits up to 30 on either side, one row of huge ones.
  Operand logits() const {
    auto v = random_floats(rows * classes, 1);
    for (float& each : v) each *= 10;
    for (std::int64_t c = 0; rows > 1 && c < classes; ++c)
      v[static_cast<std::size_t>(classes + c)] *= 1000;
    return operand({rows, classes}, v);
  }
  // Positive rows that do not sum to one, with a zero and a certainty.
  Operand probabilities(unsigned seed) const {
    auto v = random_floats(rows * classes, seed);
    for (float& each : v) each = std::abs(each) + 0.01f;
    if (size > 0) v[0] = 0;
    return operand({rows, classes}, v);
  }
  Operand labels() const {
    std::vector<std::int32_t> v(static_cast<std::size_t>(rows));
    for (std::size_t r = 0; r < v.size(); ++r)
      v[r] = r % 7 == 5   ? -1
             : r % 7 == 6 ? static_cast<std::int32_t>(classes)
                          : static_cast<std::int32_t>(r * 13 % std::size_t(classes));
    return operand({rows}, v);
  }
};

void expect_softmax(const Operand& x, std::int64_t rows, std::int64_t classes) {
  const Operand dy = random_operand({rows, classes}, 3);
  const auto xd = doubles(x.values<float>()), dyd = doubles(dy.values<float>());
  std::vector<double> y(xd.size()), log_y(xd.size()), dx(xd.size());
  reference::softmax(xd.data(), y.data(), rows, classes);
  reference::log_softmax(xd.data(), log_y.data(), rows, classes);
  reference::softmax_backward(y.data(), dyd.data(), dx.data(), rows, classes);
  const Operand yf = operand({rows, classes}, std::vector<float>(y.begin(), y.end()));
  for (const Isa isa : supported_isas())
    for (const int threads : {1, 2}) {
      const std::string where =
          concat(" ", name_of(isa), " threads ", threads, " x ", x.type.shape);
      const auto got = run_op("softmax", {}, {x}, isa, threads);
      EXPECT_EQ(got.implementation, "vector");
      expect_close(got.outputs[0].values<float>(), y, 0.1, "softmax" + where);
      expect_close(run_op("log_softmax", {}, {x}, isa, threads).outputs[0].values<float>(), log_y,
                   1, "log_softmax" + where);
      expect_close(
          run_op("softmax_backward", {}, {yf, dy}, isa, threads).outputs[0].values<float>(), dx, 1,
          "dx" + where);
    }
}

TEST_P(LossTest, Softmax) { expect_softmax(logits(), rows, classes); }

// More classes than are kept for it, and so few that no whole vector of them is between boundaries.
TEST(LossTest, SoftmaxPastTheCaches) {
  for (const std::int64_t classes : {1001, 2051, 15}) {
    const std::int64_t rows = kCachedFloats / 2 / classes + 3;
    expect_softmax(random_operand({rows, classes}, 11), rows, classes);
  }
}

TEST_P(LossTest, CategoricalCrossentropy) {
  const Operand y_true = probabilities(5), d = random_operand({rows}, 6);
  const auto t = doubles(y_true.values<float>()), dd = doubles(d.values<float>());
  for (const bool from_logits : {true, false})
    for (const double smoothing : {0.0, 0.1}) {
      const Operand x = from_logits ? logits() : probabilities(4);
      const auto xd = doubles(x.values<float>());
      std::vector<double> losses(static_cast<std::size_t>(rows)), dx(size);
      reference::categorical_crossentropy(xd.data(), t.data(), losses.data(), rows, classes,
                                          from_logits, smoothing);
      reference::categorical_crossentropy_backward(xd.data(), t.data(), dd.data(), dx.data(), rows,
                                                   classes, from_logits, smoothing);
      const Attributes a{{"from_logits", from_logits}, {"label_smoothing", smoothing}};
      for (const Isa isa : supported_isas())
        for (const int threads : {1, 2}) {
          const auto got = run_op("categorical_crossentropy", a, {x, y_true}, isa, threads);
          EXPECT_EQ(got.implementation, "vector");
          expect_close(got.outputs[0].values<float>(), losses, 10,
                       "losses " + a.str() + where(isa, threads));
          expect_close(run_op("categorical_crossentropy_backward", a, {x, y_true, d}, isa, threads)
                           .outputs[0]
                           .values<float>(),
                       dx, static_cast<double>(classes) * 2, "dx " + a.str() + where(isa, threads));
        }
    }
}

TEST_P(LossTest, SparseCategoricalCrossentropy) {
  const Operand y_true = labels(), d = random_operand({rows}, 6);
  const auto t = y_true.values<std::int32_t>();
  const auto dd = doubles(d.values<float>());
  Operand wide = operand({rows}, std::vector<std::int64_t>(t.begin(), t.end()));
  for (const bool from_logits : {true, false}) {
    const Operand x = from_logits ? logits() : probabilities(4);
    const auto xd = doubles(x.values<float>());
    std::vector<double> losses(static_cast<std::size_t>(rows)), dx(size);
    reference::sparse_categorical_crossentropy(xd.data(), t.data(), losses.data(), rows, classes,
                                               from_logits);
    reference::sparse_categorical_crossentropy_backward(xd.data(), t.data(), dd.data(), dx.data(),
                                                        rows, classes, from_logits);
    const Attributes a{{"from_logits", from_logits}};
    for (const Isa isa : supported_isas())
      for (const Operand* labels : {&y_true, static_cast<const Operand*>(&wide)}) {
        const auto got = run_op("sparse_categorical_crossentropy", a, {x, *labels}, isa, 2);
        EXPECT_EQ(got.implementation, "vector");
        expect_close(got.outputs[0].values<float>(), losses, 10,
                     "losses " + a.str() + where(isa, 2));
        expect_close(run_op("sparse_categorical_crossentropy_backward", a, {x, *labels, d}, isa, 2)
                         .outputs[0]
                         .values<float>(),
                     dx, 10, "dx " + a.str() + where(isa, 2));
      }
  }
}

TEST_P(LossTest, Accuracy) {
  auto v = random_floats(rows * classes, 1);
  for (float& each : v) each = std::round(each * 2);  // ties
  for (std::size_t i = 0; i < v.size(); i += 37) v[i] = NAN;
  const Operand x = operand({rows, classes}, v), y_true = probabilities(2);
  const Operand sparse = labels();
  std::vector<float> hits(static_cast<std::size_t>(rows)), sparse_hits(hits.size());
  reference::categorical_accuracy(v.data(), y_true.values<float>().data(), hits.data(), rows,
                                  classes);
  reference::sparse_categorical_accuracy(v.data(), sparse.values<std::int32_t>().data(),
                                         sparse_hits.data(), rows, classes);
  for (const Isa isa : supported_isas()) {
    EXPECT_EQ(run_op("categorical_accuracy", {}, {x, y_true}, isa, 2).outputs[0].values<float>(),
              hits);
    EXPECT_EQ(
        run_op("sparse_categorical_accuracy", {}, {x, sparse}, isa, 2).outputs[0].values<float>(),
        sparse_hits);
  }
}

TEST_P(LossTest, BinaryCrossentropy) {
  auto truths = random_floats(rows * classes, 3);
  for (float& t : truths) t = t > 0 ? 1.0f : 0.0f;
  const Operand y_true = operand({rows, classes}, truths), d = random_operand({rows, classes}, 6);
  const auto td = doubles(truths), dd = doubles(d.values<float>());
  auto shares = random_floats(rows * classes, 8);
  for (float& p : shares) p = 1 / (1 + std::exp(-p));
  for (const bool from_logits : {true, false})
    for (const double smoothing : {0.0, 0.2}) {
      const Operand x = from_logits ? logits() : operand({rows, classes}, shares);
      const auto xd = doubles(x.values<float>());
      std::vector<double> losses(size), dx(size);
      reference::binary_crossentropy(xd.data(), td.data(), losses.data(), rows * classes,
                                     from_logits, smoothing);
      reference::binary_crossentropy_backward(xd.data(), td.data(), dd.data(), dx.data(),
                                              rows * classes, from_logits, smoothing);
      const Attributes a{{"from_logits", from_logits}, {"label_smoothing", smoothing}};
      for (const Isa isa : supported_isas()) {
        const auto got = run_op("binary_crossentropy", a, {x, y_true}, isa, 2);
        EXPECT_EQ(got.implementation, "vector");
        expect_close(got.outputs[0].values<float>(), losses, 1, "losses " + a.str());
        expect_close(run_op("binary_crossentropy_backward", a, {x, y_true, d}, isa, 2)
                         .outputs[0]
                         .values<float>(),
                     dx, 10, "dx " + a.str());
      }
    }
}

TEST_P(LossTest, InTopK) {
  auto v = random_floats(rows * classes, 1);
  for (float& each : v) each = std::round(each * 2);  // ties
  for (std::size_t i = 0; i < v.size(); i += 37) v[i] = NAN;
  const Operand x = operand({rows, classes}, v);
  auto wanted = labels().values<std::int32_t>();
  const Operand y_true = operand({rows}, wanted);
  for (const std::int64_t k : {1, 2, 5}) {
    std::vector<float> hits(static_cast<std::size_t>(rows));
    reference::in_top_k(v.data(), wanted.data(), hits.data(), rows, classes, std::min(k, classes));
    for (const Isa isa : supported_isas()) {
      const auto got = run_op("in_top_k", {{"k", k}}, {x, y_true}, isa, 2);
      EXPECT_EQ(got.implementation, "vector");
      EXPECT_EQ(got.outputs[0].values<float>(), hits) << k;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, LossTest,
                         ::testing::Values(RowsCase{0, 3}, RowsCase{1, 1}, RowsCase{9, 2},
                                           RowsCase{130, 10}, RowsCase{17, 16}, RowsCase{21, 37},
                                           RowsCase{40, 1000}));

TEST(LossTest, SaysWhatIsWrong) {
  const TensorType y{Shape{4, 3}, DType::f32, MemorySpace::host};
  const auto infer = [&](const char* op, const TensorType& target, const Attributes& a = {}) {
    const std::vector<TensorType> types{y, target};
    return find_op(op).infer({a, types});
  };
  const auto type = [](Shape s, DType d) { return TensorType{s, d, MemorySpace::host}; };
  EXPECT_THROW(infer("categorical_crossentropy", type({4, 2}, DType::f32)), ValueError);
  EXPECT_THROW(infer("categorical_crossentropy", type({4, 3}, DType::f64)), TypeError);
  EXPECT_THROW(infer("categorical_crossentropy", y, {{"label_smoothing", 2.0}}), ValueError);
  EXPECT_THROW(infer("sparse_categorical_crossentropy", type({4, 1}, DType::i64)), ValueError);
  EXPECT_THROW(infer("sparse_categorical_crossentropy", type({4}, DType::f32)), TypeError);
  EXPECT_THROW(infer("sparse_categorical_accuracy", type({3}, DType::u8)), ValueError);
}

}  // namespace
}  // namespace cnnfast
