// Learning rates over steps: Keras' schedules and PyTorch's one cycle. Everything is in double, so
// that steps beyond 2^24 still count. Where numbers stand in `n` is said at each function.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace cnnfast::reference {

inline constexpr double kPi = 3.14159265358979323846;

// n: initial rate, steps, decay, staircase (0 or 1).
inline double exponential_decay(double step, const double* n) {
  const double share = step / n[1];
  return n[0] * std::pow(n[2], n[3] != 0 ? std::floor(share) : share);
}

// n: initial rate, steps, decay, staircase.
inline double inverse_time_decay(double step, const double* n) {
  const double share = step / n[1];
  return n[0] / (1 + n[2] * (n[3] != 0 ? std::floor(share) : share));
}

// n: initial rate, steps, end rate, power, cycle (0 or 1).
inline double polynomial_decay(double step, const double* n) {
  double steps = n[1];
  if (n[4] != 0)
    steps *= step == 0 ? 1 : std::ceil(step / steps);
  else
    step = std::min(step, steps);
  return (n[0] - n[2]) * std::pow(1 - step / steps, n[3]) + n[2];
}

// n: m boundaries, then m + 1 rates; a boundary is the last step of its rate.
inline double piecewise_constant(double step, const double* n, std::int64_t count) {
  const std::int64_t boundaries = (count - 1) / 2;
  std::int64_t i = 0;
  while (i < boundaries && step > n[i]) ++i;
  return n[boundaries + i];
}

// Loshchilov and Hutter, 2017, behind a linear warm-up (Goyal et al., 2017).
// n: initial rate, steps, alpha, warm-up target (NaN: none), warm-up steps.
inline double cosine_decay(double step, const double* n) {
  double from = n[0];
  if (!std::isnan(n[3])) {
    from = n[3];
    if (step < n[4]) return (from - n[0]) * (step / n[4]) + n[0];
    step -= n[4];
  }
  const double cosine = 0.5 * (1 + std::cos(kPi * std::min(step, n[1]) / n[1]));
  return from * ((1 - n[2]) * cosine + n[2]);
}

// n: initial rate, steps of the first period, t_mul >= 1, m_mul, alpha.
inline double cosine_restarts(double step, const double* n) {
  double at = step / n[1], factor = 1;
  if (n[2] == 1) {
    factor = std::pow(n[3], std::floor(at));
    at -= std::floor(at);
  } else {
    double length = 1;  // of the period, in first periods
    for (; at >= length; length *= n[2], factor *= n[3]) at -= length;
    at /= length;
  }
  return n[0] * ((1 - n[4]) * 0.5 * factor * (1 + std::cos(kPi * at)) + n[4]);
}

// Smith and Topin, 2018, as torch.optim.lr_scheduler.OneCycleLR has it.
// n: largest rate, steps, share of the rise, div_factor, final_div_factor, linear, three phases.
inline double one_cycle(double step, const double* n) {
  const double rise = n[2] * n[1] - 1, last = n[1] - 1;
  const double low = n[0] / n[3], end = low / n[4];
  const bool three = n[6] != 0;
  const double ends[3] = {rise, three ? 2 * n[2] * n[1] - 2 : last, last};
  const double rates[4] = {low, n[0], three ? low : end, end};
  const int phases = three ? 3 : 2;
  step = std::min(step, last);
  int i = 0;
  while (i + 1 < phases && step > ends[i]) ++i;
  const double start = i == 0 ? 0 : ends[i - 1], length = ends[i] - start;
  const double share = length > 0 ? (step - start) / length : 1;
  if (n[5] != 0) return rates[i] + (rates[i + 1] - rates[i]) * share;
  return rates[i + 1] + (rates[i] - rates[i + 1]) / 2 * (1 + std::cos(kPi * share));
}

}  // namespace cnnfast::reference
