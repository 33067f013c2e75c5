#include "ops/conv2d_sum_work.h"

#include <algorithm>

#include "ops/conv2d_direct.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kSmallKernelBytes = 256 << 10;  // dw of a chunk stays in L2
constexpr std::int64_t kPartSums = 128 << 10;          // dw that is touched again by every part
constexpr std::int64_t kFixedChunks = 8;  // deterministic: whatever the number of threads

}  // namespace

// Walks over blocks [begin, end) of the images [image_begin, image_end): (images, rows) blocks.
void SumWork::walk(const Run& run, int thread, Range images_range, Range blocks, Range unit_range,
                   Sums to, bool first) const {
  float* rows = scratch.present() ? run.thread_ptr<float>(scratch, thread) : nullptr;
  for (std::int64_t block = blocks.begin; block < blocks.end || first; ++block) {
    ConvSumRegion region{};
    region.unit_begin = unit_range.begin;
    region.unit_end = unit_range.end;
    region.uncached = uncached;
    if (block < blocks.end) {  // else nothing to sum: zeros
      region.image_begin = images_range.begin + block / row_blocks() * block_images;
      region.image_end = std::min(images_range.end, region.image_begin + block_images);
      region.row_begin = block % row_blocks() * block_rows;
      region.row_end = std::min(pass.dst_h, region.row_begin + block_rows);
    }
    kernel(pass, run.ptr<const float>(x), run.ptr<const float>(dy), to.dw, to.db, rows, region,
           first);
    first = false;
  }
}

void SumWork::run_tiles(const Run& run, int thread, int threads) const {
  const Range mine = share(units, thread, threads);
  if (mine.size() > 0)
    walk(run, thread, {0, images}, {0, blocks_of(images)}, mine, sums_of(run, 0));
}

// Chunk 0 stands in the outputs.
SumWork::Sums SumWork::sums_of(const Run& run, std::int64_t chunk) const {
  Sums to{run.ptr<float>(dw), run.ptr<float>(db)};
  if (chunk > 0) {
    to.dw = run.ptr<float>(partials) + (chunk - 1) * partial_floats;
    if (to.db) to.db = to.dw + dw_floats;
  }
  return to;
}

void SumWork::run_part(const Run& run, Range range) const {
  walk(run, run.worker, range, {0, blocks_of(range.size())}, {0, units}, sums_of(run, run.worker),
       run.first);
}

void SumWork::run_chunk(const Run& run, int thread, std::int64_t chunk) const {
  const Sums to = sums_of(run, chunk);
  const int c = static_cast<int>(chunk), all = static_cast<int>(chunks);
  if (images >= chunks) {
    const Range range = share(images, c, all);
    walk(run, thread, range, {0, blocks_of(range.size())}, {0, units}, to);
  } else {
    walk(run, thread, {0, images}, share(blocks_of(images), c, all), {0, units}, to);
  }
}

// Adds the chunks' partial sums to the first one's, which stands in the outputs.
void SumWork::add_partials(const Run& run, Range range) const {
  const float* from = run.ptr<const float>(partials);
  float* out[2] = {run.ptr<float>(dw), run.ptr<float>(db)};
  const std::int64_t first[2] = {0, dw_floats};
  const std::int64_t last[2] = {dw_floats, partial_floats};
  for (int i = 0; i < 2; ++i) {
    if (!out[i]) continue;
    const std::int64_t begin = std::max(range.begin, first[i]), end = std::min(range.end, last[i]);
    for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
      const float* partial = from + (chunk - 1) * partial_floats;
      for (std::int64_t j = begin; j < end; ++j) out[i][j - first[i]] += partial[j];
    }
  }
}

std::shared_ptr<SumWork> make_sum_work(const Problem& problem, StepBuilder& steps,
                                       const Conv2dShape& s) {
  auto work = std::make_shared<SumWork>();
  work->pass = forward_pass(s);
  work->images = s.n;
  work->dw_floats = s.taps() * s.group_c() * s.k;
  work->partial_floats = work->dw_floats;
  work->x = steps.input(0);
  work->dy = steps.input(1);
  work->dw = steps.output(0);
  if (problem.outputs.size() == 2 && steps.output_used(1)) {
    work->db = steps.output(1);
    work->partial_floats += s.k;
  }
  return work;
}

void add_sum_steps(const Problem& problem, StepBuilder& steps, const Conv2dShape& s,
                   const std::shared_ptr<SumWork>& work, const char* name,
                   void (*choose_blocks)(SumWork&, bool),
                   std::int64_t (*scratch_floats)(const SumWork&, const Kernels&)) {
  const int threads = steps.threads();
  const bool tiny = s.flops() < kSingleThreadFlops;
  // Sums that must not depend on the number of threads stay in fixed chunks.
  const bool few_images = work->images < threads && !problem.deterministic;
  const bool share_tiles =
      (work->dw_floats * 4 > kSmallKernelBytes || few_images) && work->units >= 8 * threads;
  work->chunks = 1;
  if (!tiny && !share_tiles) work->chunks = problem.deterministic ? kFixedChunks : threads;
  const bool split_rows = work->chunks > 1 && work->images < work->chunks;
  choose_blocks(*work, split_rows);
  const std::int64_t floats = scratch_floats(*work, problem.kernels);
  if (floats > 0) work->scratch = steps.scratch_per_thread(floats * 4);
  if (work->chunks > 1)
    work->partials = steps.scratch((work->chunks - 1) * work->partial_floats * 4);

  const std::string label = name;
  if (!tiny && !share_tiles && !split_rows && work->chunks == threads) {
    StepSpec spec{label + ", images shared", Split::rows, work->images};
    spec.parts = work->dw_floats * 4 <= kPartSums;
    steps.step(spec, [work](const Run& run, int thread, int count) {
      work->run_part(run, share(work->images, thread, count));
    });
  } else if (share_tiles && threads > 1) {
    steps.step(
        {label + ", tiles shared", Split::free},
        [work](const Run& run, int thread, int count) { work->run_tiles(run, thread, count); });
  } else if (work->chunks > 1 && threads > 1) {
    steps.step({label + ", images shared", Split::free},
               [work](const Run& run, int thread, int count) {
                 for (std::int64_t chunk = thread; chunk < work->chunks; chunk += count)
                   work->run_chunk(run, thread, chunk);
               });
  } else {
    steps.step({label, Split::single}, [work](const Run& run, int thread, int) {
      if (thread != 0) return;
      for (std::int64_t chunk = 0; chunk < work->chunks; ++chunk) work->run_chunk(run, 0, chunk);
    });
  }
  if (work->chunks == 1) return;
  const Split split =
      threads > 1 && work->chunks * work->partial_floats > (64 << 10) ? Split::free : Split::single;
  StepSpec add_spec{"add chunks", split, 0, false, 0, {work->dw, work->partials}};
  if (work->db.present()) add_spec.touches.push_back(work->db);
  steps.step(add_spec, [work, split](const Run& run, int thread, int count) {
    if (split == Split::free) {
      work->add_partials(run, share(work->partial_floats, thread, count, 16));
    } else if (thread == 0) {
      work->add_partials(run, {0, work->partial_floats});
    }
  });
}

}  // namespace cnnfast
