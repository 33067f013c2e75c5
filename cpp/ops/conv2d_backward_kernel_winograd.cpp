// The kernel's gradient by Winograd. Small kernels: each chunk of images sums in the transformed
// domain on its own, the last step adds the chunks in order. Large ones, and fewer images than
// threads: each thread owns channel blocks, walks over all images and finishes them itself.
#include <algorithm>
#include <cmath>
#include <memory>

#include "ops/conv2d_direct.h"
#include "ops/conv2d_implementations.h"
#include "ops/conv2d_winograd.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kSmallSums = 3 << 20;      // bytes of a chunk's sums
constexpr std::int64_t kFixedChunks = 8;          // deterministic: whatever the number of threads
constexpr std::int64_t kStreamedSums = 16 << 20;  // bytes that no cache keeps

WinogradPlan plan_sums(const Conv2dShape& s, const ConvKernels& kernels) {
  WinogradPlan plan = plan_winograd(s, kernels, false);
  // The sums are read and written once per block of tiles, V and D written and read between: a few
  // tiles keep V and D in L2, while the next sums are asked for in time; sums that stream from
  // memory ask for many tiles. GFLOP/s of one core at 28 / 56 / 112 / 196 tiles, AVX-512 (Zen 4):
  // 256 channels at 14x14 240 / 200 / 204 / 205, at 56x56 315 / 285 / 290 / 285, 96 to 256 5x5 at
  // 27x27 222 / 210 / 175 / 165, 512 at 28x28 285 / 290 / 300 / 300; AVX2 (Zen 3): the last two 120
  // / 157 / 144 / 123 and 142 / 168 / 173 / 174, the first 128 / 130 / 139 / 132.
  const std::int64_t bytes = 144 * s.c * s.k;
  std::int64_t most = bytes > kSmallSums ? 112 : 56;
  if (kernels.lanes >= 16) most = bytes > kStreamedSums ? 112 : 28;
  plan.pass.block_tiles = std::clamp<std::int64_t>(plan.tiles, 1, most);
  return plan;
}

// dU in panels that stay in L2 with all of their tiles' points: `c` of them by one block each, the
// blocks fastest, so that the source's points are kept.
struct SumPanels {
  std::int64_t channels, vectors, c, blocks, lanes;
  SumPanels(const Conv2dShape& s, const WinogradPlan& plan, const ConvKernels& kernels)
      : channels(s.c),
        vectors((s.c + kernels.lanes - 1) / kernels.lanes),
        c((s.c + kPanelChannels - 1) / kPanelChannels),
        blocks(plan.blocks),
        lanes(kernels.lanes) {}
  std::int64_t count() const { return c * blocks; }
  WinogradPanel operator[](std::int64_t i) const {
    const Range mine = share(vectors, static_cast<int>(i / blocks), static_cast<int>(c));
    return {mine.begin * lanes, std::min(channels, mine.end * lanes), i % blocks, i % blocks + 1};
  }

 private:
  static constexpr std::int64_t kPanelChannels = 64;
};

std::optional<std::string> declines(const Problem& problem) {
  return winograd_declines(problem, conv2d_backward_kernel_shape(problem), false);
}

}  // namespace

double winograd_sum_cycles(const Conv2dShape& s, const ConvKernels& kernels) {
  const WinogradPlan plan = plan_sums(s, kernels);
  const double lanes = kernels.lanes, tiles = static_cast<double>(plan.tiles);
  const double c = static_cast<double>(s.c);
  const double source = std::ceil(c / lanes);
  const double destination = std::ceil(static_cast<double>(s.k) / lanes);
  const double products = 36.0 * c;
  const double walks = std::ceil(tiles / static_cast<double>(plan.pass.block_tiles));
  // A step of the products over few channels takes longer than its multiplications: with vectors of
  // 16 a step of 6 channels has 6 or 12.
  const double rest =
      lanes >= 16 && c < kernels.tile_pixels ? 180.0 * std::ceil(destination / 2) : 0;
  const double gradient = plan.pass.m == 4 ? 200.0 : 60.0;  // 2x2 of dy: 4 loads, half the sums
  return tiles * (products * product_cycles(static_cast<double>(s.k), kernels) + rest +
                  220.0 * source + gradient * destination) +
         c * destination * 200.0 + walks * products * destination * lanes * 8.0 / 32.0;
}

namespace {

std::optional<std::string> discourages(const Problem& problem) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const ConvKernels& kernels = problem.kernels.conv;
  const double ours = winograd_sum_cycles(s, kernels);
  const double direct = direct_cycles(s, plan_sums(s, kernels), kernels);
  if (ours > 0.9 * direct)
    return concat("estimated at ", static_cast<int>(100.0 * ours / direct),
                  " % of the direct kernel's time");
  return std::nullopt;
}

