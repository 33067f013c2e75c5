#include <algorithm>
#include <numeric>

#include "ops/conv2d_direct.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kSourceBytes = 192 << 10;  // source rows that stay in L2 beside weights

// What follows from the sizes: the padded copy and how many rows are made at a time.
void finish(ConvPass& p) {
  p.copy_w = p.dst_w > 0
                 ? (p.dst_w * p.places() - 1) * p.col_step + (p.col_taps - 1) * p.col_tap_step + 1
                 : 0;
  const std::int64_t all_rows = p.dst_h > 0 ? p.copy_rows(p.dst_h) : 0;
  p.copy = p.reduction() > 0 && p.dst_w > 0 && p.dst_h > 0 &&
           (p.row_first < 0 || p.col_first < 0 || p.row_first + all_rows > p.src_h ||
            p.col_first + p.copy_w > p.src_w);
  const std::int64_t step = p.row_step * p.places();
  const std::int64_t row_bytes =
      std::max<std::int64_t>(1, (p.copy ? p.copy_w : p.src_w) * p.src_c * 4 * step);
  const std::int64_t overlap = (p.row_taps - 1) * p.row_tap_step;
  p.block_rows = std::clamp<std::int64_t>(kSourceBytes / row_bytes - overlap / step, 1,
                                          std::max<std::int64_t>(1, p.dst_h));
}

std::int64_t round_up(std::int64_t value, std::int64_t to) { return (value + to - 1) / to * to; }

// One axis of one phase of backward-input: the input places i with (i + before) % stride == phase,
// each a sum over the taps t with t * dilation % stride == phase, of dy at q + offset(t).
struct AxisPhase {
  std::int64_t first_place = 0, places = 0;
  std::int64_t taps = 0, tap_step = 1;             // tap numbers, from the last to the first
  std::vector<std::int64_t> last_taps;             // of this phase and of those joined to it
  std::int64_t first_offset = 0, offset_step = 1;  // in dy

  std::int64_t joint() const { return static_cast<std::int64_t>(last_taps.size()); }
  bool reads_as(const AxisPhase& other) const {
    return places == other.places && taps == other.taps && first_offset == other.first_offset;
  }
};

AxisPhase axis_phase(const WindowAxis& a, std::int64_t first_place) {
  AxisPhase p;
  const std::int64_t phase = (first_place + a.before) % a.stride;
  p.first_place = first_place;
  p.places = (a.input - 1 - first_place) / a.stride + 1;
  p.last_taps = {0};
  const std::int64_t divisor = std::gcd(a.dilation, a.stride);
  p.tap_step = a.stride / divisor;
  p.offset_step = a.dilation / divisor;
  std::int64_t first = 0;
  while (first < std::min(p.tap_step, a.window) && (phase - first * a.dilation) % a.stride != 0)
    ++first;
  if (first >= std::min(p.tap_step, a.window)) return p;  // no tap reaches these places
  p.taps = (a.window - 1 - first) / p.tap_step + 1;
  p.last_taps[0] = first + (p.taps - 1) * p.tap_step;
  p.first_offset = (p.first_place + a.before - phase) / a.stride +
                   (phase - p.last_taps[0] * a.dilation) / a.stride;
  return p;
}

// `join`: neighbours that read the same places of dy become one.
std::vector<AxisPhase> axis_phases(const WindowAxis& a, bool join) {
  std::vector<AxisPhase> phases;
  for (std::int64_t place = 0; place < std::min(a.stride, a.input); ++place) {
    AxisPhase phase = axis_phase(a, place);
    if (join && !phases.empty() && phases.back().reads_as(phase))
      phases.back().last_taps.push_back(phase.last_taps[0]);
    else
      phases.push_back(std::move(phase));
  }
  return phases;
}

}  // namespace

std::int64_t packed_floats(const ConvPass& p, const ConvKernels& kernels) {
  return p.reduction() * p.groups * round_up(p.group_k, kernels.lanes);
}

ConvPass forward_pass(const Conv2dShape& s) {
  const WindowAxis &h = s.window.h, &w = s.window.w;
  ConvPass p;
  p.src_h = h.input;
  p.src_w = w.input;
  p.src_c = s.c;
  p.row_step = h.stride;
  p.row_first = -h.before;
  p.row_taps = h.window;
  p.row_tap_step = h.dilation;
  p.col_step = w.stride;
  p.col_first = -w.before;
  p.col_taps = w.window;
  p.col_tap_step = w.dilation;
  p.groups = s.groups;
  p.group_c = s.group_c();
  p.group_k = s.group_k();
  p.pool = s.pool;
  p.dst_h = s.made(h);
  p.dst_w = s.made(w);
  p.dst_row = p.dst_w * s.k;
  p.dst_col = s.k;
  finish(p);
  return p;
}

