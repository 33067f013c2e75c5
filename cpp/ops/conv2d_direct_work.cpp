#include "ops/conv2d_direct_work.h"

#include <algorithm>
#include <memory>

#include "kernels/conv_pitch.h"

namespace cnnfast {

std::int64_t block_count(const ConvPass& p, const ConvKernels& kernels) {
  const std::int64_t vectors = (p.group_k + kernels.lanes - 1) / kernels.lanes;
  return (vectors + 1) / 2 * p.groups * p.joint();
}

namespace {

constexpr std::int64_t kChunkBytes = 128 << 10;  // pixels of a 1x1 convolution taken at a time

std::int64_t scratch_floats(const PlannedPass& each, std::int64_t chunk, Way way,
                            const ConvKernels& kernels) {
  const ConvPass& p = each.pass;
  if (way == Way::planar) return kernels.planar_scratch(p);
  if (way == Way::depthwise) return kernels.depthwise_scratch(p);
  if (!p.copy) return 0;
  return p.copy_rows(p.block_rows) * std::min(chunk, p.copy_w) *
         conv_pitch(p.src_c, kernels.tile_pixels);
}

// How one pass is cut when images alone do not feed the threads.
struct Cut {
  std::int64_t rows = 1, row_units = 0;      // destination rows of a unit
  std::int64_t blocks = 1, block_units = 0;  // channel blocks of a unit
  std::int64_t units = 0;                    // of all images
};

Cut cut_pass(const DirectPlan& plan, ConvPass& p, const ConvKernels& kernels, Way way,
             int threads) {
  Cut cut;
  const std::int64_t blocks = way == Way::direct ? block_count(p, kernels) : 1;
  const std::int64_t extent = plan.pixels_per_image ? p.dst_w : p.dst_h;
  const std::int64_t step =
      plan.pixels_per_image
          ? std::max<std::int64_t>(4, kChunkBytes / (4 * p.src_c) / kernels.tile_pixels) *
                kernels.tile_pixels
          : p.block_rows;
  cut.blocks = blocks;
  cut.rows = step;
  const std::int64_t images = std::max<std::int64_t>(1, plan.images);
  const std::int64_t wanted = (4 * threads + images - 1) / images;  // units per image
  const double weight_bytes =
      4.0 * static_cast<double>(p.reduction() * p.group_k * p.groups * p.joint());
  const double source_bytes =
      4.0 * static_cast<double>(plan.pixels_per_image ? p.src_w * p.src_c : plan.src_image);
  if (threads > 1 && (extent + step - 1) / step < wanted) {
    if (weight_bytes > source_bytes && blocks >= 2 * threads) {
      // Each thread reads its share of the weights once, and all of the small source.
      cut.blocks = std::max<std::int64_t>(1, blocks / std::max<std::int64_t>(wanted, threads));
    } else {
      const std::int64_t grain = plan.pixels_per_image ? kernels.tile_pixels : 1;
      const std::int64_t rows = (extent + wanted - 1) / wanted;
      cut.rows = std::clamp<std::int64_t>((rows + grain - 1) / grain * grain, 1, step);
      if (!plan.pixels_per_image) p.block_rows = std::min(p.block_rows, cut.rows);
    }
  }
  cut.row_units = (extent + cut.rows - 1) / cut.rows;
  cut.block_units = (blocks + cut.blocks - 1) / cut.blocks;
  cut.units = plan.images * cut.row_units * cut.block_units;
  return cut;
}

// Padded source rows that several passes read, copied once for all of them: destination rows
// [row, row + rows) read source rows [row + first_row, row + first_row + rows - 1 + reach).
struct PaddedRows {
  std::int64_t units = 0;  // of an image; 0: each pass makes its own copy, or none
  std::int64_t rows = 0;
  std::int64_t src_h = 0, src_w = 0;
  std::int64_t channels = 0;
  std::int64_t first_row = 0, reach = 0, first_col = 0, cols = 0;

