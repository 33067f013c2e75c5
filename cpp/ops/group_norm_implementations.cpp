// Group normalisation in float32: sample by sample, with the kernels of batch normalisation. The
// channels' moments are merged into those of their group.
#include <cmath>

#include "kernels/norm_table.h"
#include "ops/channel_rows.h"
#include "ops/group_norm.h"

namespace cnnfast {

namespace {

// A thread's room for one sample.
struct SampleScratch {
  Slot partial;  // (chunks, 2, columns) floats
  Slot sums;     // (2, channels) doubles
  Slot affine;   // (4, columns) floats
};
SampleScratch sample_scratch(StepBuilder& steps, const ChannelRows& shape) {
  return {steps.scratch_per_thread(shape.chunks * 2 * shape.columns * 4),
          steps.scratch_per_thread(2 * shape.channels * 8),
          steps.scratch_per_thread(4 * shape.columns * 4)};
}

// f(run, thread, sample)
template <class F>
void add_sample_step(const Problem& p, StepBuilder& steps, const char* name, const GroupShape& s,
                     double nanoseconds_each, F f) {
  const StridedLoop loop = flat_loop(s.samples);
  const double cost = static_cast<double>(s.samples * s.middle * s.channels()) * nanoseconds_each;
  Division division = divide_loop(p, loop, cost, rows_apply(p.input(0).shape, p.inputs.first(1)));
  if (division.split == Split::free) division.grain = 1;
  steps.step({name, division.split, division.rows}, [=](const Run& run, int thread, int threads) {
    if (division.split == Split::single && thread != 0) return;
    const Part part = thread_part(loop, division, thread, threads);
    for (std::int64_t i = part.range.begin; i < part.range.end; ++i) f(run, thread, i);
  });
}

double inverse_deviation(float variance, double epsilon) {
  return 1 / std::sqrt(static_cast<double>(variance) + epsilon);
}

// Folded rows, then those that fill none; f(first element, rows, columns).
template <class F>
void folded(const ChannelRows& shape, F f) {
  if (shape.folded_rows > 0) f(std::int64_t{0}, shape.folded_rows, shape.columns);
  if (shape.rest > 0) f(shape.rest_at(), shape.rest, shape.channels);
}

void forward_vector(const Problem& p, StepBuilder& steps) {
  const GroupShape s = group_shape(p);
  const ChannelRows shape = channel_rows(s.middle, s.channels(), p.kernels.vector_floats);
  const Slot x = steps.input(0), gamma = steps.input(1), beta = steps.input(2);
  const Slot y = steps.output(0), mean = steps.output(1), variance = steps.output(2),
             low = steps.output(3);
  const SampleScratch scratch = sample_scratch(steps, shape);
  const double epsilon = p.attributes.real("epsilon", 1e-3);
  const double middle = static_cast<double>(s.middle), size = static_cast<double>(s.size);
  add_sample_step(
      p, steps, "samples", s, 0.4,
      [=, moments = norm_kernels(p.kernels.isa).moments, apply = norm_kernels(p.kernels.isa).apply](
          const Run& run, int thread, std::int64_t sample) {
        const float* from = run.ptr<const float>(x) + sample * s.middle * s.channels();
        float* to = run.ptr<float>(y) + sample * s.middle * s.channels();
        float* partial = run.thread_ptr<float>(scratch.partial, thread);
        double *means = run.thread_ptr<double>(scratch.sums, thread),
               *squares = means + s.channels();
        for (std::int64_t k = 0; k < shape.chunks; ++k) {
          float* out = partial + k * 2 * shape.columns;
          moments({from + shape.chunk(k).begin * shape.columns, shape.chunk(k).size(),
                   shape.columns, out, out + shape.columns});
        }
        merge_moments(shape, {from, partial, means, squares}, 0, s.channels());
        float *centre = run.thread_ptr<float>(scratch.affine, thread),
              *scale = centre + shape.columns, *shift = scale + shape.columns;
        for (std::int64_t g = 0; g < s.groups; ++g) {
          const std::int64_t first = g * s.size, last = first + s.size;
          double sum = 0, square = 0;
          for (std::int64_t c = first; c < last; ++c) sum += means[c] - means[first];
          const double group_mean = means[first] + sum / size;
          for (std::int64_t c = first; c < last; ++c) {
            const double d = means[c] - group_mean;
            square += squares[c] + middle * d * d;
          }
          const SplitMean split = split_mean(group_mean);
          const std::int64_t at = sample * s.groups + g;
          run.ptr<float>(mean)[at] = split.high;
          run.ptr<float>(low)[at] = split.low;
          run.ptr<float>(variance)[at] = static_cast<float>(square / (middle * size));
          const double inverse = inverse_deviation(run.ptr<float>(variance)[at], epsilon);
          for (std::int64_t c = first; c < last; ++c) {
            centre[c] = split.high;
            scale[c] =
                static_cast<float>(static_cast<double>(run.ptr<const float>(gamma)[c]) * inverse);
            shift[c] =
                static_cast<float>(static_cast<double>(run.ptr<const float>(beta)[c]) -
                                   static_cast<double>(split.low) * static_cast<double>(scale[c]));
          }
        }
        for (float* values : {centre, scale, shift}) spread(shape, values, 0, s.channels());
        folded(shape, [&](std::int64_t at, std::int64_t rows, std::int64_t columns) {
          apply({from + at, to + at, rows, columns, centre, scale, shift});
        });
      });
}

void backward_vector(const Problem& p, StepBuilder& steps) {
  const GroupShape s = group_shape(p);
  const ChannelRows shape = channel_rows(s.middle, s.channels(), p.kernels.vector_floats);
  const Slot x = steps.input(0), dy = steps.input(1), gamma = steps.input(2), mean = steps.input(3),
             variance = steps.input(4), low = steps.input(5);
  const Slot dx = steps.output(0), dgamma = steps.output(1), dbeta = steps.output(2);
  const bool want_dx = steps.output_used(0);
  const SampleScratch scratch = sample_scratch(steps, shape);
  const Slot shares = steps.scratch(s.samples * 2 * s.channels() * 4);  // of dgamma, dbeta
  const double epsilon = p.attributes.real("epsilon", 1e-3);
  const double n = static_cast<double>(s.middle * s.size);
  add_sample_step(
      p, steps, "samples", s, 0.6,
      [=, sums = norm_kernels(p.kernels.isa).sums, gradient = norm_kernels(p.kernels.isa).gradient](
          const Run& run, int thread, std::int64_t sample) {
        const std::int64_t begin = sample * s.middle * s.channels();
        const float *from = run.ptr<const float>(x) + begin,
                    *dfrom = run.ptr<const float>(dy) + begin;
        float* partial = run.thread_ptr<float>(scratch.partial, thread);
        double *sum = run.thread_ptr<double>(scratch.sums, thread), *product = sum + s.channels();
        float *centre = run.thread_ptr<float>(scratch.affine, thread),
              *scale = centre + shape.columns, *slope = scale + shape.columns,
              *offset = slope + shape.columns;
        for (std::int64_t c = 0; c < s.channels(); ++c)
          centre[c] = run.ptr<const float>(mean)[sample * s.groups + c / s.size];
        spread(shape, centre, 0, s.channels());
        for (std::int64_t k = 0; k < shape.chunks; ++k) {
          const std::int64_t at = shape.chunk(k).begin * shape.columns;
          float* out = partial + k * 2 * shape.columns;
          sums({from + at,
                dfrom + at,
                shape.chunk(k).size(),
                shape.columns,
                centre,
                {},
                out,
                out + shape.columns});
        }
        merge_sums(shape, {from, dfrom, partial, centre, nullptr, nullptr, 0, sum, product}, 0,
                   s.channels());
        float *dgamma_share = run.ptr<float>(shares) + sample * 2 * s.channels(),
              *dbeta_share = dgamma_share + s.channels();
        for (std::int64_t g = 0; g < s.groups; ++g) {
          const std::int64_t first = g * s.size, last = first + s.size;
          const double rest = static_cast<double>(run.ptr<const float>(low)[sample * s.groups + g]);
          const double inverse =
              inverse_deviation(run.ptr<const float>(variance)[sample * s.groups + g], epsilon);
          double total = 0, along = 0;
          for (std::int64_t c = first; c < last; ++c) {
            const double weight = static_cast<double>(run.ptr<const float>(gamma)[c]);
            const double centred = product[c] - rest * sum[c];
            total += weight * sum[c];
            along += weight * centred;
            scale[c] = static_cast<float>(weight * inverse);
            dgamma_share[c] = static_cast<float>(inverse * centred);
            dbeta_share[c] = static_cast<float>(sum[c]);
          }
          const double b = -inverse * inverse * inverse * along / n;
          for (std::int64_t c = first; c < last; ++c) {
            slope[c] = static_cast<float>(b);
            offset[c] = static_cast<float>(-inverse * total / n - b * rest);
          }
        }
        if (!want_dx) return;
        for (float* values : {scale, slope, offset}) spread(shape, values, 0, s.channels());
        float* to = run.ptr<float>(dx) + begin;
        folded(shape, [&](std::int64_t at, std::int64_t rows, std::int64_t columns) {
          gradient(
              {from + at, dfrom + at, to + at, rows, columns, centre, scale, slope, offset, {}});
        });
      });
  if (!steps.output_used(1) && !steps.output_used(2)) return;
  const StridedLoop loop = flat_loop(s.channels());
  add_divided_step(steps, "merge", loop,
                   divide_loop(p, loop, static_cast<double>(s.samples * s.channels()) * 2, 0),
                   [=](const Run& run, const StridedLoop&, Part part) {
                     const float* from = run.ptr<const float>(shares);
                     for (std::int64_t c = part.range.begin; c < part.range.end; ++c) {
                       double first = 0, second = 0;
                       for (std::int64_t i = 0; i < s.samples; ++i) {
                         first += static_cast<double>(from[i * 2 * s.channels() + c]);
                         second += static_cast<double>(from[(i * 2 + 1) * s.channels() + c]);
                       }
                       run.ptr<float>(dgamma)[c] = static_cast<float>(first);
                       run.ptr<float>(dbeta)[c] = static_cast<float>(second);
                     }
                   });
}

const FunctionImplementation kForward("vector", declines_unless_f32, forward_vector);
const FunctionImplementation kForwardReference("reference", nullptr, group_norm_reference);
const Implementation* const kForwardList[] = {&kForward, &kForwardReference};
const FunctionImplementation kBackward("vector", declines_unless_f32, backward_vector);
const FunctionImplementation kBackwardReference("reference", nullptr,
                                                group_norm_backward_reference);
const Implementation* const kBackwardList[] = {&kBackward, &kBackwardReference};

}  // namespace

std::span<const Implementation* const> group_norm_implementations() { return kForwardList; }
std::span<const Implementation* const> group_norm_backward_implementations() {
  return kBackwardList;
}

}  // namespace cnnfast