DirectPlan plan_direct_forward(const Conv2dShape& s, const ConvKernels& kernels,
                               const Epilogue& epilogue, bool flatten) {
  const WindowAxis &h = s.window.h, &w = s.window.w;
  PlannedPass planned;
  ConvPass& p = planned.pass = forward_pass(s);
  p.activation = epilogue.activation;
  p.alpha = epilogue.alpha;
  DirectPlan plan;
  plan.batch = plan.images = s.n;
  plan.src_image = h.input * w.input * s.c;
  plan.dst_image = p.dst_h * p.dst_w * s.k;
  const bool pointwise = flatten && h.window == 1 && w.window == 1 && h.stride == 1 &&
                         w.stride == 1 && h.output == h.input && w.output == w.input;
  if (pointwise) {
    plan.pixels_per_image = h.input * w.input;
    plan.images = 1;
    p.src_h = p.dst_h = 1;
    p.src_w = p.dst_w = s.n * plan.pixels_per_image;
    p.dst_row = p.dst_w * s.k;
    finish(p);
  }
  // Read as well where they lie: whole vectors of a block's channels, or a few KB of several
  // blocks. More would share a part of L1's sets.
  const bool few = s.k <= kernels.block || (s.k <= 64 && 4 * p.reduction() * s.k <= (8 << 10));
  p.packed = !(s.groups == 1 && s.k % kernels.lanes == 0 && few);
  p.weight_step = s.k;
  if (p.packed) plan.packed_floats = packed_floats(p, kernels);
  plan.passes.push_back(planned);
  return plan;
}

DirectPlan plan_direct_backward_input(const Conv2dShape& s, const ConvKernels& kernels,
                                      const Epilogue& epilogue, bool flatten, bool join) {
  const WindowAxis &h = s.window.h, &w = s.window.w;
  DirectPlan plan;
  plan.batch = plan.images = s.n;
  plan.src_image = h.output * w.output * s.k;
  plan.dst_image = h.input * w.input * s.c;
  const bool pointwise = flatten && h.window == 1 && w.window == 1 && h.stride == 1 &&
                         w.stride == 1 && h.output == h.input && w.output == w.input;
  const std::vector<AxisPhase> all_cols = axis_phases(w, join);
  for (const AxisPhase& rows : axis_phases(h, join)) {
    for (const AxisPhase& cols : all_cols) {
      PlannedPass planned;
      ConvPass& p = planned.pass;
      p.activation = epilogue.activation;
      p.alpha = epilogue.alpha;
      p.src_h = h.output;
      p.src_w = w.output;
      p.src_c = s.k;
      p.row_taps = cols.taps == 0 ? 0 : rows.taps;
      p.col_taps = rows.taps == 0 ? 0 : cols.taps;
      if (p.row_taps > 0) {
        p.row_first = rows.first_offset;
        p.row_tap_step = rows.offset_step;
        p.col_first = cols.first_offset;
        p.col_tap_step = cols.offset_step;
      }
      p.groups = s.groups;
      p.group_c = s.group_k();
      p.group_k = s.group_c();
      p.dst_h = rows.places;
      p.dst_w = cols.places;
      p.dst_row = h.stride * w.input * s.c;
      p.dst_col = w.stride * s.c;
      p.joint_rows = rows.joint();
      p.joint_cols = cols.joint();
      p.joint_row = w.input * s.c;
      p.joint_col = s.c;
      planned.destination = (rows.first_place * w.input + cols.first_place) * s.c;
      if (pointwise) {
        plan.pixels_per_image = h.input * w.input;
        plan.images = 1;
        p.src_h = p.dst_h = 1;
        p.src_w = p.dst_w = s.n * plan.pixels_per_image;
        p.dst_row = p.dst_w * s.c;
      }
      finish(p);
      for (const std::int64_t row_tap : rows.last_taps)
        for (const std::int64_t col_tap : cols.last_taps)
          planned.phases.push_back(
              {w.window, row_tap, rows.tap_step, p.row_taps, col_tap, cols.tap_step, p.col_taps});
      planned.weights = plan.packed_floats;
      plan.packed_floats += p.joint() * packed_floats(p, kernels);
      plan.passes.push_back(planned);
    }
  }
  return plan;
}

std::optional<std::string> too_much_padding(const ConvPass& p) {
  constexpr double kLargestScratch = 64 << 20;
  const bool repeats = p.groups > 1 && p.groups == p.src_c;  // a depthwise pass: its copy is wider
  const double bytes = 4.0 * static_cast<double>(p.copy_rows(p.block_rows)) *
                       static_cast<double>(p.copy_w) * static_cast<double>(p.src_c) *
                       static_cast<double>(repeats ? p.group_k : 1);
  if (!p.copy || bytes <= kLargestScratch) return std::nullopt;
  return "padded rows need " + std::to_string(static_cast<std::int64_t>(bytes / (1 << 20))) +
         " MiB a thread, more than 64";
}

}  // namespace cnnfast
