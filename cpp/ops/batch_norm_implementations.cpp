#include <cmath>

#include "kernels/norm_table.h"
#include "ops/batch_norm.h"
#include "ops/channel_rows.h"
#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/row_step.h"
#include "reference/batch_norm.h"

namespace cnnfast {

namespace {

double epsilon_of(const Problem& p) { return p.attributes.real("epsilon", 1e-3); }

// ---- reference ---------------------------------------------------------------------------------

template <class T>
reference::BatchNorm<T> reference_problem(const Problem& p) {
  reference::BatchNorm<T> b{};
  const Shape& x = p.input(0).shape;
  b.rows = x.product(0, x.rank() - 1);
  b.channels = x[x.rank() - 1];
  b.epsilon = epsilon_of(p);
  const Epilogue e = epilogue_attributes(p.node.op->name(), p.attributes);
  b.activation = e.activation;
  b.alpha = static_cast<T>(p.attributes.real("alpha", 0.2));
  return b;
}

void inference_reference(const Problem& p, StepBuilder& steps) {
  Slot in[5];
  for (int i = 0; i < 5; ++i) in[i] = steps.input(i);
  const Slot y = steps.output();
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    const reference::BatchNorm<T> shape = reference_problem<T>(p);
    single_step(steps, "reference",
                [=, x = in[0], gamma = in[1], beta = in[2], mean = in[3],
                 variance = in[4]](const Run& run) {
                  reference::BatchNorm<T> b = shape;
                  b.x = run.ptr<const T>(x);
                  b.gamma = run.ptr<const T>(gamma);
                  b.beta = run.ptr<const T>(beta);
                  b.mean = run.ptr<const T>(mean);
                  b.variance = run.ptr<const T>(variance);
                  reference::batch_norm(b, run.ptr<T>(y));
                });
  });
}

void training_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), gamma = steps.input(1), beta = steps.input(2);
  const Slot y = steps.output(0), mean = steps.output(1), variance = steps.output(2),
             low = steps.output(3);
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    const reference::BatchNorm<T> shape = reference_problem<T>(p);
    single_step(steps, "reference", [=](const Run& run) {
      reference::BatchNorm<T> b = shape;
      b.x = run.ptr<const T>(x);
      b.gamma = run.ptr<const T>(gamma);
      b.beta = run.ptr<const T>(beta);
      b.mean = run.ptr<const T>(mean);
      b.variance = run.ptr<const T>(variance);
      b.mean_low = run.ptr<const T>(low);
      reference::batch_moments(b.x, b.rows, b.channels, run.ptr<T>(mean), run.ptr<T>(variance),
                               run.ptr<T>(low));
      reference::batch_norm(b, run.ptr<T>(y));
    });
  });
}

void backward_reference(const Problem& p, StepBuilder& steps) {
  Slot in[7];
  for (int i = 0; i < 7; ++i) in[i] = steps.input(i);
  const Slot dx = steps.output(0), dgamma = steps.output(1), dbeta = steps.output(2);
  const bool training = p.attributes.boolean("training");
  // dx may stand where dy does, and a channel's sums need the whole of dy: only when they are done
  // is the channel's dx written.
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    const reference::BatchNorm<T> shape = reference_problem<T>(p);
    single_step(steps, "reference",
                [=, x = in[0], dy = in[1], gamma = in[2], beta = in[3], mean = in[4],
                 variance = in[5], low = in[6]](const Run& run) {
                  reference::BatchNorm<T> b = shape;
                  b.x = run.ptr<const T>(x);
                  b.gamma = run.ptr<const T>(gamma);
                  b.beta = run.ptr<const T>(beta);
                  b.mean = run.ptr<const T>(mean);
                  b.variance = run.ptr<const T>(variance);
                  b.mean_low = run.ptr<const T>(low);
                  reference::batch_norm_backward(b, run.ptr<const T>(dy), training, run.ptr<T>(dx),
                                                 run.ptr<T>(dgamma), run.ptr<T>(dbeta));
                });
  });
}

// ---- float32 -----------------------------------------------------------------------------------

