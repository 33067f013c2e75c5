// The kernel's gradient, directly, for any geometry.
#include <algorithm>
#include <memory>

#include "ops/conv2d_direct.h"
#include "ops/conv2d_implementations.h"
#include "ops/conv2d_sum_work.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kBlockBytes = 256 << 10;  // x and dy rows of one walk
// A walk loads and stores all of dw once: for so many pixels at least. Of a 1x1 kernel x and dy are
// read but once for a tile, so that L2 should hold them; others read them from L3 (28x28x512, 3x3,
// one core of a Zen 5: 256 pixels 200, 1024 pixels 247 of 269 GFLOP/s).
constexpr std::int64_t kPixelsOfOneTap = 256, kPixelsOfTaps = 1024;
constexpr std::int64_t kMostBlockBytes = 4 << 20;

void choose_blocks(SumWork& work, bool split_rows) {
  const ConvPass& p = work.pass;
  const std::int64_t pixels = std::max<std::int64_t>(1, p.dst_h * p.dst_w);
  const std::int64_t row_bytes =
      std::max<std::int64_t>(1, 4 * (p.src_w * p.src_c * p.row_step + p.dst_row));
  const std::int64_t least = std::min(p.row_taps * p.col_taps > 1 ? kPixelsOfTaps : kPixelsOfOneTap,
                                      kMostBlockBytes / row_bytes * p.dst_w);
  const std::int64_t wanted =
      std::max(least / std::max<std::int64_t>(1, p.dst_w), kBlockBytes / row_bytes);
  work.block_images = 1;
  work.block_rows = std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, p.dst_h));
  if (split_rows) {
    // One image for several threads: a few blocks each.
    const std::int64_t even = (p.dst_h + 2 * work.chunks - 1) / (2 * work.chunks);
    work.block_rows = std::clamp<std::int64_t>(even, 1, work.block_rows);
  } else if (pixels < least) {
    work.block_images = std::clamp<std::int64_t>((least + pixels - 1) / pixels, 1,
                                                 std::max<std::int64_t>(1, work.images));
  }
}

std::int64_t scratch_floats(const SumWork& work, const Kernels& kernels) {
  return kernels.conv.backward_kernel_scratch(work.pass, work.block_images, work.block_rows);
}

std::int64_t depthwise_scratch_floats(const SumWork& work, const Kernels& kernels) {
  return kernels.conv.depthwise_backward_kernel_scratch(work.pass, work.block_images,
                                                        work.block_rows);
}

constexpr std::int64_t kDepthwiseChannels = 64;  // taken at a time
constexpr std::int64_t kPanelBytes = 192 << 10;  // of their x and dy

// Panels pay for themselves where each place of x is read by many taps, unless these are so few
// that a place is read once for all of them; strides leave few, and then what counts is to read
// memory once, in its own order (8x56x56x128, 3x3: 980 to 720 us).
ConvPass depthwise_pass(const Conv2dShape& s, const ConvKernels& kernels) {
  ConvPass p = forward_pass(s);
  const bool windows = kernels.depthwise_sums_windows && p.row_taps == 3 && p.col_taps == 3 &&
                       p.row_tap_step == 1 && p.col_tap_step == 1;
  p.copy =
      (p.row_step * p.col_step == 1 && !windows) || p.group_k > 1 || p.src_c % kernels.lanes != 0;
  p.block_channels = kDepthwiseChannels;
  return p;
}

void choose_depthwise_blocks(SumWork& work, bool split_rows) {
  ConvPass& p = work.pass;
  choose_blocks(work, split_rows);
  if (!p.copy) {
    if (split_rows) return;
    work.block_images = std::max<std::int64_t>(1, work.images);
    work.block_rows = std::max<std::int64_t>(1, p.dst_h);
    return;
  }
  const std::int64_t channels =
      p.group_k > 1 ? p.src_c * p.group_k : std::min(p.src_c, p.block_channels);
  const std::int64_t row =
      std::max<std::int64_t>(1, 4 * channels * (p.copy_w * p.row_step + p.dst_w));
  if (split_rows) return;
  work.block_images = 1;
  work.block_rows =
      std::clamp<std::int64_t>(kPanelBytes / row, 1, std::max<std::int64_t>(1, p.dst_h));
}

void build(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const auto work = make_sum_work(problem, steps, s);
  work->kernel = problem.kernels.conv.backward_kernel;
  work->units = problem.kernels.conv.backward_kernel_units(work->pass);
  add_sum_steps(problem, steps, s, work, "direct", choose_blocks, scratch_floats);
}

void build_depthwise(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const auto work = make_sum_work(problem, steps, s);
  work->kernel = problem.kernels.conv.depthwise_backward_kernel;
  work->pass = depthwise_pass(s, problem.kernels.conv);
  const std::int64_t floats = s.n * (s.window.h.input * s.window.w.input * s.c +
                                     s.window.h.output * s.window.w.output * s.k);
  work->uncached = floats > depthwise_cached_floats(problem.caches);
  add_sum_steps(problem, steps, s, work, "depthwise", choose_depthwise_blocks,
                depthwise_scratch_floats);
}

std::optional<std::string> declines(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  return too_much_padding(forward_pass(conv2d_backward_kernel_shape(problem)));
}

std::optional<std::string> depthwise_declines(const Problem& problem) {
  if (!conv2d_backward_kernel_shape(problem).is_depthwise())
    return "needs one channel in per group, and several groups";
  if (auto reason = declines(problem)) return reason;
  const ConvPass pass = depthwise_pass(conv2d_backward_kernel_shape(problem), problem.kernels.conv);
  if (problem.kernels.conv.depthwise_backward_kernel_scratch(pass, 1, 1) > kMostSourceFloats)
    return "rows of the source need more than 64 MiB a thread";
  return std::nullopt;
}
std::optional<std::string> depthwise_discourages(const Problem& problem) {
  const std::int64_t made = conv2d_backward_kernel_shape(problem).group_k();
  if (made < problem.kernels.conv.lanes) return std::nullopt;
  return concat(made, " channels out of each fill vectors");
}

}  // namespace

const FunctionImplementation kConv2dBackwardKernelDirect("direct", declines, build);

const FunctionImplementation kConv2dBackwardKernelDepthwise("depthwise", depthwise_declines,
                                                            build_depthwise, depthwise_discourages);

}  // namespace cnnfast
