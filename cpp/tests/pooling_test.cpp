// Pooling and its gradients at every ISA against the float64 reference.
#include "reference/pooling.h"

#include "tests/op_runner.h"

namespace cnnfast {
namespace {

using namespace testing;

struct PoolCase {
  std::int64_t n, h, w, c;
  std::vector<std::int64_t> pool, strides;
  std::string padding = "valid";
  std::vector<std::int64_t> pads = {};
};

Attributes attributes_of(const PoolCase& c) {
  Attributes a{{"pool_size", c.pool}, {"strides", c.strides}, {"padding", c.padding}};
  if (!c.pads.empty()) a.set("pads", c.pads);
  return a;
}

// The geometry again, from the definition.
reference::PoolShape shape_of(const PoolCase& c, const Shape& y) {
  reference::PoolShape s{c.n,       c.h,       c.w,          c.c,          y[1], y[2],
                         c.pool[0], c.pool[1], c.strides[0], c.strides[1], 0,    0};
  if (c.padding == "same") {
    const auto before = [](auto in, auto out, auto window, auto stride) {
      return std::max<std::int64_t>((out - 1) * stride + window - in, 0) / 2;
    };
    s.top = before(c.h, y[1], c.pool[0], c.strides[0]);
    s.left = before(c.w, y[2], c.pool[1], c.strides[1]);
  } else if (c.padding == "explicit") {
    s.top = c.pads[0];
    s.left = c.pads[2];
  }
  return s;
}

class PoolTest : public ::testing::TestWithParam<PoolCase> {};

TEST_P(PoolTest, AgreesWithReference) {
  const PoolCase c = GetParam();
  const Attributes attributes = attributes_of(c);
  Operand x = random_operand({c.n, c.h, c.w, c.c}, 1);
  {  // a few ties, infinities and NaN
    auto v = x.values<float>();
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (i % 3 == 0) v[i] = 0.5f;
      if (i % 41 == 40) v[i] = NAN;
      if (i % 29 == 28) v[i] = -INFINITY;
    }
    x = operand(x.type.shape, v);
  }
  const Shape y_shape = find_op("avg_pool2d").infer({attributes, {&x.type, 1}})[0].shape;
  const reference::PoolShape s = shape_of(c, y_shape);
  const Operand dy = random_operand(y_shape, 2);
  const auto xf = x.values<float>();
  const auto xd = doubles(xf), dyd = doubles(dy.values<float>());
  std::vector<double> y(dyd.size()), dx(xd.size()), mean(dyd.size()), dmean(xd.size());
  std::vector<std::int32_t> place(dyd.size());
  reference::max_pool2d(xd.data(), y.data(), place.data(), s);
  reference::max_pool2d_backward(dyd.data(), place.data(), dx.data(), s);
  reference::avg_pool2d(xd.data(), mean.data(), s);
  reference::avg_pool2d_backward(dyd.data(), dmean.data(), s);

