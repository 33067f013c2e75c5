// The gradient of an input of few channels, by overlapping and adding (kernels/conv_overlap.h).
#include <algorithm>

#include "ops/conv2d_direct.h"
#include "ops/conv2d_implementations.h"

namespace cnnfast {

namespace {

constexpr double kMostScratchBytes = 64 << 20;

double vectors_of(std::int64_t floats, const ConvKernels& kernels) {
  return static_cast<double>((floats + kernels.lanes - 1) / kernels.lanes);
}

std::optional<std::string> declines(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  if (problem.node.op->name() != "conv2d_backward_input") return "has a bias and an activation";
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  const WindowAxis &h = s.window.h, &w = s.window.w;
  if (s.groups != 1) return concat("groups is ", s.groups, ", needs 1");
  if (h.stride != 1 || w.stride != 1) return "strides are not 1";
  if (w.dilation != 1 && w.window > 1) return "taps across do not adjoin";
  // Everything between the first and the last tap's rows is summed, and the padding besides.
  const double rows = static_cast<double>(h.output) +
                      static_cast<double>(h.window - 1) * static_cast<double>(h.dilation);
  const double row = static_cast<double>(w.output + w.window) * static_cast<double>(s.c);
  if (4 * rows * row > kMostScratchBytes) return "sums need more than 64 MiB a thread";
  return std::nullopt;
}

// Multiply-adds of vectors, and what adding the sums costs, against vectors over pixels, which
// multiply the padding, too.
std::optional<std::string> discourages(const Problem& problem) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  const ConvKernels& kernels = problem.kernels.conv;
  const WindowAxis &h = s.window.h, &w = s.window.w;
  if (s.c > kernels.planar_channels)
    return concat("makes ", s.c, " channels, pays up to ", kernels.planar_channels);
  constexpr double kAdding = 4;  // products that adding a vector of sums takes as long as
  const double overlap = static_cast<double>(h.output * w.output * h.window) *
                         vectors_of(w.window * s.c, kernels) * (static_cast<double>(s.k) + kAdding);
  const double taps = static_cast<double>(s.taps()) * static_cast<double>(s.k);
  const double pixels =
      static_cast<double>(h.input) * vectors_of(w.input, kernels) * taps * static_cast<double>(s.c);
  const double channels = static_cast<double>(h.input * w.input) * taps;
  if (overlap < 0.9 * std::min(pixels, channels)) return std::nullopt;
  return concat(w.window, " x ", s.c, " floats a row of taps fill vectors no better");
}

void build(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  const ConvKernels& kernels = problem.kernels.conv;
  const ConvPass pass = forward_pass(s);
  const Slot dy = steps.input(0), w = steps.input(1), dx = steps.output();
  const std::int64_t weight_bytes = kernels.overlap_weights(pass) * 4;
  const Slot packed = steps.packed(1, weight_bytes);
  steps.pack_step(1, {"overlap weights", Split::single, 0, false, 0, {w, packed}},
                  [=, &kernels](const Run& run, int thread, int) {
                    if (thread == 0)
                      kernels.overlap_pack(pass, run.ptr<const float>(w), run.ptr<float>(packed));
                  });
  const Slot scratch = steps.scratch_per_thread(kernels.overlap_scratch(pass) * 4);
  const bool tiny = s.flops() < kSingleThreadFlops;
  StepSpec spec{"overlap", tiny ? Split::single : Split::rows, s.n};
  spec.parts = !tiny && weight_bytes <= kPartWeights;
  spec.whole = {w, packed};
  const std::int64_t dy_image = s.window.h.output * s.window.w.output * s.k;
  const std::int64_t dx_image = s.window.h.input * s.window.w.input * s.c;
  steps.step(spec, [=, &kernels](const Run& run, int thread, int threads) {
    const Range mine = tiny ? Range{0, thread == 0 ? s.n : 0} : share(s.n, thread, threads);
    for (std::int64_t image = mine.begin; image < mine.end; ++image)
      kernels.overlap(pass, run.ptr<const float>(dy) + image * dy_image,
                      run.ptr<const float>(packed), run.ptr<float>(dx) + image * dx_image,
                      run.worker_ptr<float>(scratch));
  });
}

}  // namespace

const FunctionImplementation kConv2dBackwardInputOverlap("overlap", declines, build, discourages);

}  // namespace cnnfast
