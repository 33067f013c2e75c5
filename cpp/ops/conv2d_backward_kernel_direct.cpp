// The kernel's gradient, directly. Two ways to share the work, both without two threads ever
// writing one place:
//   small kernels: each chunk of images (or rows) sums into its own dw, the chunks are added in a
//     fixed order afterwards;
//   large kernels: each thread owns tiles of dw and walks over all images.
#include <algorithm>
#include <memory>

#include "ops/conv2d_direct.h"
#include "ops/conv2d_implementations.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kSmallKernelBytes = 256 << 10;  // dw of a chunk stays in L2
constexpr std::int64_t kBlockBytes = 256 << 10;        // x and dy rows of one walk
constexpr std::int64_t kLeastPixels = 256;  // of a walk: a tile is loaded and stored once for them
constexpr std::int64_t kFixedChunks = 8;    // deterministic: whatever the number of threads

struct SumWork {
  ConvPass pass;
  decltype(ConvKernels::backward_kernel) kernel = nullptr;
  std::int64_t images, units;
  std::int64_t block_images, block_rows;  // of one walk
  std::int64_t chunks, partial_floats;    // 1: tiles are shared instead
  std::int64_t dw_floats;
  Slot x, dy, dw, db, scratch, partials;

  std::int64_t row_blocks() const { return (pass.dst_h + block_rows - 1) / block_rows; }

  // Walks over blocks [begin, end) of the images [image_begin, image_end): (images, rows) blocks.
  void walk(const Run& run, int thread, Range images_range, Range blocks, Range unit_range,
            float* to_dw, float* to_db) const {
    float* rows = scratch.present() ? run.thread_ptr<float>(scratch, thread) : nullptr;
    bool first = true;
    for (std::int64_t block = blocks.begin; block < blocks.end || first; ++block) {
      ConvSumRegion region{};
      region.unit_begin = unit_range.begin;
      region.unit_end = unit_range.end;
      if (block < blocks.end) {  // else nothing to sum: zeros
        region.image_begin = images_range.begin + block / row_blocks() * block_images;
        region.image_end = std::min(images_range.end, region.image_begin + block_images);
        region.row_begin = block % row_blocks() * block_rows;
        region.row_end = std::min(pass.dst_h, region.row_begin + block_rows);
      }
      kernel(pass, run.ptr<const float>(x), run.ptr<const float>(dy), to_dw, to_db, rows, region,
             first);
      first = false;
    }
  }
  std::int64_t blocks_of(std::int64_t count) const {
    return (count + block_images - 1) / block_images * row_blocks();
  }

  void run_tiles(const Run& run, int thread, int threads) const {
    const Range mine = share(units, thread, threads);
    if (mine.size() > 0)
      walk(run, thread, {0, images}, {0, blocks_of(images)}, mine, run.ptr<float>(dw),
           run.ptr<float>(db));
  }

  void run_chunk(const Run& run, int thread, std::int64_t chunk) const {
    float* to_dw = run.ptr<float>(dw);
    float* to_db = run.ptr<float>(db);
    if (chunk > 0) {
      to_dw = run.ptr<float>(partials) + (chunk - 1) * partial_floats;
      to_db = to_db ? to_dw + dw_floats : nullptr;
    }
    const int c = static_cast<int>(chunk), all = static_cast<int>(chunks);
    if (images >= chunks) {
      const Range range = share(images, c, all);
      walk(run, thread, range, {0, blocks_of(range.size())}, {0, units}, to_dw, to_db);
    } else {
      walk(run, thread, {0, images}, share(blocks_of(images), c, all), {0, units}, to_dw, to_db);
    }
  }

  // Adds the chunks' partial sums to the first one's, which stands in the outputs.
  void add_partials(const Run& run, Range range) const {
    const float* from = run.ptr<const float>(partials);
    float* out[2] = {run.ptr<float>(dw), run.ptr<float>(db)};
    const std::int64_t first[2] = {0, dw_floats};
    const std::int64_t last[2] = {dw_floats, partial_floats};
    for (int i = 0; i < 2; ++i) {
      if (!out[i]) continue;
      const std::int64_t begin = std::max(range.begin, first[i]),
                         end = std::min(range.end, last[i]);
      for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
        const float* partial = from + (chunk - 1) * partial_floats;
        for (std::int64_t j = begin; j < end; ++j) out[i][j - first[i]] += partial[j];
      }
    }
  }
};

