#include "ops/conv2d_direct.h"

#include <algorithm>
#include <memory>

#include "kernels/conv_pitch.h"
#include "ops/conv2d_implementations.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kChunkBytes = 128 << 10;  // pixels of a 1x1 convolution taken at a time
constexpr std::int64_t kCachedFloats = 4 << 20;  // of sources and results in the last level cache

Epilogue epilogue_of(const Problem& problem) {
  return epilogue_attributes(problem.node.op->name(), problem.attributes);
}

std::int64_t block_count(const ConvPass& p, const ConvKernels& kernels) {
  const std::int64_t vectors = (p.group_k + kernels.lanes - 1) / kernels.lanes;
  return (vectors + 1) / 2 * p.groups * p.joint();
}

// The kernels that share the plan of passes and the way it is cut.
enum class Way { direct, depthwise, planar };

std::int64_t scratch_floats(const PlannedPass& each, std::int64_t chunk, Way way,
                            const ConvKernels& kernels) {
  const ConvPass& p = each.pass;
  if (way == Way::planar) return kernels.planar_scratch(p);
  if (way == Way::depthwise) return kernels.depthwise_scratch(p);
  if (!p.copy) return 0;
  return p.copy_rows(p.block_rows) * std::min(chunk, p.copy_w) *
         conv_pitch(p.src_c, kernels.tile_pixels);
}

std::optional<std::string> too_much_padding(const DirectPlan& plan) {
  for (const PlannedPass& each : plan.passes)
    if (auto reason = too_much_padding(each.pass)) return reason;
  return std::nullopt;
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

struct Operands {
  Slot src, weights, bias, dst, scratch;
};

struct DirectWork {
  DirectPlan plan;
  Way way = Way::direct;
  std::int64_t kernel_cols = 1;  // depthwise backward-input: KW, and the taps run backwards
  bool flipped = false;
  int threads = 1;
  std::vector<Cut> cuts;
  Operands at;
  const ConvKernels* kernels;

  std::int64_t blocks(const ConvPass& p) const {
    return way == Way::direct ? block_count(p, *kernels) : 1;
  }

  // Do a thread's images at a time, and those of the others beside it, exceed the caches?
  bool uncached(std::int64_t images) const {
    return images * threads * (plan.src_image + plan.dst_image) > kCachedFloats;
  }

  void run_unit(const Run& run, float* scratch, const PlannedPass& each, std::int64_t image,
                const ConvRegion& region) const {
    if (way == Way::depthwise) {
      const std::int64_t col = each.pass.src_c * each.pass.group_k, row = kernel_cols * col;
      const ConvKernels::Phase f = flipped ? each.phases[0] : ConvKernels::Phase{};
      kernels->depthwise(
          each.pass, run.ptr<const float>(at.src) + image * plan.src_image,
          run.ptr<const float>(at.weights) + (flipped ? f.kh_last * row + f.kw_last * col : 0),
          flipped ? -f.kh_step * row : row, flipped ? -f.kw_step * col : col,
          run.ptr<const float>(at.bias),
          run.ptr<float>(at.dst) + image * plan.dst_image + each.destination, scratch, region);
      return;
    }
    const auto kernel = way == Way::planar ? kernels->planar : nullptr;
    if (kernel) {
      kernel(each.pass, run.ptr<const float>(at.src) + image * plan.src_image,
             run.ptr<const float>(at.weights) + each.weights, run.ptr<const float>(at.bias),
             run.ptr<float>(at.dst) + image * plan.dst_image + each.destination, scratch, region);
      return;
    }
    kernels->direct(each.pass, run.ptr<const float>(at.src) + image * plan.src_image,
                    run.ptr<const float>(at.weights) + each.weights, run.ptr<const float>(at.bias),
                    run.ptr<float>(at.dst) + image * plan.dst_image + each.destination, scratch,
                    region);
  }

  float* scratch(const Run& run) const {
    return at.scratch.present() ? run.worker_ptr<float>(at.scratch) : nullptr;
  }

  // Whole images [range) of every pass.
  void run_images(const Run& run, Range range) const {
    float* rows = scratch(run);
    if (plan.pixels_per_image) {
      const ConvPass& p = plan.passes[0].pass;
      const std::int64_t all = blocks(p);
      const std::int64_t end = range.end * plan.pixels_per_image;
      for (std::int64_t col = range.begin * plan.pixels_per_image; col < end; col += cuts[0].rows)
        run_unit(run, rows, plan.passes[0], 0,
                 {0, 1, col, std::min(end, col + cuts[0].rows), 0, all});
      return;
    }
    const bool uncached = this->uncached(range.end - range.begin);
    for (std::int64_t image = range.begin; image < range.end; ++image)
      for (const PlannedPass& each : plan.passes)
        run_unit(run, rows, each, image,
                 {0, each.pass.dst_h, 0, each.pass.dst_w, 0, blocks(each.pass), uncached});
  }

  // A thread's share of the units of all passes.
  void run_units(const Run& run, int thread, int threads) const {
    float* rows = scratch(run);
    const bool uncached = this->uncached(plan.images / this->threads);
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
        run_unit(run, rows, plan.passes[i], image, region);
      }
    }
  }
};

