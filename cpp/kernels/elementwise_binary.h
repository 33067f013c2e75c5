// Arithmetic, comparisons, select and copies over matrix operands whose rows or columns may be
// broadcast (Grid: row stride, step 0 or 1).
#pragma once

#include "kernels/elementwise_table.h"
#include "kernels/vector_loop.h"
#include "kernels/vector_math.h"

namespace cnnfast::CNNFAST_ISA {
namespace {

struct Add {
  static vf of(vf a, vf b) { return a + b; }
};
struct Subtract {
  static vf of(vf a, vf b) { return a - b; }
};
struct Multiply {
  static vf of(vf a, vf b) { return a * b; }
};
struct Divide {
  static vf of(vf a, vf b) { return a / b; }
};
// max(a, b) is b where either is NaN, so only a's NaN needs care.
struct Maximum {
  static vf of(vf a, vf b) { return select(a != a, a, max(a, b)); }
};
struct Minimum {
  static vf of(vf a, vf b) { return select(a != a, a, min(a, b)); }
};

CNNFAST_INLINE vf operand(const float* p, int64_t i, vf fixed, bool moves) {
  return moves ? load(p + i) : fixed;
}
CNNFAST_INLINE vf operand_first(const float* p, int64_t i, int n, vf fixed, bool moves) {
  return moves ? load_first(p + i, n) : fixed;
}

template <class F, bool kMovesA, bool kMovesB>
struct BinaryRow {
  const float *a, *b;
  float* y;
  vf fixed_a, fixed_b;
  template <int N>
  __attribute__((always_inline)) void whole(int64_t i) const {
    vf v[N], w[N];
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) v[j] = operand(a, i + j * kLanes, fixed_a, kMovesA);
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) w[j] = operand(b, i + j * kLanes, fixed_b, kMovesB);
    CNNFAST_UNROLL
    for (int j = 0; j < N; ++j) store(y + i + j * kLanes, F::of(v[j], w[j]));
  }
  __attribute__((always_inline)) void some(int64_t i, int n) const {
    store_first(
        y + i,
        F::of(operand_first(a, i, n, fixed_a, kMovesA), operand_first(b, i, n, fixed_b, kMovesB)),
        n);
  }
};
template <class F, bool kMovesA, bool kMovesB>
CNNFAST_INLINE void binary_row(const float* a, const float* b, float* y, int64_t n) {
  for_vectors_of(n, BinaryRow<F, kMovesA, kMovesB>{a, b, y, broadcast(*a), broadcast(*b)});
}

template <class F>
CNNFAST_INLINE void binary_rows(Grid a, Grid b, float* y, int64_t y_row, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) {
    const float *p = a.data + r * a.row, *q = b.data + r * b.row;
    float* to = y + r * y_row;
    if (a.step != 0 && b.step != 0)
      binary_row<F, true, true>(p, q, to, n);
    else if (a.step != 0)
      binary_row<F, true, false>(p, q, to, n);
    else if (b.step != 0)
      binary_row<F, false, true>(p, q, to, n);
    else
      binary_row<F, false, false>(p, q, to, n);
  }
}

// A short vector repeated over dense rows (a bias of 3 or 10 channels) is unrolled to a whole
// number of vectors first, since masked rows cost as much as full ones.
constexpr int kShortVector = 64;

CNNFAST_INLINE bool repeats(Grid g) { return g.row == 0 && g.step == 1; }
CNNFAST_INLINE bool dense(Grid g, int64_t n) { return g.row == n && g.step == 1; }

template <class F>
void binary_kernel(Grid a, Grid b, float* y, int64_t y_row, int64_t rows, int64_t n) {
  const bool unroll = n <= kShortVector && n % kLanes != 0 && rows >= 2 * kLanes && y_row == n &&
                      ((dense(a, n) && repeats(b)) || (repeats(a) && dense(b, n)));
  if (!unroll) return binary_rows<F>(a, b, y, y_row, rows, n);
  float pattern[kShortVector * kLanes];
  const int64_t period = n * kLanes;  // elements, kLanes rows
  const bool short_b = repeats(b);
  const float* source = short_b ? b.data : a.data;
  for (int64_t i = 0; i < period; ++i) pattern[i] = source[i % n];
  const int64_t periods = rows / kLanes, done = periods * kLanes;
  const Grid repeated{pattern, 0, 1};
  if (short_b) {
    binary_rows<F>({a.data, period, 1}, repeated, y, period, periods, period);
    binary_rows<F>({a.data + done * n, n, 1}, b, y + done * n, n, rows - done, n);
  } else {
    binary_rows<F>(repeated, {b.data, period, 1}, y, period, periods, period);
    binary_rows<F>(a, {b.data + done * n, n, 1}, y + done * n, n, rows - done, n);
  }
}

// libm's powf, but for the exponents that are a multiplication or a division.
void power_kernel(Grid a, Grid b, float* y, int64_t y_row, int64_t rows, int64_t n) {
  const bool one_exponent = b.row == 0 && b.step == 0;
  if (one_exponent && a.step == 1 && (*b.data == 2.0f || *b.data == -1.0f)) {
    const bool square = *b.data == 2.0f;
    const float one = 1.0f;
    const Grid left = square ? a : Grid{&one, 0, 0};
    return square ? binary_rows<Multiply>(left, a, y, y_row, rows, n)
                  : binary_rows<Divide>(left, a, y, y_row, rows, n);
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < n; ++i)
      y[r * y_row + i] =
          __builtin_powf(a.data[r * a.row + i * a.step], b.data[r * b.row + i * b.step]);
}

