// Gradients of a convolution from a dy that is mostly zeros, as behind max pooling, where one place
// of each window has a value: direct sums over the places that have one. What is added to or read
// from x lies in panels of one vector of channels, borders of zeros around, so that all taps of a
// value are vectors at fixed distances from it.
#pragma once

#include "kernels/conv_copy.h"
#include "kernels/conv_sparse_table.h"
#include "kernels/lane_transpose.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

constexpr int kSparseSums = 9;           // vectors of a walk: a 3x3 window, more than an FMA waits
constexpr int64_t kSparseChannels = 64;  // of dy, looked at together: a bit for each

CNNFAST_INLINE int64_t sparse_vectors(const ConvPass& p) { return (p.src_c + kLanes - 1) / kLanes; }
CNNFAST_INLINE int64_t sparse_taps(const ConvPass& p) { return p.row_taps * p.col_taps; }

// Bit i: p[i] is not zero, of at most 64 floats.
CNNFAST_INLINE uint64_t nonzero_bits(const float* p, int64_t count) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < count; i += kLanes) {
    const int lanes = static_cast<int>(smaller(kLanes, count - i));
    bits |= static_cast<uint64_t>(nonzero_lanes(load_lanes(p + i, lanes))) << i;
  }
  return bits;
}

// A square of some channels: all that there are from x on, `height` x `width`, if less.
template <bool kAdd>
CNNFAST_INLINE void transpose_channels(const float* x, int64_t x_stride, float* y, int64_t y_stride,
                                       int64_t height, int64_t width) {
  if (height >= kLanes && width >= kLanes)
    transpose_square<kAdd>(x, x_stride, y, y_stride);
  else
    transpose_part<kAdd>(x, x_stride, y, y_stride, static_cast<int>(smaller(height, kLanes)),
                         static_cast<int>(smaller(width, kLanes)));
}

// `total` things in nearly equal groups of at most kSparseSums.
struct SparseGroups {
  int64_t total, count;
  explicit SparseGroups(int64_t things)
      : total(things), count((things + kSparseSums - 1) / kSparseSums) {}
  int64_t begin(int64_t group) const { return total * group / count; }
  int size(int64_t group) const { return static_cast<int>(begin(group + 1) - begin(group)); }
};

// A panel: rows and columns of x that `rows` rows of dy touch, one vector of channels.
struct SparsePanel {
  int64_t rows, cols;
  SparsePanel(const ConvPass& p, int64_t dst_rows) : rows(p.copy_rows(dst_rows)), cols(p.copy_w) {}
  int64_t floats() const { return rows * cols * kLanes; }
  int64_t tap(const ConvPass& p, int64_t tap) const {
    return (tap / p.col_taps * p.row_tap_step * cols + tap % p.col_taps * p.col_tap_step) * kLanes;
  }
  int64_t place(const ConvPass& p, int64_t row, int64_t col) const {
    return (row * p.row_step * cols + col * p.col_step) * kLanes;
  }
};

// ---- backward-input ----------------------------------------------------------------------------

int64_t sparse_weights(const ConvPass& p) {
  return sparse_vectors(p) * kLanes * sparse_taps(p) * p.group_k;
}

// [vector of channels][group of taps][k][tap of the group][lane]
void sparse_pack(const ConvPass& p, const float* w, float* packed, int64_t vector_begin,
                 int64_t vector_end) {
  const SparseGroups groups(sparse_taps(p));
  const int64_t all_k = p.group_k;
  float* to = packed + vector_begin * groups.total * all_k * kLanes;
  for (int64_t v = vector_begin; v < vector_end; ++v) {
    const int64_t channels = smaller(kLanes, p.src_c - v * kLanes);
    for (int64_t group = 0; group < groups.count; ++group) {
      const int64_t size = groups.size(group);
      for (int64_t tap = 0; tap < size; ++tap) {
        const float* from = w + ((groups.begin(group) + tap) * p.src_c + v * kLanes) * all_k;
        for (int64_t k = 0; k < all_k; k += kLanes)
          transpose_channels<false>(from + k, all_k, to + (k * size + tap) * kLanes, size * kLanes,
                                    channels, all_k - k);
      }
      to += all_k * size * kLanes;
    }
  }
}