void add_direct_step(const Problem& problem, StepBuilder& steps, DirectPlan plan, Operands at,
                     const Conv2dShape& s, Way way = Way::direct, bool flipped = false) {
  const int threads = steps.threads();
  const double flops = s.flops();
  auto work = std::make_shared<DirectWork>();
  work->kernels = &problem.kernels.conv;
  work->way = way;
  work->flipped = flipped;
  work->threads = threads;
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
  std::int64_t floats = 0;
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

Split pack_split(const StepBuilder& steps, std::int64_t floats) {
  return steps.threads() > 1 && floats >= (32 << 10) ? Split::free : Split::single;
}
Range pack_share(Split split, std::int64_t total, int thread, int threads) {
  if (split == Split::single) return {0, thread == 0 ? total : 0};
  return share(total, thread, threads);
}

void build_forward(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_forward_shape(problem);
  const ConvKernels& kernels = problem.kernels.conv;
  const Epilogue epilogue = epilogue_of(problem);
  DirectPlan plan = plan_direct_forward(s, kernels, epilogue);
  Operands at{steps.input(0), steps.input(1), steps.input(2), steps.output(), {}};
  const ConvPass& pass = plan.passes[0].pass;
  if (pass.packed) {
    const Slot packed = steps.packed(1, std::max<std::int64_t>(1, plan.packed_floats) * 4);
    const Slot w = at.weights;
    const Split split = pack_split(steps, plan.packed_floats);
    const std::int64_t blocks = block_count(pass, kernels);
    steps.pack_step(1, {"pack", split, 0, false, 0, {w, packed}},
                    [=, &kernels](const Run& run, int thread, int threads) {
                      const Range range = pack_share(split, blocks, thread, threads);
                      kernels.pack_forward(run.ptr<const float>(w), run.ptr<float>(packed),
                                           s.taps(), s.group_c(), s.group_k(), s.groups,
                                           range.begin, range.end);
                    });
    at.weights = packed;
  }
  add_direct_step(problem, steps, std::move(plan), at, s);
}

void build_backward_input_way(const Problem& problem, StepBuilder& steps, Way way) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  const ConvKernels& kernels = problem.kernels.conv;
  DirectPlan plan = plan_direct_backward_input(s, kernels, epilogue_of(problem), way != Way::planar,
                                               way == Way::direct);
  for (PlannedPass& each : plan.passes)
    each.pass.weight_step = kernels.lanes;  // planar: one vector
  const Slot w = steps.input(1);
  const Slot packed = steps.packed(1, std::max<std::int64_t>(1, plan.packed_floats) * 4);
  const Split split = pack_split(steps, plan.packed_floats);
  const auto passes = std::make_shared<const std::vector<PlannedPass>>(plan.passes);
  steps.pack_step(1, {"pack", split, 0, false, 0, {w, packed}},
                  [=, &kernels](const Run& run, int thread, int threads) {
                    for (const PlannedPass& each : *passes) {
                      const ConvPass& p = each.pass;
                      const Range range =
                          pack_share(split, block_count(p, kernels) / p.joint(), thread, threads);
                      float* to = run.ptr<float>(packed) + each.weights;
                      for (const ConvKernels::Phase& phase : each.phases) {
                        kernels.pack_backward(run.ptr<const float>(w), to, phase, s.group_c(),
                                              s.group_k(), s.groups, range.begin, range.end);
                        to += packed_floats(p, kernels);
                      }
                    }
                  });
  add_direct_step(problem, steps, std::move(plan),
                  {steps.input(0), packed, steps.input(2), steps.output(), {}}, s, way);
}
void build_backward_input(const Problem& problem, StepBuilder& steps) {
  build_backward_input_way(problem, steps, Way::direct);
}
void build_planar_backward_input(const Problem& problem, StepBuilder& steps) {
  build_backward_input_way(problem, steps, Way::planar);
}