// What y = (x - centre) * scale + shift needs, `columns` floats each.
struct AffineSlots {
  Slot centre, scale, shift;
};
AffineSlots affine_scratch(StepBuilder& steps, const ChannelRows& shape) {
  const std::int64_t bytes = shape.columns * 4;
  return {steps.scratch(bytes), steps.scratch(bytes), steps.scratch(bytes)};
}

struct Statistics {
  const float *gamma, *beta, *mean, *variance;
  const float* mean_low;  // may be null
};

// Forward and backward compute scale and shift here, from the same floats: the mask of a ReLU that
// the backward pass finds again is that of the forward pass.
void fill_affine(const ChannelRows& shape, const Statistics& s, double epsilon, const Run& run,
                 const AffineSlots& to, std::int64_t first, std::int64_t last) {
  float *centre = run.ptr<float>(to.centre), *scale = run.ptr<float>(to.scale),
        *shift = run.ptr<float>(to.shift);
  for (std::int64_t c = first; c < last; ++c) {
    centre[c] = s.mean[c];
    scale[c] = static_cast<float>(static_cast<double>(s.gamma[c]) /
                                  std::sqrt(static_cast<double>(s.variance[c]) + epsilon));
    const double low = s.mean_low ? static_cast<double>(s.mean_low[c]) : 0.0;
    shift[c] =
        static_cast<float>(static_cast<double>(s.beta[c]) - low * static_cast<double>(scale[c]));
  }
  for (float* values : {centre, scale, shift}) spread(shape, values, first, last);
}

void add_apply(const Problem& p, StepBuilder& steps, const ChannelRows& shape, Slot x, Slot y,
               const AffineSlots& affine) {
  const Epilogue e = epilogue_attributes(p.node.op->name(), p.attributes);
  const auto kernel = norm_kernels(p.kernels.isa).apply;
  add_affine_step(p, steps, "apply", p.input(0), shape,
                  [=](const Run& run, std::int64_t at, std::int64_t rows, std::int64_t columns) {
                    kernel({run.ptr<const float>(x) + at, run.ptr<float>(y) + at, rows, columns,
                            run.ptr<const float>(affine.centre), run.ptr<const float>(affine.scale),
                            run.ptr<const float>(affine.shift), e.activation, e.alpha});
                  });
}

void inference_vector(const Problem& p, StepBuilder& steps) {
  const ChannelRows shape = channel_rows(p.input(0), p.kernels.vector_floats);
  const Slot x = steps.input(0), gamma = steps.input(1), beta = steps.input(2),
             mean = steps.input(3), variance = steps.input(4), y = steps.output();
  const AffineSlots affine = affine_scratch(steps, shape);
  const double epsilon = epsilon_of(p);
  single_step(steps, "scale", [=](const Run& run) {
    fill_affine(shape,
                {run.ptr<const float>(gamma), run.ptr<const float>(beta),
                 run.ptr<const float>(mean), run.ptr<const float>(variance), nullptr},
                epsilon, run, affine, 0, shape.channels);
  });
  add_apply(p, steps, shape, x, y, affine);
}