// Adds the values of one place, those in `bits`, times the weights of N taps, to what they read.
template <int N>
CNNFAST_INLINE void sparse_scatter(const float* dy, uint64_t bits, const float* w, float* to,
                                   const int64_t* taps) {
  vf acc[N];
  CNNFAST_UNROLL
  for (int i = 0; i < N; ++i) acc[i] = load(to + taps[i]);
  do {
    const int k = __builtin_ctzll(bits);
    const vf value = broadcast(dy[k]);
    const float* weights = w + k * (N * kLanes);
    CNNFAST_UNROLL
    for (int i = 0; i < N; ++i) acc[i] += value * load(weights + i * kLanes);
    bits &= bits - 1;
  } while (bits);
  CNNFAST_UNROLL
  for (int i = 0; i < N; ++i) store(to + taps[i], acc[i]);
}

// One image's dy, of `channels` from `dy` on, into a panel.
template <int N>
void sparse_scatter_all(const ConvPass& p, const float* dy, int64_t channels, const float* w,
                        const int64_t* taps, const SparsePanel& panel, float* to) {
  int64_t places[N];
  for (int i = 0; i < N; ++i) places[i] = taps[i];
  for (int64_t row = 0; row < p.dst_h; ++row) {
    const float* from = dy + row * p.dst_row;
    for (int64_t col = 0; col < p.dst_w; ++col, from += p.dst_col) {
      const uint64_t bits = nonzero_bits(from, channels);
      if (bits) sparse_scatter<N>(from, bits, w, to + panel.place(p, row, col), places);
    }
  }
}

using SparseScatter = void (*)(const ConvPass&, const float*, int64_t, const float*, const int64_t*,
                               const SparsePanel&, float*);
CNNFAST_INLINE SparseScatter scatter_function(int taps) {
  static constexpr SparseScatter functions[kSparseSums] = {
      sparse_scatter_all<1>, sparse_scatter_all<2>, sparse_scatter_all<3>,
      sparse_scatter_all<4>, sparse_scatter_all<5>, sparse_scatter_all<6>,
      sparse_scatter_all<7>, sparse_scatter_all<8>, sparse_scatter_all<9>};
  return functions[taps - 1];
}

// The panel's part inside x, zeros where no window reaches.
void sparse_panel_out(const ConvPass& p, const SparsePanel& panel, const float* from, float* dx,
                      int lanes) {
  for (int64_t row = 0; row < p.src_h; ++row) {
    const int64_t r = row - p.row_first;
    const bool reached = r >= 0 && r < panel.rows;
    const float* line = from + (r * panel.cols - p.col_first) * kLanes;
    for (int64_t col = 0; col < p.src_w; ++col, dx += p.src_c) {
      const int64_t c = col - p.col_first;
      const bool inside = reached && c >= 0 && c < panel.cols;
      store_lanes(dx, inside ? load(line + col * kLanes) : vf{}, lanes);
    }
  }
}

int64_t sparse_backward_input_scratch(const ConvPass& p) {
  return SparsePanel(p, p.dst_h).floats();
}

void sparse_backward_input(const ConvPass& p, const float* dy, const float* packed, float* dx,
                           float* scratch, int64_t image_begin, int64_t image_end,
                           int64_t vector_begin, int64_t vector_end) {
  const SparsePanel panel(p, p.dst_h);
  const SparseGroups groups(sparse_taps(p));
  const int64_t all_k = p.group_k;
  for (int64_t image = image_begin; image < image_end; ++image)
    for (int64_t v = vector_begin; v < vector_end; ++v) {
      zero_floats(scratch, panel.floats());
      for (int64_t group = 0; group < groups.count; ++group) {
        const int64_t begin = groups.begin(group);
        const int size = groups.size(group);
        int64_t taps[kSparseSums];
        for (int i = 0; i < size; ++i) taps[i] = panel.tap(p, begin + i);
        const float* w = packed + (v * groups.total + begin) * all_k * kLanes;
        for (int64_t k = 0; k < all_k; k += kSparseChannels)
          scatter_function(size)(p, dy + image * p.dst_h * p.dst_row + k,
                                 smaller(kSparseChannels, all_k - k), w + k * size * kLanes, taps,
                                 panel, scratch);
      }
      sparse_panel_out(p, panel, scratch, dx + image * p.src_h * p.src_w * p.src_c + v * kLanes,
                       static_cast<int>(smaller(kLanes, p.src_c - v * kLanes)));
    }
}

