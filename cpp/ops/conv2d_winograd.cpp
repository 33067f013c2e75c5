// Winograd for stride 1: F(4x4, 3x3) and F(2x2, 5x5), forward and backward-input.
//
// F(2x2, 3x3) is absent: on a map of 1 or 2 pixels a side it multiplies 16 times a channel where
// F(4x4, 3x3) does 36, but the direct sums inside such a map are 1 and 16; on 3 and 4 pixels it is
// 64 against 36, on 5 and 6 144 both, on 7 and 8 256 against 144. What is left to it are the
// weights of a few images on wide 7x7 maps, 17 MB of 512 x 512 channels where F(4x4, 3x3) has 38:
// there the direct kernel, whose weights are 9 MB, takes 2.6 ms an image, F(4x4, 3x3) 5.2 (two
// cores of Zen 3).
#include "ops/conv2d_winograd.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "ops/conv2d_direct.h"
#include "ops/conv2d_direct_work.h"
#include "ops/conv2d_implementations.h"

namespace cnnfast {

namespace {

std::int64_t round_up(std::int64_t value, std::int64_t to) { return (value + to - 1) / to * to; }

constexpr double kStreamedWeights = 16e6;  // bytes of transformed weights that no cache keeps

// Tiles of m along an axis, of the places that are `step` apart.
std::int64_t tiles_of(std::int64_t places, std::int64_t step, int m) {
  return ((places + step - 1) / step + m - 1) / m;
}

}  // namespace

WinogradPlan plan_winograd(const Conv2dShape& s, const ConvKernels& kernels, bool flipped) {
  const WindowAxis &h = s.window.h, &w = s.window.w;
  WinogradPlan plan;
  WinogradPass& p = plan.pass;
  p.m = h.window == 3 ? 4 : 2;
  p.flipped = flipped;
  p.src_h = flipped ? h.output : h.input;
  p.src_w = flipped ? w.output : w.input;
  p.src_c = flipped ? s.k : s.c;
  p.dst_h = flipped ? h.input : h.output;
  p.dst_w = flipped ? w.input : w.output;
  p.dst_c = flipped ? s.c : s.k;
  p.row_tap_step = h.dilation;
  p.col_tap_step = w.dilation;
  p.row_first = flipped ? h.before - (h.window - 1) * h.dilation : -h.before;
  p.col_first = flipped ? w.before - (w.window - 1) * w.dilation : -w.before;
  p.tile_rows = tiles_of(p.dst_h, p.row_tap_step, p.m);
  p.tile_cols = tiles_of(p.dst_w, p.col_tap_step, p.m);
  plan.tiles = s.n * p.image_tiles();
  plan.blocks = (p.dst_c + kernels.block - 1) / kernels.block;
  // The transformed weights are read once per block of tiles. Where they stay in L2 or near it a
  // register tile's worth of tiles is best, V and M then never leave L1 and L2; streaming them from
  // L3 or memory asks for more (GFLOP/s at one core, 14 / 56 / 84 tiles: 128 channels at 28x28 266
  // / 230 / 231, 256 at 14x14 166 / 183 / 177, 512 at 28x28 187 / 216 / 243).
  const double weights =
      144.0 * static_cast<double>(p.src_c) * static_cast<double>(p.dst_c);  // bytes
  const std::int64_t tile = kernels.tile_pixels;
  p.block_tiles = tile;
  if (weights > 3e6) p.block_tiles = round_up(56, tile);
  if (weights > kStreamedWeights) p.block_tiles = round_up(84, tile);
  return plan;
}

std::optional<std::string> winograd_declines(const Problem& problem, const Conv2dShape& s,
                                             bool flipped) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  if (problem.strict_math) return "strict math allows nothing less accurate than direct sums";
  const WindowAxis &h = s.window.h, &w = s.window.w;
  if (h.window != w.window || (h.window != 3 && h.window != 5))
    return concat("kernel is ", h.window, "x", w.window, ", needs 3x3 or 5x5");
  if (h.stride != 1 || w.stride != 1)
    return concat("stride is (", h.stride, ", ", w.stride, "), needs (1, 1)");
  const std::int64_t made_h = flipped ? h.input : h.output, made_w = flipped ? w.input : w.output;
  if (h.dilation > std::max<std::int64_t>(1, made_h) ||
      w.dilation > std::max<std::int64_t>(1, made_w))
    return concat("dilation is (", h.dilation, ", ", w.dilation, "), larger than the map it makes");
  if (s.groups != 1) return concat("groups is ", s.groups, ", needs 1");
  const ConvKernels& kernels = problem.kernels.conv;
  const WinogradPlan plan = plan_winograd(s, kernels, flipped);
  if (plan.pass.row_first < -(1 << 30) || plan.pass.col_first < -(1 << 30))
    return "padding is beyond 2^30";
  if (plan.tiles == 0) return "there is nothing to compute";
  return std::nullopt;
}

