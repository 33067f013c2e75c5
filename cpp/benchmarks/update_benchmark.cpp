// Adam and the transform of Winograd's weights for the next step: one after the other, or in strips
// of source channels that L1 holds between the two. Names: way/isa/source channels x destination.
//   cnnfast_benchmarks --benchmark_filter='update'
#include <benchmark/benchmark.h>

#include <algorithm>

#include "cnnfast/isa.h"
#include "ops/conv2d_winograd.h"
#include "tests/conv_case.h"

namespace cnnfast::testing {
namespace {

class Layer {
 public:
  Layer(std::int64_t c, std::int64_t k, Isa isa) : c_(c), k_(k), kernels_(kernels_for(isa)) {
    const ConvCase size{1, 14, 14, c, k, 3, 3};
    plan_ = plan_winograd(size.shape(), kernels_.conv, false);
    for (auto* each : {&w_, &g_, &m_, &v_}) *each = random_values<float>(9 * c * k, 1);
    for (float& v : v_) v = v * v;
    packed_.resize(static_cast<std::size_t>(kernels_.conv.winograd_weights(plan_.pass)));
  }

  // Source channels [begin, end) of all taps.
  void update(std::int64_t begin, std::int64_t end) {
    for (std::int64_t tap = 0; tap < 9; ++tap) {
      const std::int64_t first = (tap * c_ + begin) * k_;
      AdamStep step{};
      step.w = w_.data() + first;
      step.g = g_.data() + first;
      step.m = m_.data() + first;
      step.v = v_.data() + first;
      step.size = (end - begin) * k_;
      step.step_size = step.one_minus_beta2 = 1e-3f;
      step.one_minus_beta1 = 0.1f;
      step.epsilon = 1e-7f;
      kernels_.train.adam(step);
    }
  }
  void pack(std::int64_t begin, std::int64_t end) {
    const std::int64_t units = (c_ + kPackUnit - 1) / kPackUnit;
    for (std::int64_t block = 0; block < plan_.blocks; ++block)
      kernels_.conv.winograd_pack(plan_.pass, w_.data(), packed_.data(),
                                  block * units + begin / kPackUnit,
                                  block * units + (end + kPackUnit - 1) / kPackUnit);
  }
  void both(std::int64_t strip) {
    for (std::int64_t begin = 0; begin < c_; begin += strip) {
      const std::int64_t end = std::min(c_, begin + strip);
      update(begin, end);
      pack(begin, end);
    }
  }

 private:
  std::int64_t c_, k_;
  const Kernels& kernels_;
  WinogradPlan plan_;
  std::vector<float> w_, g_, m_, v_, packed_;
};

const bool registered = [] {
  for (const Isa isa : supported_isas())
    for (const auto& [c, k] : {std::pair<std::int64_t, std::int64_t>{32, 64}, {64, 64}, {256, 256}})
      for (const bool strips : {false, true}) {
        const std::string name =
            concat("update ", strips ? "in strips" : "apart", "/", name_of(isa), "/", c, "x", k);
        const std::int64_t strip = strips ? kPackUnit : c;
        benchmark::RegisterBenchmark(name.c_str(), [c = c, k = k, isa,
                                                    strip](benchmark::State& state) {
          Layer layer(c, k, isa);
          for (auto _ : state) layer.both(strip);
        })->Unit(benchmark::kMicrosecond);
      }
  return true;
}();

}  // namespace
}  // namespace cnnfast::testing