// ---- the kernel's gradient ---------------------------------------------------------------------

struct SparseValue {
  int32_t place;  // in a panel, floats
  float value;
};

// Rows of dy taken at a time: so many places that the lists of kSparseChannels stay near.
CNNFAST_INLINE int64_t sparse_band(const ConvPass& p) {
  constexpr int64_t kPlaces = 512;
  return smaller(larger(1, kPlaces / larger(1, p.dst_w)), larger(1, p.dst_h));
}

// Lists of values by channel, panels, sums [k][unit][lane].
struct SparseSumScratch {
  int64_t lists, panels, sums;
  explicit SparseSumScratch(const ConvPass& p)
      : lists(2 * kSparseChannels * sparse_band(p) * p.dst_w),
        panels(sparse_vectors(p) * SparsePanel(p, sparse_band(p)).floats()),
        sums(sparse_weights(p)) {}
};

int64_t sparse_backward_kernel_units(const ConvPass& p) {
  return sparse_vectors(p) * sparse_taps(p);
}
int64_t sparse_backward_kernel_scratch(const ConvPass& p) {
  const SparseSumScratch s(p);
  return s.lists + s.panels + s.sums;
}

// One vector of channels of x as a panel; its first row is row `first_row` of x.
void sparse_panel_in(const ConvPass& p, const SparsePanel& panel, const float* x, int64_t first_row,
                     int lanes, float* to) {
  for (int64_t r = 0; r < panel.rows; ++r, to += panel.cols * kLanes) {
    const int64_t row = first_row + r;
    if (row < 0 || row >= p.src_h) {
      zero_floats(to, panel.cols * kLanes);
      continue;
    }
    for (int64_t c = 0; c < panel.cols; ++c) {
      const int64_t col = p.col_first + c;
      const bool inside = col >= 0 && col < p.src_w;
      store(to + c * kLanes,
            inside ? load_lanes(x + (row * p.src_w + col) * p.src_c, lanes) : vf{});
    }
  }
}

// Lists of what is not zero in `rows` rows of dy, by channel: `capacity` values each at most. ends:
// one past the last value of each.
void sparse_lists(const ConvPass& p, const SparsePanel& panel, const float* dy, int64_t rows,
                  int64_t channels, int64_t capacity, SparseValue* lists, SparseValue** ends) {
  for (int64_t k = 0; k < channels; ++k) ends[k] = lists + k * capacity;
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = dy + row * p.dst_row;
    for (int64_t col = 0; col < p.dst_w; ++col, from += p.dst_col) {
      const int32_t place = static_cast<int32_t>(panel.place(p, row, col));
      for (uint64_t bits = nonzero_bits(from, channels); bits; bits &= bits - 1) {
        const int k = __builtin_ctzll(bits);
        *ends[k]++ = {place, from[k]};
      }
    }
  }
}

// Sums over the lists, for N units whose first places are x[0], x[1], ...
template <int N>
void sparse_sums(const SparseValue* lists, SparseValue* const* ends, int64_t channels,
                 int64_t capacity, const float* const* x, float* sums, int64_t stride, bool first) {
  const float* from[N];
  for (int i = 0; i < N; ++i) from[i] = x[i];
  for (int64_t k = 0; k < channels; ++k, lists += capacity, sums += stride) {
    vf acc[N];
    CNNFAST_UNROLL
    for (int i = 0; i < N; ++i) acc[i] = first ? vf{} : load(sums + i * kLanes);
    const SparseValue* end = ends[k];
    for (const SparseValue* each = lists; each < end; ++each) {
      const vf value = broadcast(each->value);
      const int64_t place = each->place;
      CNNFAST_UNROLL
      for (int i = 0; i < N; ++i) acc[i] += value * load(from[i] + place);
    }
    CNNFAST_UNROLL
    for (int i = 0; i < N; ++i) store(sums + i * kLanes, acc[i]);
  }
}

using SparseSums = void (*)(const SparseValue*, SparseValue* const*, int64_t, int64_t,
                            const float* const*, float*, int64_t, bool);
CNNFAST_INLINE SparseSums sparse_sum_function(int units) {
  static constexpr SparseSums functions[kSparseSums] = {
      sparse_sums<1>, sparse_sums<2>, sparse_sums<3>, sparse_sums<4>, sparse_sums<5>,
      sparse_sums<6>, sparse_sums<7>, sparse_sums<8>, sparse_sums<9>};
  return functions[units - 1];
}