void choose_blocks(SumWork& work, bool split_rows) {
  const ConvPass& p = work.pass;
  const std::int64_t pixels = std::max<std::int64_t>(1, p.dst_h * p.dst_w);
  const std::int64_t row_bytes =
      std::max<std::int64_t>(1, 4 * (p.src_w * p.src_c * p.row_step + p.dst_row));
  const std::int64_t wanted =
      std::max(kLeastPixels / std::max<std::int64_t>(1, p.dst_w), kBlockBytes / row_bytes);
  work.block_images = 1;
  work.block_rows = std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, p.dst_h));
  if (split_rows) {
    // One image for several threads: a few blocks each.
    const std::int64_t even = (p.dst_h + 2 * work.chunks - 1) / (2 * work.chunks);
    work.block_rows = std::clamp<std::int64_t>(even, 1, work.block_rows);
  } else if (pixels < kLeastPixels) {
    work.block_images = std::clamp<std::int64_t>((kLeastPixels + pixels - 1) / pixels, 1,
                                                 std::max<std::int64_t>(1, work.images));
  }
}

void build_with(const Problem& problem, StepBuilder& steps, bool depthwise) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const ConvKernels& kernels = problem.kernels.conv;
  auto work = std::make_shared<SumWork>();
  work->kernel = depthwise ? kernels.depthwise_backward_kernel : kernels.backward_kernel;
  work->pass = forward_pass(s);
  work->images = s.n;
  work->units = depthwise ? 1 : kernels.backward_kernel_units(work->pass);
  work->dw_floats = s.taps() * s.group_c() * s.k;
  work->partial_floats = work->dw_floats;
  work->x = steps.input(0);
  work->dy = steps.input(1);
  work->dw = steps.output(0);
  if (problem.outputs.size() == 2 && steps.output_used(1)) {
    work->db = steps.output(1);
    work->partial_floats += s.k;
  }

  const int threads = steps.threads();
  const bool tiny = s.flops() < kSingleThreadFlops;
  const bool share_tiles = work->dw_floats * 4 > kSmallKernelBytes && work->units >= 8 * threads;
  work->chunks = 1;
  if (!tiny && !share_tiles) work->chunks = problem.deterministic ? kFixedChunks : threads;
  const bool split_rows = work->chunks > 1 && work->images < work->chunks;
  choose_blocks(*work, split_rows);
  const std::int64_t floats =
      kernels.backward_kernel_scratch(work->pass, work->block_images, work->block_rows);
  if (floats > 0) work->scratch = steps.scratch_per_thread(floats * 4);
  if (work->chunks > 1)
    work->partials = steps.scratch((work->chunks - 1) * work->partial_floats * 4);

  if (tiny || threads == 1 || (work->chunks == 1 && !share_tiles)) {
    steps.step({"direct", Split::single}, [work](const Run& run, int thread, int) {
      if (thread != 0) return;
      for (std::int64_t chunk = 0; chunk < work->chunks; ++chunk) work->run_chunk(run, 0, chunk);
    });
  } else if (share_tiles) {
    steps.step(
        {"direct, tiles shared", Split::free},
        [work](const Run& run, int thread, int count) { work->run_tiles(run, thread, count); });
  } else {
    StepSpec spec{"direct, images shared", Split::free};
    if (!split_rows && work->chunks == threads) {
      spec.split = Split::rows;
      spec.rows = work->images;
    }
    steps.step(spec, [work](const Run& run, int thread, int count) {
      for (std::int64_t chunk = thread; chunk < work->chunks; chunk += count)
        work->run_chunk(run, thread, chunk);
    });
  }
  if (work->chunks == 1) return;
  const Split split =
      threads > 1 && work->chunks * work->partial_floats > (64 << 10) ? Split::free : Split::single;
  steps.step({"add chunks", split}, [work, split](const Run& run, int thread, int count) {
    if (split == Split::free) {
      work->add_partials(run, share(work->partial_floats, thread, count, 16));
    } else if (thread == 0) {
      work->add_partials(run, {0, work->partial_floats});
    }
  });
}

void build(const Problem& problem, StepBuilder& steps) { build_with(problem, steps, false); }
void build_depthwise(const Problem& problem, StepBuilder& steps) {
  build_with(problem, steps, true);
}

std::optional<std::string> declines(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  return too_much_padding(forward_pass(conv2d_backward_kernel_shape(problem)));
}

std::optional<std::string> depthwise_declines(const Problem& problem) {
  if (!conv2d_backward_kernel_shape(problem).is_depthwise())
    return "needs one channel in and one out per group, and several groups";
  return declines(problem);
}

}  // namespace

const FunctionImplementation kConv2dBackwardKernelDirect("direct", declines, build);

const FunctionImplementation kConv2dBackwardKernelDepthwise("depthwise", depthwise_declines,
                                                            build_depthwise);

}  // namespace cnnfast