  std::int64_t floats() const { return units > 0 ? (rows - 1 + reach) * cols * channels : 0; }
};

// The phases of backward-input read much the same rows. Makes such a copy their source.
PaddedRows share_padded_rows(DirectPlan& plan, const std::vector<Cut>& cuts,
                             const ConvKernels& kernels) {
  const auto reads = [](const ConvPass& p) {
    return p.reduction() > 0 && p.dst_h > 0 && p.dst_w > 0;
  };
  PaddedRows shared;
  std::int64_t end_row = 0, end_col = 0, copies = 0, dst_h = 0;
  for (std::size_t i = 0; i < plan.passes.size(); ++i) {
    const ConvPass& p = plan.passes[i].pass;
    dst_h = std::max(dst_h, p.dst_h);
    if (!reads(p)) continue;
    if (p.row_step != 1 || p.col_step != 1 || cuts[i].block_units > 1 ||
        conv_pixels_collide(p.src_c, kernels.tile_pixels))
      return {};
    const bool first = shared.rows == 0;
    shared.rows = first ? cuts[i].rows : std::min(shared.rows, cuts[i].rows);
    shared.first_row = first ? p.row_first : std::min(shared.first_row, p.row_first);
    shared.first_col = first ? p.col_first : std::min(shared.first_col, p.col_first);
    shared.src_h = p.src_h;
    shared.src_w = p.src_w;
    shared.channels = p.src_c;
    const std::int64_t row = p.row_first + p.copy_rows(1), col = p.col_first + p.copy_w;
    end_row = first ? row : std::max(end_row, row);
    end_col = first ? col : std::max(end_col, col);
    copies += p.copy;
  }
  if (copies < 2) return {};
  shared.units = (dst_h + shared.rows - 1) / shared.rows;
  shared.reach = end_row - shared.first_row;
  shared.cols = end_col - shared.first_col;
  for (PlannedPass& each : plan.passes) {
    ConvPass& p = each.pass;
    if (!reads(p)) continue;
    p.copy = false;
    p.src_w = shared.cols;
    p.row_first -= shared.first_row;
    p.col_first -= shared.first_col;
  }
  return shared;
}

struct DirectWork {
  DirectPlan plan;
  PaddedRows padded;
  Way way = Way::direct;
  std::int64_t kernel_cols = 1;  // depthwise backward-input: KW, and the taps run backwards
  bool flipped = false;
  int threads = 1;
  std::int64_t cached_floats = kCachedFloats;
  std::vector<Cut> cuts;
  Operands at;
  const ConvKernels* kernels;

  std::int64_t blocks(const ConvPass& p) const {
    return way == Way::direct ? block_count(p, *kernels) : 1;
  }

  // Do the images that all threads make at a time exceed the caches?
  bool uncached(std::int64_t images) const {
    const std::int64_t image = plan.dst_image + (way == Way::depthwise ? plan.src_image : 0);
    return images * image > cached_floats;
  }

  // `src`: the image's, or where it would begin around a copy of some of its rows.
  void run_unit(const Run& run, float* scratch, const PlannedPass& each, const float* src,
                std::int64_t image, const ConvRegion& region) const {
    const float* bias = run.ptr<const float>(at.bias);
    float* dst = run.ptr<float>(at.dst) + image * plan.dst_image + each.destination;
    if (way == Way::depthwise) {
      const std::int64_t col = each.pass.src_c * each.pass.group_k, row = kernel_cols * col;
      const ConvKernels::Phase f = flipped ? each.phases[0] : ConvKernels::Phase{};
      kernels->depthwise(
          each.pass, src,
          run.ptr<const float>(at.weights) + (flipped ? f.kh_last * row + f.kw_last * col : 0),
          flipped ? -f.kh_step * row : row, flipped ? -f.kw_step * col : col, bias, dst, scratch,
          region);
      return;
    }
    (way == Way::planar ? kernels->planar : kernels->direct)(
        each.pass, src, run.ptr<const float>(at.weights) + each.weights, bias, dst, scratch,
        region);
  }

  const float* source(const Run& run, std::int64_t image) const {
    return run.ptr<const float>(at.src) + image * plan.src_image;
  }

  // Destination rows [row, row + padded.rows) of all passes.
  void run_padded_rows(const Run& run, float* copy, std::int64_t image, std::int64_t row,
                       bool uncached) const {
    kernels->pad(source(run, image), padded.src_h, padded.src_w, padded.channels,
                 row + padded.first_row, padded.rows - 1 + padded.reach, padded.first_col,
                 padded.cols, copy);
    const float* src = copy - row * padded.cols * padded.channels;
    for (const PlannedPass& each : plan.passes)
      run_unit(run, nullptr, each, src, image,
               {row, std::min(each.pass.dst_h, row + padded.rows), 0, each.pass.dst_w, 0,
                blocks(each.pass), uncached});
  }

  float* scratch(const Run& run) const {
    return at.scratch.present() ? run.worker_ptr<float>(at.scratch) : nullptr;
  }