void sparse_bias(const ConvPass& p, const float* dy, int64_t rows, float* db) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < p.dst_w; ++col) {
      const float* from = dy + row * p.dst_row + col * p.dst_col;
      for (int64_t k = 0; k < p.group_k; k += kLanes) {
        const int lanes = static_cast<int>(smaller(kLanes, p.group_k - k));
        store_lanes(db + k, load_lanes(db + k, lanes) + load_lanes(from + k, lanes), lanes);
      }
    }
}

// Units [begin, end) of one call in the order it takes them: those of a vector of channels, whose
// panel then stays near, follow each other.
struct SparseUnits {
  int64_t vectors, begin, end;
  int64_t vector, tap;  // the present one
  SparseUnits(const ConvPass& p, const ConvSumRegion& region)
      : vectors(sparse_vectors(p)),
        begin(region.unit_begin),
        end(region.unit_end),
        vector(-1),
        tap(0) {
    next_vector();
  }
  int64_t unit() const { return tap * vectors + vector; }
  void advance() {
    ++tap;
    if (unit() >= end) next_vector();
  }

 private:
  void next_vector() {
    do {
      ++vector;
      tap = vector < begin ? (begin - vector + vectors - 1) / vectors : 0;
    } while (unit() >= end && vector < vectors);
  }
};

void sparse_backward_kernel(const ConvPass& p, const float* x, const float* dy, float* dw,
                            float* db, float* scratch, const ConvSumRegion& region, bool first) {
  const int64_t units = region.unit_end - region.unit_begin, vectors = sparse_vectors(p);
  const int64_t all_k = p.group_k, band = sparse_band(p);
  const SparsePanel panel(p, band);
  const SparseSumScratch room(p);
  const SparseGroups groups(units);
  const int64_t capacity = band * p.dst_w, stride = units * kLanes;
  SparseValue* lists = reinterpret_cast<SparseValue*>(scratch);
  float *panels = scratch + room.lists, *sums = panels + room.panels;
  SparseValue* ends[kSparseChannels];
  if (region.unit_begin > 0) db = nullptr;  // the first unit's
  if (db && first) zero_floats(db, all_k);

  bool begins = true;
  for (int64_t image = region.image_begin; image < region.image_end; ++image)
    for (int64_t row = region.row_begin; row < region.row_end; row += band) {
      const int64_t rows = smaller(band, region.row_end - row);
      const float* source = x + image * p.src_h * p.src_w * p.src_c;
      const float* gradient = dy + image * p.dst_h * p.dst_row + row * p.dst_row;
      for (int64_t v = 0; v < smaller(vectors, units); ++v) {
        const int64_t vector = (region.unit_begin + v) % vectors;
        sparse_panel_in(p, panel, source + vector * kLanes, row * p.row_step + p.row_first,
                        static_cast<int>(smaller(kLanes, p.src_c - vector * kLanes)),
                        panels + vector * panel.floats());
      }
      if (db) sparse_bias(p, gradient, rows, db);
      for (int64_t k = 0; k < all_k; k += kSparseChannels) {
        const int64_t channels = smaller(kSparseChannels, all_k - k);
        sparse_lists(p, panel, gradient + k, rows, channels, capacity, lists, ends);
        SparseUnits unit(p, region);
        for (int64_t group = 0; group < groups.count; ++group) {
          const int size = groups.size(group);
          const float* from[kSparseSums];
          for (int i = 0; i < size; ++i, unit.advance())
            from[i] = panels + unit.vector * panel.floats() + panel.tap(p, unit.tap);
          sparse_sum_function(size)(lists, ends, channels, capacity, from,
                                    sums + k * stride + groups.begin(group) * kLanes, stride,
                                    begins);
        }
      }
      begins = false;
    }
  if (begins) zero_floats(sums, all_k * stride);
  SparseUnits unit(p, region);
  for (int64_t i = 0; i < units; ++i, unit.advance()) {
    float* to = dw + (unit.tap * p.src_c + unit.vector * kLanes) * all_k;
    for (int64_t k = 0; k < all_k; k += kLanes)
      (first ? transpose_channels<false>
             : transpose_channels<true>)(sums + k * stride + i * kLanes, stride, to + k, all_k,
                                         all_k - k, p.src_c - unit.vector * kLanes);
  }
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