void build(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const ConvKernels& kernels = problem.kernels.conv;
  const int threads = steps.threads();
  const WinogradPlan plan = plan_sums(s, kernels);
  const WinogradPass pass = plan.pass;
  const std::int64_t blocks = plan.blocks, images = s.n;
  const std::int64_t per_image = pass.image_tiles();
  const WinogradPanel whole{0, s.c, 0, blocks};
  const std::int64_t floats = kernels.winograd_panel_floats(whole);

  const Slot x = steps.input(0), dy = steps.input(1), dw = steps.output(0);
  const Slot db = problem.outputs.size() == 2 && steps.output_used(1) ? steps.output(1) : Slot{};
  // Sums of a panel, with db behind them at its channels' places.
  const auto sum = [=, &kernels](const Run& run, Slot scratch, float* to, float* to_db,
                                 const WinogradPanel& panel, Range range, bool first, bool kept) {
    if (panel.blocks() > 0)
      kernels.winograd_sums(pass, run.ptr<const float>(x), run.ptr<const float>(dy), panel, to,
                            to_db, run.worker_ptr<float>(scratch), range.begin * per_image,
                            range.end * per_image, first, kept);
  };

  const SumPanels panels(s, plan, kernels);
  if (144 * s.c * s.k > kStreamedSums && plan.tiles <= pass.block_tiles &&
      panels.count() >= 4 * threads) {
    const WinogradPanel largest = panels[0];
    const Slot sums = steps.scratch_per_thread(kernels.winograd_panel_floats(largest) * 4);
    const Slot scratch = steps.scratch_per_thread(kernels.winograd_sums_scratch(pass, largest) * 4);
    const StepSpec spec{"winograd panels", threads > 1 ? Split::free : Split::single};
    const bool alone = threads == 1;
    steps.step(spec, [=, &kernels](const Run& run, int thread, int count) {
      if (alone && thread != 0) return;
      const Range mine = share(panels.count(), alone ? 0 : thread, alone ? 1 : count);
      float* to = run.worker_ptr<float>(sums);
      for (std::int64_t i = mine.begin; i < mine.end; ++i) {
        const WinogradPanel panel = panels[i];
        float* to_db = db.present() && panel.c_begin == 0 ? run.ptr<float>(db) : nullptr;
        sum(run, scratch, to, to_db, panel, {0, images}, true,
            i > mine.begin && panels[i - 1].c_begin == panel.c_begin);
        kernels.winograd_finish(panel, to, 1, 0, run.ptr<float>(dw), pass.m, s.c, s.k,
                                panel.block_begin, panel.block_end);
      }
    });
    return;
  }

  const bool tiny = s.flops() < kSingleThreadFlops;
  // Sums that must not depend on the number of threads stay in fixed chunks.
  const bool few_images = images < threads && !problem.deterministic;
  const bool share_blocks = !tiny && (floats * 4 > kSmallSums || few_images) && blocks >= threads;
  std::int64_t chunks = 1;
  if (!tiny && !share_blocks) chunks = problem.deterministic ? kFixedChunks : threads;
  chunks = std::min(chunks, images);
  const std::int64_t stride = floats + (s.k + 15) / 16 * 16;  // a chunk's sums, then its db

  const Slot sums = steps.scratch(chunks * stride * 4);
  const Slot scratch = steps.scratch_per_thread(kernels.winograd_sums_scratch(pass, whole) * 4);

  StepSpec spec{"winograd sums", Split::free};
  if (tiny || (threads == 1 && chunks > 1)) {
    spec.split = Split::single;
  } else if (!share_blocks && chunks == threads) {
    spec.split = Split::rows;
    spec.rows = images;
    spec.parts = floats * 4 <= kPartWeights;
  } else if (threads == 1) {
    spec.split = Split::single;
  }
  const Split split = spec.split;
  const auto finish_blocks = [=, &kernels](const Run& run, Range blocks_of) {
    const float* from = run.ptr<const float>(sums);
    kernels.winograd_finish(whole, from, chunks, stride, run.ptr<float>(dw), pass.m, s.c, s.k,
                            blocks_of.begin, blocks_of.end);
    if (!db.present()) return;
    float* to = run.ptr<float>(db);
    const std::int64_t end = std::min(s.k, blocks_of.end * kernels.block);
    for (std::int64_t k = blocks_of.begin * kernels.block; k < end; ++k) {
      float total = 0.0f;
      for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
        total += from[chunk * stride + floats + k];
      to[k] = total;
    }
  };
  const bool finishes = share_blocks || (split == Split::single && chunks == 1);
  const std::int64_t block_floats = blocks > 0 ? floats / blocks : 0;
  const auto sum_chunk = [=](const Run& run, std::int64_t chunk, Range range, Range blocks_of,
                             bool first) {
    float* to = run.ptr<float>(sums) + chunk * stride;
    sum(run, scratch, to + blocks_of.begin * block_floats, db.present() ? to + floats : nullptr,
        {0, s.c, blocks_of.begin, blocks_of.end}, range, first, false);
  };
  const auto images_of = [=](std::int64_t chunk) {
    return share(images, static_cast<int>(chunk), static_cast<int>(chunks));
  };
  steps.step(spec, [=](const Run& run, int thread, int count) {
    if (split == Split::single) {
      if (thread != 0) return;
      for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
        sum_chunk(run, chunk, images_of(chunk), {0, blocks}, true);
      if (finishes) finish_blocks(run, {0, blocks});
    } else if (split == Split::rows) {
      sum_chunk(run, run.worker, share(images, thread, count), {0, blocks}, run.first);
    } else if (share_blocks) {
      const Range mine = share(blocks, thread, count);
      sum_chunk(run, 0, images_of(0), mine, true);
      finish_blocks(run, mine);
    } else {
      for (std::int64_t chunk = thread; chunk < chunks; chunk += count)
        sum_chunk(run, chunk, images_of(chunk), {0, blocks}, true);
    }
  });

  if (finishes) return;
  const Split finish = threads > 1 && blocks > 1 && !tiny ? Split::free : Split::single;
  StepSpec finish_spec{"winograd finish", finish, 0, false, 0, {sums, dw}};
  if (db.present()) finish_spec.touches.push_back(db);
  steps.step(finish_spec, [=](const Run& run, int thread, int count) {
    Range mine{0, thread == 0 ? blocks : 0};
    if (finish == Split::free) mine = share(blocks, thread, count);
    finish_blocks(run, mine);
  });
}

}  // namespace

const FunctionImplementation kConv2dBackwardKernelWinograd("winograd", declines, build,
                                                           discourages);

}  // namespace cnnfast
