// Convolution that visits only the taps that fall inside the source: no padded copy, no scratch.
// For what the other kernels decline (padding or dilation of millions), so it is kept plain: one
// pixel at a time, vectors over the channels, or over all groups where each has one channel.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_inside_table.h"
#include "kernels/conv_taps.h"
#include "kernels/vector_activation.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

CNNFAST_INLINE bool one_channel_groups(const ConvPass& p) {
  return p.group_c == 1 && p.group_k == 1;
}

void inside_forward(const ConvPass& p, const float* x, const float* w, const float* bias, float* y,
                    int64_t row_begin, int64_t row_end) {
  const bool deep = one_channel_groups(p);
  const int64_t channels = p.groups * p.group_k, groups = deep ? 1 : p.groups;
  const int64_t width = deep ? channels : p.group_k;  // that vectors run over
  for (int64_t row = row_begin; row < row_end; ++row) {
    const float* image = x + row / p.dst_h * p.src_h * p.src_w * p.src_c;
    const int64_t first_row = row % p.dst_h * p.row_step + p.row_first;
    const TapRange down = taps_inside(first_row, p.row_tap_step, p.row_taps, p.src_h);
    for (int64_t col = 0; col < p.dst_w; ++col) {
      const int64_t first_col = col * p.col_step + p.col_first;
      const TapRange across = taps_inside(first_col, p.col_tap_step, p.col_taps, p.src_w);
      float* pixel = y + (row * p.dst_w + col) * channels;
      for (int64_t g = 0; g < groups; ++g)
        for (int64_t k = 0; k < width; k += kLanes) {
          const int lanes = static_cast<int>(smaller(kLanes, width - k));
          const int64_t place = g * width + k;
          vf acc = bias ? load_lanes(bias + place, lanes) : vf{};
          for (int64_t r = down.begin; r < down.end; ++r)
            for (int64_t s = across.begin; s < across.end; ++s) {
              const float* from = image + ((first_row + r * p.row_tap_step) * p.src_w + first_col +
                                           s * p.col_tap_step) *
                                              p.src_c;
              const float* weights = w + (r * p.col_taps + s) * p.group_c * channels + place;
              if (deep) {
                acc += load_lanes(from + k, lanes) * load_lanes(weights, lanes);
                continue;
              }
              for (int64_t c = 0; c < p.group_c; ++c, weights += channels)
                acc += broadcast(from[g * p.group_c + c]) * load_lanes(weights, lanes);
            }
          store_lanes(pixel + place, activated(acc, p.activation, p.alpha), lanes);
        }
    }
  }
}

// The destination place that reads source place `at` through a tap; -1: none does.
CNNFAST_INLINE int64_t reader(int64_t at, int64_t tap, int64_t first, int64_t step,
                              int64_t tap_step, int64_t count) {
  const int64_t distance = at - first - tap * tap_step;
  if (distance < 0 || distance % step != 0 || distance / step >= count) return -1;
  return distance / step;
}

void inside_backward_input(const ConvPass& p, const float* dy, const float* w, const float* bias,
                           float* dx, int64_t row_begin, int64_t row_end) {
  const bool deep = one_channel_groups(p);
  const int64_t channels = p.groups * p.group_k, groups = deep ? 1 : p.groups;
  const int64_t own = deep ? 1 : p.group_c, width = deep ? channels : p.group_k;
  for (int64_t at = row_begin; at < row_end; ++at) {
    const float* image = dy + at / p.src_h * p.dst_h * p.dst_w * channels;
    for (int64_t col = 0; col < p.src_w; ++col) {
      float* pixel = dx + (at * p.src_w + col) * p.src_c;
      zero_floats(pixel, p.src_c);
      for (int64_t r = 0; r < p.row_taps; ++r) {
        const int64_t o = reader(at % p.src_h, r, p.row_first, p.row_step, p.row_tap_step, p.dst_h);
        for (int64_t s = 0; o >= 0 && s < p.col_taps; ++s) {
          const int64_t q = reader(col, s, p.col_first, p.col_step, p.col_tap_step, p.dst_w);
          if (q < 0) continue;
          const float* from = image + (o * p.dst_w + q) * channels;
          const float* tap = w + (r * p.col_taps + s) * p.group_c * channels;
          for (int64_t g = 0; g < groups; ++g)
            for (int64_t c = 0; c < own; ++c) {
              // A dot product over the group's outputs, or vectors over all groups.
              vf acc = {};
              for (int64_t k = 0; k < width; k += kLanes) {
                const int lanes = static_cast<int>(smaller(kLanes, width - k));
                const vf product = load_lanes(from + g * width + k, lanes) *
                                   load_lanes(tap + c * channels + g * width + k, lanes);
                if (deep) {
                  store_lanes(pixel + k, load_lanes(pixel + k, lanes) + product, lanes);
                } else {
                  acc += product;
                }
              }
              if (!deep) pixel[g * p.group_c + c] += sum(acc);
            }
        }
      }
      if (!bias && p.activation == ActivationKind::linear) continue;
      for (int64_t c = 0; c < p.src_c; c += kLanes) {
        const int lanes = static_cast<int>(smaller(kLanes, p.src_c - c));
        vf value = load_lanes(pixel + c, lanes);
        if (bias) value += load_lanes(bias + c, lanes);
        store_lanes(pixel + c, activated(value, p.activation, p.alpha), lanes);
      }
    }
  }
}

void inside_backward_kernel(const ConvPass& p, const float* x, const float* dy, float* dw,
                            float* db, int64_t images, int64_t unit_begin, int64_t unit_end) {
  const bool deep = one_channel_groups(p);
  const int64_t channels = p.groups * p.group_k, groups = deep ? 1 : p.groups;
  const int64_t width = deep ? channels : p.group_k;
  const int64_t taps = p.row_taps * p.col_taps;
  for (int64_t unit = unit_begin; unit < unit_end; ++unit) {
    const bool of_bias = unit == taps * p.group_c;
    if (of_bias && !db) continue;
    const int64_t tap = of_bias ? 0 : unit / p.group_c, c = unit % p.group_c;
    const int64_t first_row = p.row_first + tap / p.col_taps * p.row_tap_step;
    const int64_t first_col = p.col_first + tap % p.col_taps * p.col_tap_step;
    // As a window of dst places over the source: those that read inside it.
    TapRange rows = taps_inside(first_row, p.row_step, p.dst_h, p.src_h);
    TapRange cols = taps_inside(first_col, p.col_step, p.dst_w, p.src_w);
    if (of_bias) {
      rows = {0, p.dst_h};
      cols = {0, p.dst_w};
    }
    float* to = of_bias ? db : dw + unit * channels;
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t k = 0; k < width; k += kLanes) {
        const int lanes = static_cast<int>(smaller(kLanes, width - k));
        const int64_t place = g * width + k;
        vf acc = {};
        for (int64_t image = 0; image < images; ++image)
          for (int64_t o = rows.begin; o < rows.end; ++o)
            for (int64_t q = cols.begin; q < cols.end; ++q) {
              const vf d =
                  load_lanes(dy + ((image * p.dst_h + o) * p.dst_w + q) * channels + place, lanes);
              if (of_bias) {
                acc += d;
                continue;
              }
              const float* from = x + ((image * p.src_h + first_row + o * p.row_step) * p.src_w +
                                       first_col + q * p.col_step) *
                                          p.src_c;
              acc += d * (deep ? load_lanes(from + k, lanes) : broadcast(from[g * p.group_c + c]));
            }
        store_lanes(to + place, acc, lanes);
      }
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
