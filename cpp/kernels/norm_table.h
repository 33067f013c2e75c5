// Normalisation: moments of channels, the affine map that uses them, and their gradients.
// Matrices are dense: `rows` rows of `columns` floats; what belongs to a column is a row of
// `columns` floats. The table stands beside that of kernels/table.h, not in it, so that a new
// kernel here compiles the normalisations and nothing else again.
#pragma once

#include <cstdint>

#include "cnnfast/isa.h"
#include "kernels/activation_kind.h"

namespace cnnfast {

// Moments of the columns about their first value: mean[c] = mean of x - x[0][c],
// squares[c] = sum of squared deviations from the mean. At least one row.
struct NormMoments {
  const float* x;
  std::int64_t rows, columns;
  float *mean, *squares;
};

// y = activation((x - centre) * scale + shift); y may be x.
struct NormApply {
  const float* x;
  float* y;
  std::int64_t rows, columns;
  const float *centre, *scale, *shift;
  ActivationKind activation = ActivationKind::linear;
  float alpha = 0;
};

// What a gradient that arrives behind a ReLU is multiplied with: 1 where
// (x - centre) * scale + shift is positive, `alpha` elsewhere. scale null: no activation.
struct NormMask {
  const float *scale = nullptr, *shift = nullptr;
  float alpha = 0;
};

// sum_dy[c] = sum of dy, sum_dy_x[c] = sum of dy * (x - centre).
struct NormSums {
  const float *x, *dy;
  std::int64_t rows, columns;
  const float* centre;
  NormMask mask;
  float *sum_dy, *sum_dy_x;
};

// dx = scale * dy + slope * (x - centre) + offset; dx may be dy. slope null: dx = scale * dy.
struct NormGradient {
  const float *x, *dy;
  float* dx;
  std::int64_t rows, columns;
  const float *centre, *scale, *slope, *offset;
  NormMask mask;
};

// Each row brought to mean 0 and variance 1, then scaled and shifted by column:
// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta. Of the row's mean, `mean_low` is what
// float32 leaves. y may be x.
struct NormRows {
  const float* x;
  float* y;
  std::int64_t rows, columns;
  const float *gamma, *beta;
  float *mean, *variance, *mean_low;  // one for each row
  double epsilon;
};
// dx may be dy, or null. dgamma and dbeta are written: sums over these rows.
struct NormRowsGradient {
  const float *x, *dy;
  float* dx;
  std::int64_t rows, columns;
  const float *gamma, *mean, *variance, *mean_low;
  double epsilon;
  float *dgamma, *dbeta;
};

// y[c] = x[c] u[c]^-beta, u[c] = k + alpha * sum of x^2 over channels c - size / 2 and the size - 1
// behind it that exist. Backward: dy is given and y is its gradient dx. y may be x (or dy).
struct LocalResponse {
  const float *x, *dy;
  float* y;
  std::int64_t rows, channels, size;
  float alpha, beta, k;
  float* scratch;  // local_response_scratch() floats
};
inline std::int64_t local_response_scratch(std::int64_t channels, std::int64_t size) {
  return 3 * (channels + size + 16);
}

struct NormKernels {
  void (*moments)(const NormMoments&);
  void (*apply)(const NormApply&);
  void (*sums)(const NormSums&);
  void (*gradient)(const NormGradient&);
  void (*rows)(const NormRows&);
  void (*rows_gradient)(const NormRowsGradient&);
  void (*local_response)(const LocalResponse&);
  void (*local_response_gradient)(const LocalResponse&);
  // average[i] = average[i] * momentum + x[i] * (1 - momentum)
  void (*moving_average)(float* average, const float* x, std::int64_t size, float momentum);
};

const NormKernels& norm_kernels(Isa isa);

}  // namespace cnnfast
