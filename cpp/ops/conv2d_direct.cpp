#include "ops/conv2d_direct.h"

#include <algorithm>
#include <memory>

#include "ops/conv2d_direct_work.h"
#include "ops/conv2d_implementations.h"

namespace cnnfast {

namespace {

Epilogue epilogue_of(const Problem& problem) {
  return epilogue_attributes(problem.node.op->name(), problem.attributes);
}

std::optional<std::string> too_much_padding(const DirectPlan& plan) {
  for (const PlannedPass& each : plan.passes)
    if (auto reason = too_much_padding(each.pass)) return reason;
  return std::nullopt;
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
    const std::int64_t c = s.group_c(), reduction = s.taps() * c;
    const auto pack = [=, &kernels](const Run& run, Range rows, Range of_blocks) {
      kernels.pack_forward(run.ptr<const float>(w), run.ptr<float>(packed),
                           {rows.begin, rows.end, reduction}, s.group_k(), s.groups,
                           of_blocks.begin, of_blocks.end);
    };
    steps.pack_step(1, {"pack", split, 0, false, 0, {w, packed}},
                    [=](const Run& run, int thread, int threads) {
                      pack(run, {0, reduction}, pack_share(split, blocks, thread, threads));
                    },
                    {1, [=](const Run& run, Range channels) {
                       for (std::int64_t tap = 0; tap < reduction; tap += c)
                         pack(run, {tap + channels.begin, tap + channels.end}, {0, blocks});
                     }});
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
  const auto pack = [=, &kernels](const Run& run, const PlannedPass& each, Range blocks) {
    float* to = run.ptr<float>(packed) + each.weights;
    for (const ConvKernels::Phase& phase : each.phases) {
      kernels.pack_backward(run.ptr<const float>(w), to, phase, s.group_c(), s.group_k(), s.groups,
                            blocks.begin, blocks.end);
      to += packed_floats(each.pass, kernels);
    }
  };
  ChannelPack by_channels;
  if (s.groups == 1)
    by_channels = {kernels.block, [=, &kernels](const Run& run, Range c) {
                     const std::int64_t block = kernels.block;
                     for (const PlannedPass& each : *passes)
                       pack(run, each, {c.begin / block, (c.end + block - 1) / block});
                   }};
  steps.pack_step(
      1, {"pack", split, 0, false, 0, {w, packed}},
      [=, &kernels](const Run& run, int thread, int threads) {
        for (const PlannedPass& each : *passes) {
          const std::int64_t blocks = block_count(each.pass, kernels) / each.pass.joint();
          pack(run, each, pack_share(split, blocks, thread, threads));
        }
      },
      std::move(by_channels));
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

constexpr std::int64_t kPanelBytes = 64 << 10;  // of a padded copy of some rows

// Channels that are repeated need a copy; other sources are read where they lie.
DirectPlan depthwise_plan(DirectPlan plan) {
  for (PlannedPass& each : plan.passes) {
    ConvPass& p = each.pass;
    p.copy =
        p.reduction() > 0 && p.dst_w > 0 && p.dst_h > 0 && !plan.pixels_per_image && p.group_k > 1;
    p.block_rows = std::max<std::int64_t>(1, p.dst_h);
    if (!p.copy) continue;
    const std::int64_t row_bytes = 4 * p.copy_w * p.src_c * p.group_k;
    const std::int64_t fit = kPanelBytes / row_bytes - (p.row_taps - 1) * p.row_tap_step;
    p.block_rows = std::clamp<std::int64_t>((fit - 1) / p.row_step + 1, 1, p.block_rows);
  }
  return plan;
}

DirectPlan plan_depthwise_forward(const Problem& problem) {
  const Conv2dShape s = conv2d_forward_shape(problem);
  return depthwise_plan(
      plan_direct_forward(s, problem.kernels.conv, epilogue_of(problem), s.group_k() == 1));
}

DirectPlan plan_depthwise_backward_input(const Problem& problem) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  return depthwise_plan(
      plan_direct_backward_input(s, problem.kernels.conv, epilogue_of(problem), s.group_k() == 1));
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
  if (auto reason = declines_unless_f32_unpooled(problem)) return reason;
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
  if (auto reason = declines_unless_f32_unpooled(problem)) return reason;
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

std::optional<std::string> planar_discourages(const Problem& problem, std::int64_t channels,
                                              std::int64_t width) {
  const std::int64_t lanes = problem.kernels.conv.lanes;
  const double used = static_cast<double>(width) / static_cast<double>(std::max<std::int64_t>(
                                                       1, (width + lanes - 1) / lanes * lanes));
  if (static_cast<double>(channels) / static_cast<double>(lanes) < 0.9 * used) return std::nullopt;
  return concat("rows of ", width, " pixels fill vectors no better than ", channels, " channels");
}

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
