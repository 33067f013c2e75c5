// Gradients by a dy that is mostly zeros: direct sums over what is not. Max pooling leaves one
// place of a window, a quarter of the map or less; then these sums have fewer products than
// Winograd's, and no transforms.
#include <algorithm>
#include <cmath>

#include "ops/conv2d_direct.h"
#include "ops/conv2d_implementations.h"
#include "ops/conv2d_sum_work.h"
#include "ops/conv2d_winograd.h"

namespace cnnfast {

namespace {

constexpr double kMostlyZeros = 0.5;  // filled

std::int64_t vectors_of(const Conv2dShape& s, const ConvKernels& kernels) {
  return (s.c + kernels.lanes - 1) / kernels.lanes;
}

std::optional<std::string> declines(const Problem& problem, const Conv2dShape& s) {
  if (auto reason = declines_unless_f32(problem)) return reason;
  if (s.groups != 1) return concat("groups is ", s.groups, ", needs 1");
  if (s.window.h.output == 0 || s.window.w.output == 0) return "there is nothing to sum";
  const ConvPass pass = forward_pass(s);
  if (auto reason = too_much_padding(pass)) return reason;
  constexpr std::int64_t kMostPlaces = 1 << 20;  // of a vector of channels: 64 MiB a thread
  if (pass.copy_rows(1) > kMostPlaces / pass.copy_w)
    return "a window's rows need more than 64 MiB a thread";
  return std::nullopt;
}

// Estimated cycles. Each value is multiplied by a vector of every tap and vector of channels, for
// which it is looked up once a walk of nine; each place is looked at once a vector.
double sparse_cycles(const Conv2dShape& s, const ConvKernels& kernels, double filled) {
  const double places = static_cast<double>(s.n * s.window.h.output * s.window.w.output);
  const double k = static_cast<double>(s.k), taps = static_cast<double>(s.taps());
  const double vectors = static_cast<double>(vectors_of(s, kernels));
  const double products = taps / kernels.products_per_cycle / 0.8;
  return vectors * places * k * (filled * (products + 2 * std::ceil(taps / 9)) + 0.5);
}

// The others' estimate; strict math has no Winograd.
std::optional<std::string> discourages(const Problem& problem, const Conv2dShape& s, double filled,
                                       bool flipped) {
  if (filled > kMostlyZeros) return "dy is not known to be mostly zeros";
  const ConvKernels& kernels = problem.kernels.conv;
  const WinogradPlan plan = plan_winograd(s, kernels, flipped);
  double others = direct_cycles(s, plan, kernels);
  if (!winograd_declines(problem, s, flipped))
    others = std::min(others,
                      flipped ? winograd_cycles(plan, kernels) : winograd_sum_cycles(s, kernels));
  const double ours = sparse_cycles(s, kernels, filled);
  if (ours > 0.9 * others)
    return concat("estimated at ", static_cast<int>(100.0 * ours / others),
                  " % of the others' time");
  return std::nullopt;
}

// ---- backward-input ----------------------------------------------------------------------------

std::optional<std::string> input_declines(const Problem& problem) {
  if (problem.node.op->name() != "conv2d_backward_input") return "has a bias and an activation";
  return declines(problem, conv2d_backward_input_shape(problem));
}
std::optional<std::string> input_discourages(const Problem& problem) {
  return discourages(problem, conv2d_backward_input_shape(problem), problem.filled_share(0), true);
}

void build_input(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  const ConvSparseKernels& kernels = problem.kernels.conv_sparse;
  const int threads = steps.threads();
  const ConvPass pass = forward_pass(s);
  const std::int64_t vectors = vectors_of(s, problem.kernels.conv), images = s.n;
  const Slot dy = steps.input(0), w = steps.input(1), dx = steps.output();
  const std::int64_t weight_bytes = kernels.weights(pass) * 4;
  const Slot packed = steps.packed(1, weight_bytes);
  const bool tiny = s.flops() * problem.filled_share(0) < kSingleThreadFlops;

  // By images or, of few images, by channels: then a thread packs what it reads.
  StepSpec spec{"sparse", Split::free};
  if (tiny) {
    spec.split = Split::single;
  } else if (images % threads == 0 || images >= 8 * threads) {
    spec.split = Split::rows;
    spec.rows = images;
    spec.parts = weight_bytes <= kPartWeights;
    spec.whole = {w};
  }
  const Split split = spec.split;
  const Split pack_split = threads > 1 && vectors > 1 && !tiny ? Split::free : Split::single;
  const auto pack = [=, &kernels](const Run& run, Range range) {
    kernels.pack(pass, run.ptr<const float>(w), run.ptr<float>(packed), range.begin, range.end);
  };
  const std::int64_t lanes = problem.kernels.conv.lanes;
  steps.pack_step(1, {"sparse weights", pack_split, 0, false, 0, {w, packed}},
                  [=](const Run& run, int thread, int count) {
                    Range mine{0, thread == 0 ? vectors : 0};
                    if (pack_split == Split::free) mine = share(vectors, thread, count);
                    pack(run, mine);
                  },
                  {lanes, [=](const Run& run, Range c) {
                     pack(run, {c.begin / lanes, (c.end + lanes - 1) / lanes});
                   }});
  const Slot scratch = steps.scratch_per_thread(kernels.backward_input_scratch(pass) * 4);
  steps.step(spec, [=, &kernels](const Run& run, int thread, int count) {
    const auto make = [&](Range of_images, Range of_vectors) {
      kernels.backward_input(pass, run.ptr<const float>(dy), run.ptr<const float>(packed),
                             run.ptr<float>(dx), run.worker_ptr<float>(scratch), of_images.begin,
                             of_images.end, of_vectors.begin, of_vectors.end);
    };
    if (split == Split::free) {
      const Range mine = share(images * vectors, thread, count);
      for (std::int64_t unit = mine.begin; unit < mine.end;) {
        const std::int64_t image = unit / vectors, first = unit % vectors;
        const std::int64_t last = std::min(vectors, first + mine.end - unit);
        make({image, image + 1}, {first, last});
        unit += last - first;
      }
    } else if (split == Split::rows) {
      make(share(images, thread, count), {0, vectors});
    } else if (thread == 0) {
      make({0, images}, {0, vectors});
    }
  });
}

// ---- the kernel's gradient ---------------------------------------------------------------------

std::optional<std::string> kernel_declines(const Problem& problem) {
  return declines(problem, conv2d_backward_kernel_shape(problem));
}
std::optional<std::string> kernel_discourages(const Problem& problem) {
  return discourages(problem, conv2d_backward_kernel_shape(problem), problem.filled_share(1),
                     false);
}

// All of a thread's images in one walk, as its sums are turned around at the end of it.
void choose_blocks(SumWork& work, bool split_rows) {
  const std::int64_t rows = std::max<std::int64_t>(1, work.pass.dst_h);
  work.block_images = split_rows ? 1 : std::max<std::int64_t>(1, work.images);
  work.block_rows = split_rows ? std::max<std::int64_t>(1, rows / work.chunks) : rows;
}
std::int64_t scratch_floats(const SumWork& work, const Kernels& kernels) {
  return kernels.conv_sparse.backward_kernel_scratch(work.pass);
}

void build_kernel(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const ConvSparseKernels& kernels = problem.kernels.conv_sparse;
  const auto work = make_sum_work(problem, steps, s);
  work->kernel = kernels.backward_kernel;
  work->units = kernels.backward_kernel_units(work->pass);
  add_sum_steps(problem, steps, s, work, "sparse", choose_blocks, scratch_floats);
}

}  // namespace

const FunctionImplementation kConv2dBackwardInputSparse("sparse", input_declines, build_input,
                                                        input_discourages);
const FunctionImplementation kConv2dBackwardKernelSparse("sparse", kernel_declines, build_kernel,
                                                         kernel_discourages);

}  // namespace cnnfast