void build_planar_forward(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_forward_shape(problem);
  DirectPlan plan = plan_direct_forward(s, problem.kernels.conv, epilogue_of(problem), false);
  add_direct_step(problem, steps, std::move(plan),
                  {steps.input(0), steps.input(1), steps.input(2), steps.output(), {}}, s,
                  Way::planar);
}

constexpr std::int64_t kPanelBytes = 64 << 10;  // of a padded copy of some channels' rows

// Rows and channels of a padded copy: as many channels as leave it a few rows.
void choose_depthwise_blocks(ConvPass& p, const ConvKernels& kernels) {
  const auto row_bytes = [&](std::int64_t channels) { return 4 * p.copy_w * channels; };
  const auto rows = [&](std::int64_t channels) {
    const std::int64_t fit = kPanelBytes / row_bytes(channels) - (p.row_taps - 1) * p.row_tap_step;
    return (fit - 1) / p.row_step + 1;
  };
  p.block_channels = 64;
  while (p.block_channels > 2 * kernels.lanes &&
         rows(p.block_channels) < std::min<std::int64_t>(p.dst_h, 8))
    p.block_channels /= 2;
  p.block_rows =
      std::clamp<std::int64_t>(rows(p.group_k > 1 ? p.src_c * p.group_k : p.block_channels), 1,
                               std::max<std::int64_t>(1, p.dst_h));
}

// Channels that are repeated need a copy, and wide pixels are faster through one, as neighbours
// share two sets of L1; but not taps of a phase, which are few, nor what memory brings. Other
// sources are read where they lie.
DirectPlan depthwise_plan(DirectPlan plan, const ConvKernels& kernels) {
  constexpr std::int64_t kWidePixel = 512;  // channels
  const bool cached = plan.images * (plan.src_image + plan.dst_image) <= kCachedFloats;
  for (PlannedPass& each : plan.passes) {
    ConvPass& p = each.pass;
    const bool faster = p.src_c >= kWidePixel && plan.passes.size() == 1 && cached;
    p.copy = p.reduction() > 0 && p.dst_w > 0 && p.dst_h > 0 && !plan.pixels_per_image &&
             (p.group_k > 1 || faster);
    p.block_rows = std::max<std::int64_t>(1, p.dst_h);
    if (p.copy) choose_depthwise_blocks(p, kernels);
  }
  return plan;
}

DirectPlan plan_depthwise_forward(const Problem& problem) {
  const Conv2dShape s = conv2d_forward_shape(problem);
  return depthwise_plan(
      plan_direct_forward(s, problem.kernels.conv, epilogue_of(problem), s.group_k() == 1),
      problem.kernels.conv);
}

DirectPlan plan_depthwise_backward_input(const Problem& problem) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  return depthwise_plan(
      plan_direct_backward_input(s, problem.kernels.conv, epilogue_of(problem), s.group_k() == 1),
      problem.kernels.conv);
}

void build_depthwise_forward(const Problem& problem, StepBuilder& steps) {
  add_direct_step(problem, steps, plan_depthwise_forward(problem),
                  {steps.input(0), steps.input(1), steps.input(2), steps.output(), {}},
                  conv2d_forward_shape(problem), Way::depthwise);
}

void build_depthwise_backward_input(const Problem& problem, StepBuilder& steps) {
  add_direct_step(problem, steps, plan_depthwise_backward_input(problem),
                  {steps.input(0), steps.input(1), steps.input(2), steps.output(), {}},
                  conv2d_backward_input_shape(problem), Way::depthwise, true);
}

std::optional<std::string> forward_declines(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  return too_much_padding(plan_direct_forward(conv2d_forward_shape(problem), problem.kernels.conv,
                                              epilogue_of(problem)));
}

std::optional<std::string> too_many_phases(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  constexpr double kMostPhases = 4096;  // each costs a walk over its taps
  if (static_cast<double>(std::min(s.window.h.stride, s.window.h.input)) *
          static_cast<double>(std::min(s.window.w.stride, s.window.w.input)) >
      kMostPhases)
    return "strides make more than 4096 phases";
  return std::nullopt;
}