  // Whole images [range) of every pass.
  void run_images(const Run& run, Range range) const {
    float* rows = scratch(run);
    const bool uncached = this->uncached(range.size() * threads);
    if (plan.pixels_per_image) {
      const ConvPass& p = plan.passes[0].pass;
      const std::int64_t all = blocks(p);
      const std::int64_t end = range.end * plan.pixels_per_image;
      for (std::int64_t col = range.begin * plan.pixels_per_image; col < end; col += cuts[0].rows)
        run_unit(run, rows, plan.passes[0], source(run, 0), 0,
                 {0, 1, col, std::min(end, col + cuts[0].rows), 0, all, uncached});
      return;
    }
    for (std::int64_t image = range.begin; image < range.end; ++image) {
      for (std::int64_t unit = 0; unit < padded.units; ++unit)
        run_padded_rows(run, rows, image, unit * padded.rows, uncached);
      if (padded.units > 0) continue;
      for (const PlannedPass& each : plan.passes)
        run_unit(run, rows, each, source(run, image), image,
                 {0, each.pass.dst_h, 0, each.pass.dst_w, 0, blocks(each.pass), uncached});
    }
  }

  // A thread's share of the units of all passes.
  void run_units(const Run& run, int thread, int threads) const {
    float* rows = scratch(run);
    const bool uncached = this->uncached(plan.batch);
    if (padded.units > 0) {
      const Range range = share(padded.units * plan.images, thread, threads);
      for (std::int64_t unit = range.begin; unit < range.end; ++unit)
        run_padded_rows(run, rows, unit / padded.units, unit % padded.units * padded.rows,
                        uncached);
      return;
    }
    for (std::size_t i = 0; i < plan.passes.size(); ++i) {
      const ConvPass& p = plan.passes[i].pass;
      const Cut& cut = cuts[i];
      const std::int64_t all = blocks(p);
      const Range range = share(cut.units, thread, threads);
      for (std::int64_t unit = range.begin; unit < range.end; ++unit) {
        // Blocks outermost: a thread keeps its weights while it walks over the images.
        const std::int64_t row = unit % cut.row_units * cut.rows;
        const std::int64_t image = unit / cut.row_units % plan.images;
        const std::int64_t block = unit / cut.row_units / plan.images * cut.blocks;
        ConvRegion region{0,       p.dst_h, 0, p.dst_w, block, std::min(all, block + cut.blocks),
                          uncached};
        if (plan.pixels_per_image) {
          region.col_begin = row;
          region.col_end = std::min(p.dst_w, row + cut.rows);
        } else {
          region.row_begin = row;
          region.row_end = std::min(p.dst_h, row + cut.rows);
        }
        run_unit(run, rows, plan.passes[i], source(run, image), image, region);
      }
    }
  }
};

}  // namespace

void add_direct_step(const Problem& problem, StepBuilder& steps, DirectPlan plan, Operands at,
                     const Conv2dShape& s, Way way, bool flipped) {
  const int threads = steps.threads();
  const double flops = s.flops();
  auto work = std::make_shared<DirectWork>();
  work->kernels = &problem.kernels.conv;
  work->way = way;
  work->flipped = flipped;
  work->threads = threads;
  if (way == Way::depthwise) work->cached_floats = depthwise_cached_floats(problem.caches);
  work->kernel_cols = s.window.w.window;
  static constexpr const char* kNames[] = {"direct", "depthwise", "planar"};
  StepSpec spec{kNames[static_cast<int>(way)], Split::free};
  if (flops < kSingleThreadFlops) {
    spec.split = Split::single;
  } else if ((plan.batch % threads == 0 && plan.batch > 0) || plan.batch >= 8 * threads) {
    spec.split = Split::rows;
    spec.rows = plan.batch;
    spec.parts = s.taps() * s.group_c() * s.k * 4 <= kPartWeights;
    spec.whole = {at.weights, at.bias};
  }
  for (PlannedPass& each : plan.passes)
    work->cuts.push_back(cut_pass(plan, each.pass, problem.kernels.conv, way,
                                  spec.split == Split::free ? threads : 1));
  if (way == Way::direct) work->padded = share_padded_rows(plan, work->cuts, problem.kernels.conv);
  std::int64_t floats = work->padded.floats();
  for (std::size_t i = 0; i < plan.passes.size(); ++i) {
    ConvPass& p = plan.passes[i].pass;
    const bool flat = plan.pixels_per_image != 0;
    if (flat && way == Way::direct &&
        conv_pixels_collide(p.src_c, problem.kernels.conv.tile_pixels))
      p.copy = true;
    floats = std::max(floats, scratch_floats(plan.passes[i], flat ? work->cuts[i].rows : p.copy_w,
                                             way, problem.kernels.conv));
  }
  if (floats > 0) at.scratch = steps.scratch_per_thread(floats * 4);
  work->at = at;
  work->plan = std::move(plan);
  const Split split = spec.split;
  steps.step(spec, [work, split](const Run& run, int thread, int count) {
    if (split == Split::free) {
      work->run_units(run, thread, count);
    } else if (split == Split::rows) {
      work->run_images(run, share(work->plan.batch, thread, count));
    } else if (thread == 0) {
      work->run_images(run, {0, work->plan.batch});
    }
  });
}

}  // namespace cnnfast
