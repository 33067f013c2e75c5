// Depthwise convolution of the source where it lies: taps that leave it are left out, at the sides
// a column at a time.
#pragma once

#include "kernels/conv_depthwise_rows.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

class DepthwiseInPlace {
 public:
  DepthwiseInPlace(const ConvPass& p, const float* src, const float* bias, float* dst,
                   float* scratch, const ConvRegion& region)
      : p_(p),
        region_(region),
        src_(src),
        bias_(bias),
        dst_(dst),
        weights_(scratch),
        sums_(scratch + DepthwiseScratch(p).weights),
        t_(depthwise_start(p, p.src_c, p.src_w * p.src_c)) {
    t_.bias = scratch;
    t_.y_row = p.dst_row;
    streams_ = region.uncached && !depthwise_finishes(p) && p.dst_row % kLanes == 0 &&
               p.dst_col % kLanes == 0 && reinterpret_cast<uintptr_t>(dst) % (4 * kLanes) == 0;
    // Results are aligned instead where they go past the caches, and where taps are few.
    if (!streams_ && !depthwise_folds(p) && p.group_k == 1 && p.row_taps * p.col_taps > 4)
      lead_ = smaller(p.src_c, unaligned_floats(src, p.src_c));
    // Columns all of whose taps are inside.
    const int64_t reach = p.src_w - 1 - (p.col_taps - 1) * p.col_tap_step - p.col_first;
    const int64_t from = p.col_first < 0 ? (p.col_step - 1 - p.col_first) / p.col_step : 0;
    const int64_t to = reach < 0 ? 0 : reach / p.col_step + 1;
    inside_begin_ = smaller(larger(from, region.col_begin), region.col_end);
    inside_end_ = larger(smaller(to, region.col_end), inside_begin_);
    if (p.row_step == 1 && p.row_tap_step == 1 && p.src_c % kLanes == 0 && !depthwise_folds(p))
      pairs_ = depthwise_pairs(t_, inside_end_ - inside_begin_, streams_);
  }

  void run(const float* w, int64_t w_row, int64_t w_col) {
    const float* bias = depthwise_folds(p_) ? nullptr : bias_;
    if (lead_ > 0) pack_depthwise_weights(p_, w, w_row, w_col, bias, 0, lead_, weights_);
    pack_depthwise_weights(p_, w, w_row, w_col, bias, lead_, p_.src_c,
                           weights_ + (lead_ > 0 ? t_.w_panel : 0));
    for (int64_t row = region_.row_begin; row < region_.row_end;) row += make_rows(row);
    if (streams_) fence_streams();
  }

 private:
  // One row, or two whose taps are all inside; how many.
  int64_t make_rows(int64_t row) {
    const int64_t top = row + p_.row_first;  // of pairs: their row_step is 1
    const bool two = pairs_.whole && row + 1 < region_.row_end && top >= 0 &&
                     top + p_.row_taps < p_.src_h && inside_begin_ < inside_end_;
    const int64_t made = two ? 2 : 1;
    if (two) {
      start_row(row + 1);
      borders();
    }
    start_row(row);
    ask_ahead(row, made);
    borders();
    make_columns(at_column(inside_begin_), inside_end_ - inside_begin_, two);
    if (depthwise_finishes(p_))
      for (int64_t r = row; r < row + made; ++r)
        depthwise_finish_row(p_, sums_, p_.src_c,
                             dst_ + r * p_.dst_row + region_.col_begin * p_.dst_col,
                             region_.col_end - region_.col_begin, bias_);
    return made;
  }

  void start_row(int64_t row) {
    const int64_t top = row * p_.row_step + p_.row_first;
    taps_ = taps_inside(top, p_.row_tap_step, p_.row_taps, p_.src_h);
    t_.x = src_ + (top * p_.src_w + p_.col_first) * p_.src_c + taps_.begin * t_.tap_row;
    t_.rows = larger(0, taps_.end - taps_.begin);
    t_.w = weights_ + kPanel + taps_.begin * t_.w_row;
    t_.y = depthwise_folds(p_) ? sums_ - region_.col_begin * p_.src_c : dst_ + row * p_.dst_row;
    t_.fresh = 0;
  }

  // The last taps' rows of the `made` rows behind these: source rows that these do not read.
  void ask_ahead(int64_t row, int64_t made) {
    const int64_t step = made * p_.row_step, span = (p_.row_taps - 1) * p_.row_tap_step;
    const int64_t last = row * p_.row_step + p_.row_first + step + made - 1 + span;
    if (!region_.uncached || row + made >= region_.row_end || last >= p_.src_h) return;
    t_.fresh = smaller(step, p_.row_taps);
    t_.ahead = (p_.row_taps - t_.fresh - taps_.begin) * t_.tap_row +
               (step + made - 1) * p_.src_w * p_.src_c;
  }

  void borders() {
    border(region_.col_begin, inside_begin_);
    border(inside_end_, region_.col_end);
  }
  void border(int64_t first, int64_t last) {
    for (int64_t col = first; col < last; ++col) {
      const TapRange taps =
          taps_inside(col * p_.col_step + p_.col_first, p_.col_tap_step, p_.col_taps, p_.src_w);
      DepthwiseTile each = at_column(col);
      each.cols = larger(0, taps.end - taps.begin);
      each.x += taps.begin * t_.tap_col;
      each.w += taps.begin * kPanel;
      make_columns(each, 1, false);
    }
  }

  // All channels of some pixels: first those before a boundary, in a panel of weights of their own.
  void make_columns(const DepthwiseTile& from, int64_t columns, bool two) {
    DepthwiseTile t = from;
    if (lead_ > 0) {
      make_channels(t, columns, lead_, two);
      t.x += lead_;
      t.y += lead_;
      t.w += t.w_panel;
      t.bias += t.w_panel;
    }
    make_channels(t, columns, p_.src_c - lead_, two);
  }
  void make_channels(DepthwiseTile t, int64_t columns, int64_t channels, bool two) {
    if (!two) return depthwise_columns(t, columns, channels, 0, streams_);
    const int64_t whole = channels / kLanes * kLanes;
    pairs_.whole(t, columns, whole);
    if (whole == channels) return;
    t.x += whole;
    t.y += whole;
    t.w += whole / kPanel * t.w_panel + whole % kPanel;
    t.bias += whole / kPanel * t.w_panel + whole % kPanel;
    t.last = static_cast<int>(channels - whole);
    pairs_.ragged(t, columns, kLanes);
  }

  DepthwiseTile at_column(int64_t col) const {
    DepthwiseTile t = t_;
    t.x += col * t.x_col;
    t.y += col * t.y_col;
    return t;
  }

  const ConvPass& p_;
  const ConvRegion& region_;
  const float *src_, *bias_;
  float *dst_, *weights_, *sums_;
  DepthwiseTile t_;
  TapRange taps_{};
  DepthwisePairs pairs_;  // two rows at a time
  int64_t lead_ = 0;      // channels of a pixel before the first boundary of vectors
  bool streams_ = false;
  int64_t inside_begin_ = 0, inside_end_ = 0;
};

void depthwise_in_place(const ConvPass& p, const float* src, const float* w, int64_t w_row,
                        int64_t w_col, const float* bias, float* dst, float* scratch,
                        const ConvRegion& region) {
  DepthwiseInPlace(p, src, bias, dst, scratch, region).run(w, w_row, w_col);
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