std::optional<std::string> backward_input_declines(const Problem& problem) {
  if (auto reason = too_many_phases(problem)) return reason;
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  return too_much_padding(plan_direct_backward_input(s, problem.kernels.conv, Epilogue{}));
}

constexpr const char* kNotDepthwise = "needs one channel in per group, and several groups";

std::optional<std::string> depthwise_forward_declines(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  if (!conv2d_forward_shape(problem).is_depthwise()) return kNotDepthwise;
  return too_much_padding(plan_depthwise_forward(problem));
}
std::optional<std::string> depthwise_forward_discourages(const Problem& problem) {
  const std::int64_t made = conv2d_forward_shape(problem).group_k();
  if (made < problem.kernels.conv.lanes) return std::nullopt;
  return concat(made, " channels out of each fill vectors");
}

std::optional<std::string> depthwise_backward_input_declines(const Problem& problem) {
  if (auto reason = too_many_phases(problem)) return reason;
  if (!conv2d_backward_input_shape(problem).is_depthwise()) return kNotDepthwise;
  return too_much_padding(plan_depthwise_backward_input(problem));
}

// Planar pays where a vector over the destination's channels would be emptier than one over the
// pixels of its rows.
std::optional<std::string> planar_declines(const Problem& problem, const Conv2dShape& s,
                                           std::int64_t channels, const DirectPlan& plan) {
  if (s.groups != 1) return concat("groups is ", s.groups, ", needs 1");
  if (channels > problem.kernels.conv.planar_channels)
    return concat("makes ", channels, " channels, at most ", problem.kernels.conv.planar_channels);
  for (const PlannedPass& each : plan.passes) {
    if (each.pass.col_step != 1) return "horizontal stride is not 1";
    const double bytes = 4.0 * static_cast<double>(each.pass.copy_rows(each.pass.block_rows)) *
                         static_cast<double>(each.pass.copy_w + 64) *
                         static_cast<double>(each.pass.src_c);
    if (bytes > (64 << 20)) return "planes need more than 64 MiB a thread";
  }
  return std::nullopt;
}
std::optional<std::string> planar_discourages(const Problem& problem, std::int64_t channels,
                                              std::int64_t width) {
  const std::int64_t lanes = problem.kernels.conv.lanes;
  const double used = static_cast<double>(width) / static_cast<double>(std::max<std::int64_t>(
                                                       1, (width + lanes - 1) / lanes * lanes));
  if (static_cast<double>(channels) / static_cast<double>(lanes) < 0.9 * used) return std::nullopt;
  return concat("rows of ", width, " pixels fill vectors no better than ", channels, " channels");
}

std::optional<std::string> planar_forward_declines(const Problem& problem) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  const Conv2dShape s = conv2d_forward_shape(problem);
  return planar_declines(problem, s, s.k,
                         plan_direct_forward(s, problem.kernels.conv, Epilogue{}, false));
}
std::optional<std::string> planar_forward_discourages(const Problem& problem) {
  const Conv2dShape s = conv2d_forward_shape(problem);
  return planar_discourages(problem, s.k, s.window.w.output);
}
std::optional<std::string> planar_backward_input_declines(const Problem& problem) {
  if (auto reason = backward_input_declines(problem)) return reason;
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  return planar_declines(problem, s, s.c,
                         plan_direct_backward_input(s, problem.kernels.conv, Epilogue{}, false));
}
std::optional<std::string> planar_backward_input_discourages(const Problem& problem) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  return planar_discourages(problem, s.c, s.window.w.input / s.window.w.stride);
}

}  // namespace

const FunctionImplementation kConv2dDirect("direct", forward_declines, build_forward);
const FunctionImplementation kConv2dBackwardInputDirect("direct", backward_input_declines,
                                                        build_backward_input);

const FunctionImplementation kConv2dDepthwise("depthwise", depthwise_forward_declines,
                                              build_depthwise_forward,
                                              depthwise_forward_discourages);
const FunctionImplementation kConv2dBackwardInputDepthwise("depthwise",
                                                           depthwise_backward_input_declines,
                                                           build_depthwise_backward_input);

const FunctionImplementation kConv2dPlanar("planar", planar_forward_declines, build_planar_forward,
                                           planar_forward_discourages);
const FunctionImplementation kConv2dBackwardInputPlanar("planar", planar_backward_input_declines,
                                                        build_planar_backward_input,
                                                        planar_backward_input_discourages);

}  // namespace cnnfast
