// The input's gradient of a depthwise 3x3 convolution at strides of 2
// (kernels/conv_depthwise_doubling.h).
#include "ops/conv2d_direct.h"
#include "ops/conv2d_implementations.h"

namespace cnnfast {

namespace {

bool doubles(const WindowAxis& axis) {
  return axis.window == 3 && axis.stride == 2 && axis.dilation == 1;
}

std::int64_t dy_floats(const Conv2dShape& s) { return s.window.h.output * s.window.w.output * s.k; }
std::int64_t dx_floats(const Conv2dShape& s) { return s.window.h.input * s.window.w.input * s.c; }

std::optional<std::string> declines(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  if (problem.node.op->name() != "conv2d_backward_input") return "has a bias and an activation";
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  if (!s.is_depthwise() || s.group_k() != 1) return "needs one channel in and one out per group";
  if (!doubles(s.window.h) || !doubles(s.window.w)) return "needs 3x3 taps at strides of 2";
  return std::nullopt;
}

// Past the caches rows of one remainder, stored in their order, are faster (8x112x112x64: 0.7
// instead of 1.5 ms on one core of a Zen 5).
std::optional<std::string> discourages(const Problem& problem) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  const std::int64_t floats = s.n * (dy_floats(s) + dx_floats(s));
  if (floats <= depthwise_cached_floats(problem.caches)) return std::nullopt;
  return "dy and dx are too large for the caches";
}

void build(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  const ConvKernels& kernels = problem.kernels.conv;
  const ConvPass pass = forward_pass(s);
  const Slot dy = steps.input(0), w = steps.input(1), dx = steps.output();
  const std::int64_t dy_image = dy_floats(s), dx_image = dx_floats(s);
  const std::int64_t cells = kernels.depthwise_doubling_cells(pass);
  const auto run_cells = [=, &kernels](const Run& run, Range range) {
    for (std::int64_t cell = range.begin; cell < range.end;) {
      const std::int64_t image = cell / cells, first = cell % cells;
      const std::int64_t count = std::min(cells - first, range.end - cell);
      kernels.depthwise_doubling(pass, run.ptr<const float>(dy) + image * dy_image,
                                 run.ptr<const float>(w), run.ptr<float>(dx) + image * dx_image,
                                 first, first + count);
      cell += count;
    }
  };
  const int threads = steps.threads();
  const bool tiny = s.flops() < kSingleThreadFlops;
  if (!tiny && (s.n % threads == 0 || s.n >= 8 * threads)) {
    StepSpec spec{"doubling", Split::rows, s.n};
    spec.parts = true;
    spec.whole = {w};
    steps.step(spec, [=](const Run& run, int thread, int count) {
      const Range images = share(s.n, thread, count);
      run_cells(run, {images.begin * cells, images.end * cells});
    });
    return;
  }
  steps.step({"doubling, rows shared", tiny ? Split::single : Split::free},
             [=](const Run& run, int thread, int count) {
               const Range all{0, thread == 0 ? s.n * cells : 0};
               run_cells(run, tiny ? all : share(s.n * cells, thread, count));
             });
}

}  // namespace

const FunctionImplementation kConv2dBackwardInputDoubling("doubling", declines, build, discourages);

}  // namespace cnnfast