  Attributes backward = attributes;
  backward.set("input_shape", std::vector<std::int64_t>{-1, c.h, c.w, c.c});
  for (const Isa isa : supported_isas())
    for (const int threads : {1, 2}) {
      const std::string where = concat(" ", name_of(isa), " threads ", threads, " x ", x.type.shape,
                                       " ", attributes.str());
      const Outcome max = run_op("max_pool2d", attributes, {x}, isa, threads);
      EXPECT_EQ(max.implementation, "vector");
      expect_close(max.outputs[0].values<float>(), y, 0, "y" + where, 1e-7);
      const bool bytes = c.pool[0] * c.pool[1] <= 256;
      if (bytes) {
        const auto got = max.outputs[1].values<std::uint8_t>();
        EXPECT_TRUE(std::equal(got.begin(), got.end(), place.begin())) << "argmax" << where;
      } else {
        EXPECT_EQ(max.outputs[1].values<std::int32_t>(), place) << "argmax" << where;
      }
      const Outcome dmax =
          run_op("max_pool2d_backward", backward, {dy, max.outputs[1]}, isa, threads);
      expect_close(dmax.outputs[0].values<float>(), dx, 1, "dx" + where);
      const Outcome avg = run_op("avg_pool2d", attributes, {x}, isa, threads);
      expect_close(avg.outputs[0].values<float>(), mean, 1, "mean" + where);
      const Outcome davg = run_op("avg_pool2d_backward", backward, {dy}, isa, threads);
      expect_close(davg.outputs[0].values<float>(), dmean, 1, "dmean" + where);
    }
}

std::vector<PoolCase> cases() {
  std::vector<PoolCase> all;
  for (const std::int64_t c : {1, 2, 3, 5, 6, 8, 16, 17, 33}) {
    all.push_back({2, 9, 23, c, {2, 2}, {2, 2}});
    all.push_back({1, 8, 37, c, {3, 3}, {2, 2}});
    all.push_back({3, 7, 7, c, {2, 2}, {1, 1}, "same"});
    all.push_back({1, 11, 13, c, {3, 2}, {2, 3}, "same"});
    all.push_back({1, 5, 21, c, {2, 1}, {3, 4}});
    all.push_back({4, 6, 19, c, {2, 2}, {2, 2}, "explicit", {1, 0, 1, 1}});
  }
  all.push_back({0, 4, 4, 3, {2, 2}, {2, 2}});
  all.push_back({1, 1, 1, 5, {1, 1}, {1, 1}});
  all.push_back({1, 1, 1, 5, {3, 3}, {1, 1}, "explicit", {2, 2, 2, 2}});  // one input in a window
  all.push_back({2, 3, 4, 3, {5, 5}, {2, 2}, "explicit", {4, 4, 4, 4}});
  all.push_back({1, 7, 7, 40, {7, 7}, {7, 7}});
  all.push_back({1, 20, 20, 3, {17, 17}, {3, 3}});  // places beyond a byte
  all.push_back({1, 4, 4, 3, {1, 1}, {3, 3}, "same"});
  // From memory, where the next windows are asked for.
  all.push_back({3, 131, 173, 17, {3, 2}, {2, 3}, "same"});
  all.push_back({5, 90, 90, 32, {2, 2}, {2, 2}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Shapes, PoolTest, ::testing::ValuesIn(cases()));

TEST(PoolTest, SaysWhatIsWrong) {
  const auto infer = [](const char* op, const TensorType& x, const Attributes& attributes) {
    return find_op(op).infer({attributes, {&x, 1}});
  };
  using Sizes = std::vector<std::int64_t>;
  const TensorType x{Shape{1, 4, 4, 2}, DType::f32, MemorySpace::host};
  EXPECT_THROW(infer("max_pool2d", x, {{"pool_size", Sizes{5, 5}}}), ValueError);
  EXPECT_THROW(infer("max_pool2d", x, {{"pool_size", Sizes{0, 2}}}), ValueError);
  EXPECT_THROW(infer("max_pool2d", x, {{"pool_size", Sizes{2}}}), ValueError);
  EXPECT_THROW(infer("max_pool2d", x, {{"pool_size", Sizes{2, 2}}, {"strides", Sizes{0, 1}}}),
               ValueError);
  EXPECT_THROW(infer("avg_pool2d", {Shape{4, 4}, DType::f32, MemorySpace::host},
                     {{"pool_size", Sizes{2, 2}}}),
               ValueError);
  EXPECT_THROW(infer("avg_pool2d", {Shape{1, 4, 4, 2}, DType::i32, MemorySpace::host},
                     {{"pool_size", Sizes{2, 2}}}),
               TypeError);
  EXPECT_THROW(infer("avg_pool2d_backward", x,
                     {{"pool_size", Sizes{2, 2}}, {"input_shape", Sizes{1, 4, 4, 2}}}),
               ValueError);
  const TensorType symbolic{Shape{kSymbolic, 4, 4, 2}, DType::f32, MemorySpace::host};
  EXPECT_EQ(infer("max_pool2d", symbolic, {{"pool_size", Sizes{2, 2}}})[0].shape,
            (Shape{kSymbolic, 2, 2, 2}));
}

}  // namespace
}  // namespace cnnfast