double product_cycles(double channels, const ConvKernels& kernels) {
  const double vectors = std::ceil(channels / kernels.lanes);
  const double single = std::fmod(vectors, 2.0), pairs = (vectors - single) / 2;
  const double rate = kernels.products_per_cycle;
  return (2 * pairs / rate + single / std::min(rate, 1.6)) / 0.85;
}

double direct_cycles(const Conv2dShape& s, const WinogradPlan& plan, const ConvKernels& kernels) {
  return static_cast<double>(s.n * plan.pass.dst_h * plan.pass.dst_w * s.taps()) *
         static_cast<double>(plan.pass.src_c) *
         product_cycles(static_cast<double>(plan.pass.dst_c), kernels);
}

constexpr double kLastLevelBytes = 16 << 20;  // what one may hope for of a shared cache

// Estimated cycles. The constants are measured: 36 loads, 144 operations and 36 stores of a
// transform take about 200 cycles, products are written 24 bytes a cycle.
double winograd_cycles(const WinogradPlan& plan, const ConvKernels& kernels) {
  const double lanes = kernels.lanes;
  const double tiles = static_cast<double>(plan.tiles);
  const double source = std::ceil(static_cast<double>(plan.pass.src_c) / lanes);
  const double destination = std::ceil(static_cast<double>(plan.pass.dst_c) / lanes);
  const double products = 36.0 * static_cast<double>(plan.pass.src_c);
  const double walks = std::ceil(tiles / static_cast<double>(plan.pass.block_tiles));
  const double weights = products * destination * lanes * 4.0;            // bytes
  const double bytes_per_cycle = weights > kLastLevelBytes ? 6.0 : 32.0;  // memory; L2 and L3
  return tiles * (products * product_cycles(static_cast<double>(plan.pass.dst_c), kernels) +
                  220.0 * source + 200.0 * destination + 36.0 * destination * lanes * 4.0 / 24.0) +
         static_cast<double>(plan.pass.src_c) * destination * 160.0 +
         walks * weights / bytes_per_cycle;
}