void training_vector(const Problem& p, StepBuilder& steps) {
  const ChannelRows shape = channel_rows(p.input(0), p.kernels.vector_floats);
  const Slot x = steps.input(0), gamma = steps.input(1), beta = steps.input(2);
  const Slot y = steps.output(0), mean = steps.output(1), variance = steps.output(2),
             low = steps.output(3);
  const Slot partial = steps.scratch(shape.chunks * 2 * shape.columns * 4);
  const Slot merged = steps.scratch(shape.channels * 2 * 8);
  const AffineSlots affine = affine_scratch(steps, shape);
  const double epsilon = epsilon_of(p), n = static_cast<double>(shape.rows);
  add_chunk_step(p, steps, "moments", shape, 0.25,
                 [=, kernel = norm_kernels(p.kernels.isa).moments](const Run& run, std::int64_t k) {
                   const Range chunk = shape.chunk(k);
                   float* to = run.ptr<float>(partial) + k * 2 * shape.columns;
                   kernel({run.ptr<const float>(x) + chunk.begin * shape.columns, chunk.size(),
                           shape.columns, to, to + shape.columns});
                 });
  add_channel_step(
      p, steps, "merge", shape, [=](const Run& run, std::int64_t first, std::int64_t last) {
        double *means = run.ptr<double>(merged), *squares = means + shape.channels;
        merge_moments(shape,
                      {run.ptr<const float>(x), run.ptr<const float>(partial), means, squares},
                      first, last);
        for (std::int64_t c = first; c < last; ++c) {
          const SplitMean split = split_mean(means[c]);
          run.ptr<float>(mean)[c] = split.high;
          run.ptr<float>(low)[c] = split.low;
          run.ptr<float>(variance)[c] = static_cast<float>(squares[c] / n);
        }
        fill_affine(
            shape,
            {run.ptr<const float>(gamma), run.ptr<const float>(beta), run.ptr<const float>(mean),
             run.ptr<const float>(variance), run.ptr<const float>(low)},
            epsilon, run, affine, first, last);
      });
  add_apply(p, steps, shape, x, y, affine);
}

void backward_vector(const Problem& p, StepBuilder& steps) {
  const ChannelRows shape = channel_rows(p.input(0), p.kernels.vector_floats);
  const Slot x = steps.input(0), dy = steps.input(1), gamma = steps.input(2), beta = steps.input(3),
             mean = steps.input(4), variance = steps.input(5), low = steps.input(6);
  const Slot dx = steps.output(0), dgamma = steps.output(1), dbeta = steps.output(2);
  const bool training = p.attributes.boolean("training"), want_dx = steps.output_used(0);
  const Epilogue e = epilogue_attributes("batch_norm_backward", p.attributes);
  const bool mask = e.activation != ActivationKind::linear;
  const float alpha = e.activation == ActivationKind::leaky_relu ? e.alpha : 0.0f;
  const double epsilon = epsilon_of(p);
  const AffineSlots forward = affine_scratch(steps, shape);
  // dx = scale dy + slope (x - centre) + offset, in the same three places.
  const AffineSlots back = affine_scratch(steps, shape);  // slope, scale, offset
  const Slot partial = steps.scratch(shape.chunks * 2 * shape.columns * 4);
  const Slot merged = steps.scratch(shape.channels * 2 * 8);
  single_step(steps, "scale", [=](const Run& run) {
    fill_affine(
        shape,
        {run.ptr<const float>(gamma), run.ptr<const float>(beta), run.ptr<const float>(mean),
         run.ptr<const float>(variance), run.ptr<const float>(low)},
        epsilon, run, forward, 0, shape.channels);
  });
  const auto mask_of = [=](const Run& run) {
    return mask ? NormMask{run.ptr<const float>(forward.scale), run.ptr<const float>(forward.shift),
                           alpha}
                : NormMask{};
  };
  add_chunk_step(p, steps, "sums", shape, 0.3,
                 [=, kernel = norm_kernels(p.kernels.isa).sums](const Run& run, std::int64_t k) {
                   const Range chunk = shape.chunk(k);
                   const std::int64_t at = chunk.begin * shape.columns;
                   float* to = run.ptr<float>(partial) + k * 2 * shape.columns;
                   kernel({run.ptr<const float>(x) + at, run.ptr<const float>(dy) + at,
                           chunk.size(), shape.columns, run.ptr<const float>(forward.centre),
                           mask_of(run), to, to + shape.columns});
                 });
  const double n = static_cast<double>(shape.rows);
  add_channel_step(
      p, steps, "merge", shape, [=](const Run& run, std::int64_t first, std::int64_t last) {
        double *sum = run.ptr<double>(merged), *product = sum + shape.channels;
        const NormMask m = mask_of(run);
        merge_sums(
            shape,
            {run.ptr<const float>(x), run.ptr<const float>(dy), run.ptr<const float>(partial),
             run.ptr<const float>(forward.centre), m.scale, m.shift, alpha, sum, product},
            first, last);
        float *slope = run.ptr<float>(back.centre), *scale = run.ptr<float>(back.scale),
              *offset = run.ptr<float>(back.shift);
        for (std::int64_t c = first; c < last; ++c) {
          const double rest = static_cast<double>(run.ptr<const float>(low)[c]);
          const double inverse =
              1 / std::sqrt(static_cast<double>(run.ptr<const float>(variance)[c]) + epsilon);
          const double a = static_cast<double>(run.ptr<const float>(gamma)[c]) * inverse;
          const double centred = product[c] - rest * sum[c];
          const double b = training ? -a * inverse * inverse * centred / n : 0;
          run.ptr<float>(dgamma)[c] = static_cast<float>(inverse * centred);
          run.ptr<float>(dbeta)[c] = static_cast<float>(sum[c]);
          scale[c] = static_cast<float>(a);
          slope[c] = static_cast<float>(b);
          offset[c] = static_cast<float>(-a * sum[c] / n - b * rest);
        }
        for (float* values : {slope, scale, offset}) spread(shape, values, first, last);
      });
  if (!want_dx) return;
  add_affine_step(p, steps, "gradient", p.input(0), shape,
                  [=, kernel = norm_kernels(p.kernels.isa).gradient](
                      const Run& run, std::int64_t at, std::int64_t rows, std::int64_t columns) {
                    kernel({run.ptr<const float>(x) + at, run.ptr<const float>(dy) + at,
                            run.ptr<float>(dx) + at, rows, columns,
                            run.ptr<const float>(forward.centre), run.ptr<const float>(back.scale),
                            training ? run.ptr<const float>(back.centre) : nullptr,
                            run.ptr<const float>(back.shift), mask_of(run)});
                  });
}

