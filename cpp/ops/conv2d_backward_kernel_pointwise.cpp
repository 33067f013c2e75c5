// The kernel's gradient of a 1x1 convolution: dw = xT dy over all pixels, a matrix product whose
// packing makes the pixels' channels contiguous (direct tiles read six of 256 or more channels a
// pixel, lines that share a few cache sets: 45 instead of 80 GFLOP/s).
#include <algorithm>
#include <cstring>
#include <memory>

#include "ops/conv2d_direct.h"
#include "ops/conv2d_implementations.h"
#include "ops/conv2d_sum_work.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kGatheredBytes = 256 << 10;  // pixels that strides leave, side by side

bool gathers(const ConvPass& p) { return p.row_step != 1 || p.col_step != 1; }

void choose_blocks(SumWork& work, bool split_rows) {
  const ConvPass& p = work.pass;
  const std::int64_t rows = std::max<std::int64_t>(1, p.dst_h);
  work.block_images = gathers(p) ? 1 : std::max<std::int64_t>(1, work.images);
  work.block_rows = rows;
  if (gathers(p))
    work.block_rows = std::clamp<std::int64_t>(
        kGatheredBytes / std::max<std::int64_t>(1, 4 * p.dst_w * p.src_c), 1, rows);
  if (split_rows) {
    work.block_images = 1;
    work.block_rows =
        std::clamp<std::int64_t>((rows + work.chunks - 1) / work.chunks, 1, work.block_rows);
  }
}

std::int64_t gathered_floats(const SumWork& work) {
  const ConvPass& p = work.pass;
  return gathers(p) ? work.block_rows * p.dst_w * p.src_c : 0;
}
std::int64_t scratch_floats(const SumWork& work, const Kernels& kernels) {
  return kernels.gemm.scratch_floats + gathered_floats(work);
}

// A unit is the register tile's number of rows of dw.
void multiply(const GemmKernels& kernels, const ConvPass& p, const float* x, const float* dy,
              float* dw, float* db, float* scratch, const ConvSumRegion& region, bool first) {
  const std::int64_t rows = region.row_end - region.row_begin;
  const std::int64_t images = region.image_end - region.image_begin;
  const std::int64_t pixels = images * rows * p.dst_w;
  const float* from =
      x + (region.image_begin * p.src_h + region.row_begin * p.row_step) * p.src_w * p.src_c;
  const float* gradient = dy + (region.image_begin * p.dst_h + region.row_begin) * p.dst_row;
  Gemm call{};
  call.scratch = scratch;
  if (gathers(p) && pixels > 0) {
    float* to = scratch + kernels.scratch_floats;
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t col = 0; col < p.dst_w; ++col, to += p.src_c)
        std::memcpy(to, from + (row * p.row_step * p.src_w + col * p.col_step) * p.src_c,
                    static_cast<std::size_t>(p.src_c) * sizeof(float));
    from = scratch + kernels.scratch_floats;
  }
  const std::int64_t begin = std::min(p.src_c, region.unit_begin * kernels.tile_rows);
  const std::int64_t end = std::min(p.src_c, region.unit_end * kernels.tile_rows);
  call.a = from + begin;
  call.a_row = 1;
  call.a_k = p.src_c;
  call.b = gradient;
  call.b_k = p.group_k;
  call.b_column = 1;
  call.c = dw + begin * p.group_k;
  call.c_row = p.group_k;
  call.m = end - begin;
  call.n = p.group_k;
  call.k = pixels;
  call.activation = ActivationKind::linear;
  call.add = !first;
  if (begin == 0) call.b_sums = db;
  kernels.gemm(call);
}

void build(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const GemmKernels& kernels = problem.kernels.gemm;
  const auto work = make_sum_work(problem, steps, s);
  work->units = (s.c + kernels.tile_rows - 1) / kernels.tile_rows;
  work->kernel = [&kernels](auto&&... arguments) { multiply(kernels, arguments...); };
  add_sum_steps(problem, steps, s, work, "pointwise", choose_blocks, scratch_floats);
}

std::optional<std::string> declines(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const WindowAxis &h = s.window.h, &w = s.window.w;
  if (h.window != 1 || w.window != 1)
    return concat("kernel is ", h.window, "x", w.window, ", needs 1x1");
  if (s.groups != 1) return concat("groups is ", s.groups, ", needs 1");
  const ConvPass p = forward_pass(s);
  if (p.copy) return "pads the input";
  return std::nullopt;
}

std::optional<std::string> discourages(const Problem& problem) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  // The product packs x and dy: a tile of each must be used again.
  if (s.c < problem.kernels.gemm.tile_rows || s.k < problem.kernels.gemm.tile_columns)
    return concat(s.c, " to ", s.k, " channels are too few to pack");
  return std::nullopt;
}

}  // namespace

const FunctionImplementation kConv2dBackwardKernelPointwise("pointwise", declines, build,
                                                            discourages);

}  // namespace cnnfast
