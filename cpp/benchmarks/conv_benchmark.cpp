// GFLOP/s of every implementation of the three convolution passes, weights packed in every run as
// in training. Names: pass/implementation/isa/threads/layer. Example:
//   cnnfast_benchmarks --benchmark_filter='conv2d/direct/avx512/1/'
#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>

#include "cnnfast/isa.h"
#include "tests/conv_case.h"

namespace cnnfast::testing {
namespace {

ConvCase layer(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t k, std::int64_t r,
               std::int64_t stride, std::int64_t pad) {
  ConvCase l{n, h, h, c, k, r, r};
  l.sh = l.sw = stride;
  l.padding = "explicit";
  l.pads = {pad, pad, pad, pad};
  return l;
}

struct Layer {
  const char* name;
  ConvCase size;
};
const std::vector<Layer>& layers() {
  static const std::vector<Layer> list = {
      {"tutorial1", layer(128, 1, 28, 32, 3, 1, 0)},
      {"tutorial2", layer(128, 32, 13, 64, 3, 1, 0)},
      {"mnist1", layer(128, 1, 28, 32, 5, 1, 2)},
      {"mnist2", layer(128, 32, 14, 64, 5, 1, 2)},
      {"mnist3", layer(128, 64, 7, 64, 5, 1, 2)},
      {"lenet1_same", layer(128, 1, 28, 6, 5, 1, 2)},
      {"lenet1", layer(128, 1, 32, 6, 5, 1, 0)},
      {"lenet2", layer(128, 6, 14, 16, 5, 1, 0)},
      {"alexnet1", layer(16, 3, 227, 96, 11, 4, 0)},
      {"alexnet2", layer(16, 96, 27, 256, 5, 1, 2)},
      {"alexnet3", layer(16, 256, 13, 384, 3, 1, 1)},
      {"vgg1", layer(4, 3, 224, 64, 3, 1, 1)},
      {"vgg2", layer(4, 64, 224, 64, 3, 1, 1)},
      {"vgg4", layer(4, 128, 112, 128, 3, 1, 1)},
      {"vgg6", layer(4, 256, 56, 256, 3, 1, 1)},
      {"vgg9", layer(4, 512, 28, 512, 3, 1, 1)},
      {"vgg11", layer(4, 512, 14, 512, 3, 1, 1)},
      {"resnet1", layer(16, 3, 224, 64, 7, 2, 3)},
      {"resnet2", layer(16, 64, 56, 64, 3, 1, 1)},
      {"resnet3", layer(16, 128, 28, 128, 3, 1, 1)},
      {"resnet4", layer(16, 256, 14, 256, 3, 1, 1)},
      {"resnet5", layer(16, 512, 7, 512, 3, 1, 1)},
      {"pointwise1", layer(16, 64, 56, 256, 1, 1, 0)},
      {"pointwise2", layer(16, 256, 56, 64, 1, 1, 0)},
      {"pointwise3", layer(16, 1024, 14, 256, 1, 1, 0)},
      {"pointwise4", layer(16, 256, 56, 512, 1, 2, 0)},
  };
  return list;
}

void time_pass(benchmark::State& state, const ConvCase& size, ConvPassKind kind,
               const Implementation* implementation, Isa isa, int threads) {
  const ConvNode node(size, kind);
  const Problem problem = node.problem(isa, threads);
  std::vector<std::vector<float>> values;
  std::vector<std::byte*> in, out;
  for (const TensorType& type : node.inputs) {
    values.push_back(random_values<float>(type.shape.numel(), 1));
    in.push_back(reinterpret_cast<std::byte*>(values.back().data()));
  }
  for (const TensorType& type : node.outputs) {
    values.emplace_back(static_cast<std::size_t>(type.shape.numel()), std::nanf(""));
    out.push_back(reinterpret_cast<std::byte*>(values.back().data()));
  }
  StepRunner runner(threads, in, out);
  implementation->build(problem, runner);
  runner.run();
  for (const float v : values.back())
    if (std::isnan(v)) return state.SkipWithError("left outputs unwritten");
  for (auto _ : state) runner.run();
  state.counters["GFLOP/s"] = benchmark::Counter(size.shape().flops() * 1e-9,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

const bool registered = [] {
  for (int pass = 0; pass < 3; ++pass)
    for (const Isa isa : supported_isas())
      for (const int threads : {1, 2})
        for (const Layer& each : layers()) {
          const ConvPassKind kind = static_cast<ConvPassKind>(pass);
          const ConvNode node(each.size, kind);
          for (const Implementation* implementation : node.node.op->implementations()) {
            if (implementation->name() == "reference") continue;
            if (implementation->declines(node.problem(isa, threads))) continue;
            const std::string name = concat(kPassNames[pass], "/", implementation->name(), "/",
                                            name_of(isa), "/", threads, "/", each.name);
            benchmark::RegisterBenchmark(name.c_str(), [=, &each](benchmark::State& state) {
              time_pass(state, each.size, kind, implementation, isa, threads);
            })->UseRealTime();
          }
        }
  return true;
}();

}  // namespace
}  // namespace cnnfast::testing