// ---- moving_average ----------------------------------------------------------------------------

void moving_average_reference(const Problem& p, StepBuilder& steps) {
  const Slot average = steps.input(0), x = steps.input(1);
  const std::int64_t n = p.input(0).shape.numel();
  const double momentum = p.attributes.real("momentum", 0.99);
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      reference::moving_average(run.ptr<T>(average), run.ptr<const T>(x), n,
                                static_cast<T>(momentum));
    });
  });
}

void moving_average_vector(const Problem& p, StepBuilder& steps) {
  const Slot average = steps.input(0), x = steps.input(1);
  const auto momentum = static_cast<float>(p.attributes.real("momentum", 0.99));
  add_array_step(steps, "vector", p.input(0).shape.numel(),
                 [=, kernel = norm_kernels(p.kernels.isa).moving_average](
                     const Run& run, std::int64_t first, std::int64_t count) {
                   kernel(run.ptr<float>(average) + first, run.ptr<const float>(x) + first, count,
                          momentum);
                 });
}

const FunctionImplementation kInference("vector", declines_unless_f32, inference_vector);
const FunctionImplementation kInferenceReference("reference", nullptr, inference_reference);
const Implementation* const kInferenceList[] = {&kInference, &kInferenceReference};
const FunctionImplementation kTraining("vector", declines_unless_f32, training_vector);
const FunctionImplementation kTrainingReference("reference", nullptr, training_reference);
const Implementation* const kTrainingList[] = {&kTraining, &kTrainingReference};
const FunctionImplementation kBackward("vector", declines_unless_f32, backward_vector);
const FunctionImplementation kBackwardReference("reference", nullptr, backward_reference);
const Implementation* const kBackwardList[] = {&kBackward, &kBackwardReference};
const FunctionImplementation kAverage("vector", declines_unless_f32, moving_average_vector);
const FunctionImplementation kAverageReference("reference", nullptr, moving_average_reference);
const Implementation* const kAverageList[] = {&kAverage, &kAverageReference};

}  // namespace

std::span<const Implementation* const> batch_norm_implementations() { return kInferenceList; }
std::span<const Implementation* const> batch_norm_training_implementations() {
  return kTrainingList;
}
std::span<const Implementation* const> batch_norm_backward_implementations() {
  return kBackwardList;
}
std::span<const Implementation* const> moving_average_implementations() { return kAverageList; }

}  // namespace cnnfast
