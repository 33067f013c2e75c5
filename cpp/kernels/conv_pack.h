// Weights in the order in which conv_tile reads them: per block of two vectors of destination
// channels, the reduction's steps one after the other. Redone in every training step.
#pragma once

#include "kernels/conv_table.h"
#include "kernels/conv_tile.h"
#include "kernels/lane_transpose.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

void conv_pack_forward(const float* w, float* packed, const ConvKernels::PackedRows& rows,
                       int64_t group_k, int64_t groups, int64_t block_begin, int64_t block_end) {
  const int64_t all_k = group_k * groups, reduction = rows.all;
  const int64_t group_vectors = (group_k + kLanes - 1) / kLanes;
  const int64_t group_blocks = (group_vectors + 1) / 2;
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t group = block / group_blocks, k = (block % group_blocks) * kBlock;
    const float* from = w + rows.begin * all_k + group * group_k + k;
    const int64_t left = group_k - k;
    float* to = packed + (group * group_vectors * kLanes + k) * reduction +
                rows.begin * (left > kLanes ? kBlock : kLanes);
    if (left >= kBlock) {
      for (int64_t i = rows.begin; i < rows.end; ++i, from += all_k, to += kBlock) {
        store(to, load(from));
        store(to + kLanes, load(from + kLanes));
      }
    } else if (left > kLanes) {
      for (int64_t i = rows.begin; i < rows.end; ++i, from += all_k, to += kBlock) {
        store(to, load(from));
        store(to + kLanes, load_first(from + kLanes, static_cast<int>(left - kLanes)));
      }
    } else {
      for (int64_t i = rows.begin; i < rows.end; ++i, from += all_k, to += kLanes)
        store(to, load_first(from, static_cast<int>(left)));
    }
  }
}

void conv_pack_backward(const float* w, float* packed, const ConvKernels::Phase& phase,
                        int64_t group_c, int64_t group_k, int64_t groups, int64_t block_begin,
                        int64_t block_end) {
  const int64_t all_k = group_k * groups;
  const int64_t reduction = phase.row_taps * phase.col_taps * group_k;
  const int64_t group_vectors = (group_c + kLanes - 1) / kLanes;
  const int64_t group_blocks = (group_vectors + 1) / 2;
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t group = block / group_blocks, c = (block % group_blocks) * kBlock;
    float* to = packed + (group * group_vectors * kLanes + c) * reduction;
    const int vectors = group_c - c > kLanes ? 2 : 1;
    const int64_t step = vectors * kLanes;
    for (int64_t r = 0; r < phase.row_taps; ++r)
      for (int64_t s = 0; s < phase.col_taps; ++s) {
        const int64_t tap = (phase.kh_last - r * phase.kh_step) * phase.kw_count + phase.kw_last -
                            s * phase.kw_step;
        const float* from = w + (tap * group_c + c) * all_k + group * group_k;
        for (int64_t k = 0; k < group_k; k += kLanes) {
          const int ks = static_cast<int>(group_k - k < kLanes ? group_k - k : kLanes);
          for (int v = 0; v < vectors; ++v) {
            const int64_t left = group_c - c - v * kLanes;
            const int cs = static_cast<int>(left < kLanes ? left : kLanes);
            vf rows[kLanes];
            if (ks == kLanes && cs == kLanes) {
              CNNFAST_UNROLL
              for (int i = 0; i < kLanes; ++i) rows[i] = load(from + (v * kLanes + i) * all_k + k);
              transpose(rows);
              CNNFAST_UNROLL
              for (int i = 0; i < kLanes; ++i) store(to + i * step + v * kLanes, rows[i]);
            } else {
              for (int i = 0; i < kLanes; ++i)
                rows[i] = i < cs ? load_first(from + (v * kLanes + i) * all_k + k, ks) : vf{};
              transpose(rows);
              for (int i = 0; i < ks; ++i) store(to + i * step + v * kLanes, rows[i]);
            }
          }
          to += ks * step;
        }
      }
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