namespace {

std::optional<std::string> discourages(const Problem& problem, const Conv2dShape& s, bool flipped) {
  const ConvKernels& kernels = problem.kernels.conv;
  const WinogradPlan plan = plan_winograd(s, kernels, flipped);
  const double ours = winograd_cycles(plan, kernels);
  const double direct = direct_cycles(s, plan, kernels);
  if (ours > 0.9 * direct)
    return concat("estimated at ", static_cast<int>(100.0 * ours / direct),
                  " % of the direct kernel's time");
  return std::nullopt;
}

void build(const Problem& problem, StepBuilder& steps, const Conv2dShape& s, bool flipped,
           const Epilogue& epilogue) {
  const ConvKernels& kernels = problem.kernels.conv;
  const int threads = steps.threads();
  WinogradPlan plan = plan_winograd(s, kernels, flipped);
  plan.pass.activation = epilogue.activation;
  plan.pass.alpha = epilogue.alpha;

  const Slot w = steps.input(1), src = steps.input(0), dst = steps.output();
  const Slot bias = steps.input(2);
  const std::int64_t weight_bytes = 144 * s.c * s.k;
  const int m = plan.pass.m;
  // Weights that no cache keeps and that few tiles use are transformed bit by bit, where they are
  // used: writing and reading all of them would take memory longer than that takes the core.
  const bool raw = !steps.keeps_packed(1) && static_cast<double>(weight_bytes) > kStreamedWeights &&
                   plan.tiles <= plan.pass.block_tiles && plan.blocks >= 2 * threads;
  if (raw) plan.pass.raw_channels = 256;

  StepSpec spec{m == 4 ? "winograd 4x4, 3x3" : "winograd 2x2, 5x5", Split::free};
  const std::int64_t per_image = plan.pass.image_tiles();
  bool share_blocks = false;
  std::int64_t walked = plan.tiles;  // by a thread
  if (s.flops() < kSingleThreadFlops) {
    spec.split = Split::single;
  } else if (!raw && (s.n % threads == 0 || s.n >= 8 * threads)) {
    spec.split = Split::rows;
    spec.rows = s.n;
    walked = (s.n + threads - 1) / threads * per_image;
    // Every part reads all weights again: from L2, or not at all.
    spec.parts = weight_bytes <= kPartWeights;
    spec.whole = {w, bias};
  } else if (plan.tiles <= 2 * plan.pass.block_tiles) {
    // Few tiles: each thread makes all of them for its share of the channels, so that the weights
    // are read once, by the thread that transformed them. A block of 32 channels falls into two
    // then: with vectors of 16 a tile of one loses little, with vectors of 8 (Zen 3, two cores of
    // one cache, 1x13x13x128 to 16) it takes 10 % longer than to read the other thread's weights.
    const std::int64_t vectors = (plan.pass.dst_c + kernels.lanes - 1) / kernels.lanes;
    share_blocks = plan.blocks % threads == 0 || plan.blocks >= 2 * threads;
    if (!share_blocks && !steps.keeps_packed(1) && kernels.lanes >= 16 && vectors % threads == 0) {
      plan.pass.slim = share_blocks = true;
      plan.blocks = vectors;
    }
  }
  if (spec.split == Split::free && !share_blocks) walked = (plan.tiles + threads - 1) / threads;
  // No small rest that reads all weights again.
  if (walked < 2 * plan.pass.block_tiles) plan.pass.block_tiles = walked;
  const WinogradPass pass = plan.pass;
  const std::int64_t tiles = plan.tiles, images = s.n, blocks = plan.blocks;

  Slot weights = w;
  if (!raw) {
    weights = steps.packed(1, kernels.winograd_weights(pass) * 4);
    const Slot packed = weights;
    const std::int64_t units = blocks * ((pass.src_c + kPackUnit - 1) / kPackUnit);
    const Split pack_split = threads > 1 && units > 1 ? Split::free : Split::single;
    const auto pack = [=, &kernels](const Run& run, Range range) {
      kernels.winograd_pack(pass, run.ptr<const float>(w), run.ptr<float>(packed), range.begin,
                            range.end);
    };
    // Input channels are what is summed over or, flipped, what is made.
    const std::int64_t block_units = units / blocks;
    ChannelPack by_channels{kPackUnit, [=](const Run& run, Range c) {
                              for (std::int64_t block = 0; block < blocks; ++block)
                                pack(run,
                                     {block * block_units + c.begin / kPackUnit,
                                      block * block_units + (c.end + kPackUnit - 1) / kPackUnit});
                            }};
    if (flipped) {
      const std::int64_t block = pass.slim ? kernels.lanes : kernels.block;
      by_channels = {
          block, [=](const Run& run, Range c) {
            pack(run, {c.begin / block * block_units, (c.end + block - 1) / block * block_units});
          }};
    }
    steps.pack_step(
        1, {"winograd weights", pack_split, 0, false, 0, {w, packed}},
        [=](const Run& run, int thread, int count) {
          Range range{0, thread == 0 ? units : 0};
          if (pack_split == Split::free) range = share(units, thread, count);
          pack(run, range);
        },
        std::move(by_channels));
  }

  const Slot scratch = steps.scratch_per_thread(kernels.winograd_scratch(pass) * 4);
  const Split split = spec.split;
  steps.step(spec, [=, &kernels](const Run& run, int thread, int count) {
    Range mine{0, tiles}, channels{0, blocks};
    if (split == Split::single) {
      if (thread != 0) return;
    } else if (split == Split::rows) {
      const Range range = share(images, thread, count);
      mine = {range.begin * per_image, range.end * per_image};
    } else if (share_blocks) {
      channels = share(blocks, thread, count);
    } else {
      mine = share(tiles, thread, count);
    }
    if (mine.size() == 0 || channels.size() == 0) return;
    WinogradPass part = pass;
    // What all threads make at a time: of a chain only a part each.
    const std::int64_t block = pass.slim ? kernels.lanes : kernels.block;
    const std::int64_t made = mine.size() * pass.m * pass.m * channels.size() * block;
    part.uncached = made * threads > kCachedFloats;
    kernels.winograd(part, run.ptr<const float>(src), run.ptr<const float>(weights),
                     run.ptr<const float>(bias), run.ptr<float>(dst),
                     run.worker_ptr<float>(scratch), mine.begin, mine.end, channels.begin,
                     channels.end);
  });
}

std::optional<std::string> forward_declines(const Problem& problem) {
  if (auto reason = declines_unless_f32_unpooled(problem)) return reason;
  return winograd_declines(problem, conv2d_forward_shape(problem), false);
}
std::optional<std::string> forward_discourages(const Problem& problem) {
  return discourages(problem, conv2d_forward_shape(problem), false);
}
void build_forward(const Problem& problem, StepBuilder& steps) {
  build(problem, steps, conv2d_forward_shape(problem), false,
        epilogue_attributes("conv2d", problem.attributes));
}
std::optional<std::string> backward_input_declines(const Problem& problem) {
  return winograd_declines(problem, conv2d_backward_input_shape(problem), true);
}
std::optional<std::string> backward_input_discourages(const Problem& problem) {
  return discourages(problem, conv2d_backward_input_shape(problem), true);
}
void build_backward_input(const Problem& problem, StepBuilder& steps) {
  build(problem, steps, conv2d_backward_input_shape(problem), true,
        epilogue_attributes(problem.node.op->name(), problem.attributes));
}

}  // namespace

const FunctionImplementation kConv2dWinograd("winograd", forward_declines, build_forward,
                                             forward_discourages);
const FunctionImplementation kConv2dBackwardInputWinograd("winograd", backward_input_declines,
                                                          build_backward_input,
                                                          backward_input_discourages);

}  // namespace cnnfast
