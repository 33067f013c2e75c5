// The gradient of a kernel with few destination channels: vectors over the pixels of rows.
#include <algorithm>

#include "ops/conv2d_direct.h"
#include "ops/conv2d_implementations.h"
#include "ops/conv2d_sum_work.h"

namespace cnnfast {

namespace {

// The planes of a walk stay in L1, the sums of all taps, a vector each, in L2: their lanes are
// added up once for all images of a walk.
constexpr std::int64_t kPlaneBytes = 24 << 10, kSumBytes = 256 << 10;
constexpr std::int64_t kImages = 16;

void choose_blocks(SumWork& work, bool split_rows) {
  const ConvPass& p = work.pass;
  const std::int64_t height = std::max<std::int64_t>(1, p.dst_h);
  const std::int64_t row = 4 * (p.src_w * p.src_c * p.row_step + p.dst_row);
  work.block_images = 1;
  work.block_rows =
      std::clamp<std::int64_t>(kPlaneBytes / std::max<std::int64_t>(1, row), 1, height);
  if (split_rows)  // one image for several threads
    work.block_rows = std::clamp<std::int64_t>((height + work.chunks - 1) / work.chunks, 1, height);
  else if (work.block_rows == height)
    work.block_images = std::clamp<std::int64_t>(work.images, 1, kImages);
}

std::int64_t scratch_floats(const SumWork& work, const Kernels& kernels) {
  return kernels.conv.planar_backward_kernel_scratch(work.pass, work.block_images, work.block_rows);
}

void build(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const auto work = make_sum_work(problem, steps, s);
  work->kernel = problem.kernels.conv.planar_backward_kernel;
  add_sum_steps(problem, steps, s, work, "planar", choose_blocks, scratch_floats);
}

std::optional<std::string> declines(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const ConvKernels& kernels = problem.kernels.conv;
  const ConvPass pass = forward_pass(s);
  if (auto reason = too_much_padding(pass)) return reason;
  if (s.groups != 1) return concat("groups is ", s.groups, ", needs 1");
  if (s.k > kernels.planar_channels)
    return concat("has ", s.k, " channels, at most ", kernels.planar_channels);
  if (s.window.w.stride != 1) return "horizontal stride is not 1";
  if (pass.reduction() * s.k * kernels.lanes * 4 > kSumBytes) return "sums need more than 256 KiB";
  if (kernels.planar_backward_kernel_scratch(pass, 1, 1) > kMostSourceFloats)
    return "rows of the source need more than 64 MiB a thread";
  return std::nullopt;
}

std::optional<std::string> discourages(const Problem& problem) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  return planar_discourages(problem, s.k, s.window.w.output);
}

}  // namespace

const FunctionImplementation kConv2dBackwardKernelPlanar("planar", declines, build, discourages);

}  // namespace cnnfast