typedef uint8_t bytes __attribute__((vector_size(kLanes)));
typedef int8_t signed_bytes __attribute__((vector_size(kLanes)));

struct Equal {
  static vi of(vf a, vf b) { return a == b; }
};
struct NotEqual {
  static vi of(vf a, vf b) { return a != b; }
};
struct Less {
  static vi of(vf a, vf b) { return a < b; }
};
struct LessEqual {
  static vi of(vf a, vf b) { return a <= b; }
};
struct Greater {
  static vi of(vf a, vf b) { return a > b; }
};
struct GreaterEqual {
  static vi of(vf a, vf b) { return a >= b; }
};

template <class F>
void compare_kernel(Grid a, Grid b, uint8_t* y, int64_t y_row, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) {
    const float *p = a.data + r * a.row, *q = b.data + r * b.row;
    uint8_t* to = y + r * y_row;
    const vf fixed_a = broadcast(*p), fixed_b = broadcast(*q);
    for (int64_t i = 0; i < n; i += kLanes) {
      const int count = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
      const vf left = a.step == 0       ? fixed_a
                      : count == kLanes ? load(p + i)
                                        : load_first(p + i, count);
      const vf right = b.step == 0       ? fixed_b
                       : count == kLanes ? load(q + i)
                                         : load_first(q + i, count);
      const signed_bytes flags = __builtin_convertvector(F::of(left, right), signed_bytes) & 1;
      if (count == kLanes)
        memcpy(to + i, &flags, kLanes);
      else
        memcpy(to + i, &flags, static_cast<size_t>(count));
    }
  }
}

void select_kernel(ByteGrid condition, Grid a, Grid b, float* y, int64_t y_row, int64_t rows,
                   int64_t n) {
  for (int64_t r = 0; r < rows; ++r) {
    const uint8_t* c = condition.data + r * condition.row;
    const float *p = a.data + r * a.row, *q = b.data + r * b.row;
    float* to = y + r * y_row;
    const vf fixed_a = broadcast(*p), fixed_b = broadcast(*q);
    const bytes fixed_c = bytes{} + *c;
    for (int64_t i = 0; i < n; i += kLanes) {
      const int count = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
      bytes flags = fixed_c;
      if (condition.step != 0) {
        flags = bytes{};
        if (count == kLanes)
          memcpy(&flags, c + i, kLanes);
        else
          memcpy(&flags, c + i, static_cast<size_t>(count));
      }
      const vi mask = __builtin_convertvector(flags, vi) != 0;
      if (count == kLanes) {
        store(to + i, select(mask, operand(p, i, fixed_a, a.step != 0),
                             operand(q, i, fixed_b, b.step != 0)));
      } else {
        store_first(to + i,
                    select(mask, operand_first(p, i, count, fixed_a, a.step != 0),
                           operand_first(q, i, count, fixed_b, b.step != 0)),
                    count);
      }
    }
  }
}

void copy_kernel(Grid a, float* y, int64_t y_row, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* p = a.data + r * a.row;
    float* to = y + r * y_row;
    if (a.step != 0) {
      memcpy(to, p, static_cast<size_t>(n) * sizeof(float));
      continue;
    }
    int32_t pattern;  // not through float arithmetic, which would flush small integers to zero
    memcpy(&pattern, p, sizeof pattern);
    const vf value = from_bits(broadcast(pattern));
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) store(to + i, value);
    if (i < n) store_first(to + i, value, static_cast<int>(n - i));
  }
}

void uint8_to_float_kernel(const uint8_t* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    bytes v;
    memcpy(&v, x + i, kLanes);
    store(y + i, to_float(__builtin_convertvector(v, vi)));
  }
  for (; i < n; ++i) y[i] = static_cast<float>(x[i]);
}

void fill_binary(ElementwiseKernels& table) {
  const auto set = [&](BinaryKind kind, auto kernel) {
    table.binary[static_cast<int>(kind)] = kernel;
  };
  set(BinaryKind::add, binary_kernel<Add>);
  set(BinaryKind::subtract, binary_kernel<Subtract>);
  set(BinaryKind::multiply, binary_kernel<Multiply>);
  set(BinaryKind::divide, binary_kernel<Divide>);
  set(BinaryKind::maximum, binary_kernel<Maximum>);
  set(BinaryKind::minimum, binary_kernel<Minimum>);
  set(BinaryKind::power, power_kernel);
  const auto compare = [&](CompareKind kind, auto kernel) {
    table.compare[static_cast<int>(kind)] = kernel;
  };
  compare(CompareKind::equal, compare_kernel<Equal>);
  compare(CompareKind::not_equal, compare_kernel<NotEqual>);
  compare(CompareKind::less, compare_kernel<Less>);
  compare(CompareKind::less_equal, compare_kernel<LessEqual>);
  compare(CompareKind::greater, compare_kernel<Greater>);
  compare(CompareKind::greater_equal, compare_kernel<GreaterEqual>);
  table.select = select_kernel;
  table.copy = copy_kernel;
  table.uint8_to_float = uint8_to_float_kernel;
}

}  // namespace
}  // namespace cnnfast::CNNFAST_ISA
