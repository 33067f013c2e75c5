// dense, dense_backward_input, dense_backward_kernel.
#include "reference/dense.h"

#include <array>

#include "base/caches.h"
#include "ops/dispatch.h"
#include "ops/epilogue.h"
#include "ops/families.h"
#include "ops/row_step.h"
#include "ops/update_step.h"

namespace cnnfast {

namespace {

// Sizes of y = x w: x (rows, in), w (in, out).
struct DenseSizes {
  std::int64_t rows, in, out;
};

DenseSizes sizes_of(const Shape& x, std::int64_t out) {
  const int last = x.rank() - 1;
  return {x.product(0, last), x[last], out};
}

void expect_matrix_like(const char* op, const Call& call, int input, const char* what) {
  if (call.input(input).shape.rank() < 2)
    value_error(op, ": ", what, " must have at least two axes (batch, ..., features), got ",
                call.input(input).str(), "; reshape it first");
}

std::int64_t last_size(const TensorType& type) { return type.shape[type.shape.rank() - 1]; }

double dense_flops(const TensorType& rows_by, std::int64_t in, std::int64_t out) {
  const Shape& s = rows_by.shape;
  return 2.0 * static_cast<double>(s.product(0, s.rank() - 1)) * static_cast<double>(in) *
         static_cast<double>(out);
}

// ---- how the fast products divide their work --------------------------------------------------

// c (outer x inner rows, columns) = a b, b (depth, columns).
struct Product {
  std::int64_t outer, inner;  // outer: size of axis 0
  std::int64_t columns, depth;
  std::int64_t rows() const { return outer * inner; }
};

// Below this many operations two threads gain less than a barrier costs (20 us at 100 GFLOP/s).
constexpr double kSingleFlops = 2e6;
// A matrix of up to 256 KiB may be read, and packed, by every thread.
constexpr std::int64_t kSharedWeights = 65536;
// A b so large comes from memory, and so small is packed in no time.
constexpr std::int64_t kLargeWeights = 1 << 20, kSmallWeights = 1 << 14;
// Where few rows make reading b once what counts, packing it does not pay. Nor do sums across lanes
// that end a short dot product.
bool few_rows(const Product& g, const Gemm& layout, const GemmKernels& kernels) {
  const bool transposed = layout.b_column != 1;
  const std::int64_t rows = g.rows(), weights = g.columns * g.depth;
  if (transposed && g.depth < 64) return rows <= 2;
  if (weights < kSmallWeights) return rows <= 8;
  const bool large = weights >= kLargeWeights;
  if (transposed)
    return rows <= (large ? kernels.few_rows_of_large_transposed : kernels.few_rows_transposed);
  if (g.columns <= 2 * kernels.tile_columns) return rows <= kernels.few_rows_narrow;
  return rows <= (large ? kernels.few_rows_of_large : kernels.few_rows);
}

// Do c's columns leave a quarter of their vectors or more empty?
bool few_columns(std::int64_t columns, const GemmKernels& kernels) {
  const std::int64_t lanes = kernels.tile_columns / 2;
  const std::int64_t vectors = (columns + lanes - 1) / lanes;
  return columns > 0 && columns <= kernels.few_columns && 4 * columns <= 3 * vectors * lanes;
}
// Dot products so long make up for turning the columns round and for the sums across lanes.
constexpr std::int64_t kDepthOfColumn = 10;

// Independent rows if the weights are small, so that no barrier stands between neighbours; columns
// if they are large, so that no thread reads another's weights. Kernels for few rows add in an
// order that goes with the size: who asks for the same bits from any number of threads gets
// columns, if each thread's stay large, or one thread.
Split split_product(const Product& g, bool few_rows, const Problem& p) {
  const std::int64_t weights = g.columns * g.depth;
  const double flops = 2.0 * static_cast<double>(g.rows()) * static_cast<double>(weights);
  if (p.threads == 1) return Split::rows;
  if (p.deterministic && few_rows)
    return weights >= 2 * p.threads * kLargeWeights && g.columns >= 64 * p.threads ? Split::free
                                                                                   : Split::single;
  if (g.outer >= 4 * p.threads && weights <= kSharedWeights) return Split::rows;
  if (flops < kSingleFlops && weights < kSharedWeights) return Split::single;
  if (g.columns >= 4 * p.kernels.gemm.tile_columns * p.threads) return Split::free;
  return g.outer >= 2 * p.threads ? Split::rows : Split::single;
}

std::string tiles_name(const GemmKernels& kernels) {
  return concat("tiles ", kernels.tile_rows, "x", kernels.tile_columns);
}

// A kernel and what profiles call it.
struct Way {
  void (*run)(const Gemm&);
  std::string name;
  bool few_rows = false;  // asks for its own scratch
};

Way choose_product(const Product& g, const Gemm& layout, bool biased, const GemmKernels& kernels) {
  const bool transposed = layout.b_column != 1;
  if (few_rows(g, layout, kernels))
    return transposed ? Way{kernels.gemm_few_rows_transposed, "dot products", true}
                      : Way{kernels.gemm_few_rows, "streamed rows", true};
  const bool plain = !biased && layout.activation == ActivationKind::linear;
  if (layout.b_k == 1 && plain && g.depth > 1 && g.depth <= kernels.shallow)
    return {kernels.gemm_shallow, "few columns"};
  if (!transposed && layout.a_k == 1 && few_columns(g.columns, kernels) &&
      g.depth >= kDepthOfColumn * g.columns)
    return {kernels.gemm_few_columns, "few columns"};
  return {kernels.gemm, tiles_name(kernels)};
}

// One step for c = act(a b + bias); `from`, `to` and `b` may be laid out either way round.
void add_product_step(const Problem& p, StepBuilder& steps, const Product& g, const Gemm& layout,
                      Slot a, Slot b, Slot bias, Slot c) {
  const GemmKernels& kernels = p.kernels.gemm;
  const Way way = choose_product(g, layout, bias.present(), kernels);
  Gemm whole = layout;
  whole.m = g.rows();
  whole.n = g.columns;
  whole.k = g.depth;
  const Slot scratch = steps.scratch_per_thread(
      (way.few_rows ? kernels.few_rows_scratch_floats(whole) : kernels.scratch_floats) *
      std::int64_t{4});
  const Split split = split_product(g, way.few_rows, p);
  const std::int64_t grain = kernels.tile_columns;
  const auto kernel = way.run;
  StepSpec spec{way.name, split, g.outer};
  spec.whole = {b, bias};
  steps.step(std::move(spec), [=](const Run& run, int thread, int threads) {
    Gemm call = whole;
    call.a = run.ptr<const float>(a);
    call.b = run.ptr<const float>(b);
    call.bias = run.ptr<const float>(bias);
    call.c = run.ptr<float>(c);
    call.scratch = run.thread_ptr<float>(scratch, thread);
    if (split == Split::single) {
      if (thread != 0) return;
    } else if (split == Split::rows) {
      const Range r = share(g.outer, thread, threads);
      call.a += r.begin * g.inner * call.a_row;
      call.c += r.begin * g.inner * call.c_row;
      call.m = r.size() * g.inner;
    } else {
      const Range r = share(g.columns, thread, threads, grain);
      call.b += r.begin * call.b_column;
      call.c += r.begin;
      if (call.bias != nullptr) call.bias += r.begin;
      call.n = r.size();
    }
    kernel(call);
  });
}

// ---- dense -------------------------------------------------------------------------------------

void build_product(const Problem& p, StepBuilder& steps) {
  const Epilogue epilogue = epilogue_attributes("dense", p.attributes);
  const Shape& x = p.input(0).shape;
  const DenseSizes s = sizes_of(x, p.input(1).shape[1]);
  Gemm layout{};
  layout.a_row = s.in;
  layout.a_k = 1;
  layout.b_k = s.out;
  layout.b_column = 1;
  layout.c_row = s.out;
  layout.activation = epilogue.activation;
  layout.alpha = epilogue.alpha;
  add_product_step(p, steps, {x[0], x.product(1, x.rank() - 1), s.out, s.in}, layout,
                   steps.input(0), steps.input(1), steps.input(2), steps.output());
}

const FunctionImplementation kProduct{"gemm", declines_unless_f32, build_product};

void build_reference(const Problem& p, StepBuilder& steps) {
  const Epilogue epilogue = epilogue_attributes("dense", p.attributes);
  const DenseSizes s = sizes_of(p.input(0).shape, p.input(1).shape[1]);
  const Slot x = steps.input(0), w = steps.input(1), b = steps.input(2), y = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0) return;
      reference::dense<T>(run.ptr<const T>(x), run.ptr<const T>(w), run.ptr<const T>(b),
                          run.ptr<T>(y), s.rows, s.in, s.out, epilogue.activation, epilogue.alpha);
    });
  });
}

const FunctionImplementation kReference{"reference", nullptr, build_reference};
constexpr std::array<const Implementation*, 2> kImplementations{&kProduct, &kReference};

class Dense final : public Op {
 public:
  std::string_view name() const override { return "dense"; }
  std::string_view group() const override { return "DENSE"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs("dense", call, 2, 3);
    expect_floating("dense", call, 0, "x");
    expect_same_dtype("dense", call);
    expect_floating("dense", call, 1, "kernel");
    expect_matrix_like("dense", call, 0, "x");
    expect_rank("dense", call, 1, "kernel", 2);
    epilogue_attributes("dense", call.attributes);
    const TensorType& x = call.input(0);
    const Shape& w = call.input(1).shape;
    if (!sizes_agree(last_size(x), w[0]))
      value_error("dense: x has ", last_size(x), " features, kernel ", w, " expects ", w[0],
                  "; got x ", x.shape);
    if (call.count() == 3) {
      expect_floating("dense", call, 2, "bias");
      expect_rank("dense", call, 2, "bias", 1);
      if (!sizes_agree(call.input(2).shape[0], w[1]))
        value_error("dense: bias must have shape (", w[1], ",) for kernel ", w, ", got ",
                    call.input(2).shape);
    }
    TensorType y = x;
    y.shape[y.shape.rank() - 1] = w[1];
    return {y};
  }

  void gradient(GradientContext& g) const override {
    const ValueId dy = g.output_gradient(0);
    if (dy == kNoValue) return;
    const bool has_bias = g.node().inputs.size() == 3;
    const bool wants_bias = has_bias && g.wants(2);
    if (!g.wants(0) && !g.wants(1) && !wants_bias) return;
    const ValueId dz = gradient_before_activation(g, dy);
    if (g.wants(0)) g.give(0, g.add("dense_backward_input", {dz, g.input(1)})[0]);
    if (!g.wants(1) && !wants_bias) return;
    const auto d = g.add("dense_backward_kernel", {g.input(0), dz}, {{"bias", wants_bias}});
    if (g.wants(1)) g.give(1, d[0]);
    if (wants_bias) g.give(2, d[1]);
  }

  std::span<const Implementation* const> implementations() const override {
    return kImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    const Shape& w = call.input(1).shape;
    return dense_flops(call.input(0), w[0], w[1]);
  }
};

// ---- dense_backward_input ----------------------------------------------------------------------

void build_product_input(const Problem& p, StepBuilder& steps) {
  const Shape& dy = p.input(0).shape;
  const DenseSizes s = sizes_of(p.output().shape, p.input(1).shape[1]);
  Gemm layout{};
  layout.a_row = s.out;
  layout.a_k = 1;
  layout.b_k = 1;
  layout.b_column = s.out;
  layout.c_row = s.in;
  layout.activation = ActivationKind::linear;
  add_product_step(p, steps, {dy[0], dy.product(1, dy.rank() - 1), s.in, s.out}, layout,
                   steps.input(0), steps.input(1), Slot{}, steps.output());
}

const FunctionImplementation kProductInput{"gemm", declines_unless_f32, build_product_input};

void build_reference_input(const Problem& p, StepBuilder& steps) {
  const DenseSizes s = sizes_of(p.output().shape, p.input(1).shape[1]);
  const Slot dy = steps.input(0), w = steps.input(1), dx = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0) return;
      reference::dense_backward_input<T>(run.ptr<const T>(dy), run.ptr<const T>(w), run.ptr<T>(dx),
                                         s.rows, s.in, s.out);
    });
  });
}

const FunctionImplementation kReferenceInput{"reference", nullptr, build_reference_input};
constexpr std::array<const Implementation*, 2> kInputImplementations{&kProductInput,
                                                                     &kReferenceInput};

class DenseBackwardInput final : public Op {
 public:
  std::string_view name() const override { return "dense_backward_input"; }
  std::string_view group() const override { return "DENSE"; }

  std::vector<TensorType> infer(const Call& call) const override {
    const char* op = "dense_backward_input";
    expect_inputs(op, call, 2, 2);
    expect_floating(op, call, 0, "dy");
    expect_floating(op, call, 1, "kernel");
    expect_same_dtype(op, call);
    expect_matrix_like(op, call, 0, "dy");
    expect_rank(op, call, 1, "kernel", 2);
    const TensorType& dy = call.input(0);
    const Shape& w = call.input(1).shape;
    if (!sizes_agree(last_size(dy), w[1]))
      value_error(op, ": dy has ", last_size(dy), " features, kernel ", w, " makes ", w[1],
                  "; got dy ", dy.shape);
    TensorType dx = dy;
    dx.shape[dx.shape.rank() - 1] = w[0];
    return {dx};
  }

  // dx = dy wT is linear in both.
  void gradient(GradientContext& g) const override {
    const ValueId d = g.output_gradient(0);
    if (d == kNoValue) return;
    if (g.wants(0)) g.give(0, g.add("dense", {d, g.input(1)})[0]);
    if (g.wants(1))
      g.give(1, g.add("dense_backward_kernel", {d, g.input(0)}, {{"bias", false}})[0]);
  }

  std::span<const Implementation* const> implementations() const override {
    return kInputImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    const Shape& w = call.input(1).shape;
    return dense_flops(call.input(0), w[0], w[1]);
  }
};

// ---- dense_backward_kernel ---------------------------------------------------------------------

Way choose_kernel_product(const DenseSizes& s, const GemmKernels& kernels) {
  if (s.rows > 1 && few_columns(s.out, kernels))
    return {kernels.gemm_few_columns_turned, "few columns"};
  const std::int64_t outer_steps =
      s.in * s.out > kCachedFloats ? kernels.outer_steps_of_large : kernels.outer_steps;
  if (s.rows > 0 && s.rows <= outer_steps) return {kernels.gemm_outer, "outer products"};
  return {kernels.gemm, tiles_name(kernels)};
}

// dw = xT dy: the batch is reduced inside the tile, so every element of dw is written once, by the
// thread that owns its row or column; db comes from the same step.
void build_product_kernel(const Problem& p, StepBuilder& steps) {
  const DenseSizes s = sizes_of(p.input(0).shape, last_size(p.input(1)));
  const bool bias = p.attributes.boolean("bias", false) && steps.output_used(1);
  const Slot x = steps.input(0), dy = steps.input(1), dw = steps.output(0);
  const Slot db = bias ? steps.output(1) : Slot{};
  const GemmKernels& kernels = p.kernels.gemm;
  const bool wants_dw = steps.output_used(0);
  const Slot scratch = steps.scratch_per_thread(kernels.scratch_floats * std::int64_t{4});
  const double flops = 2.0 * static_cast<double>(s.rows) * static_cast<double>(s.in * s.out);
  // dw itself is what costs with a small batch: 64 Ki floats are 20 us of memory traffic.
  const bool large = flops >= kSingleFlops || s.in * s.out >= kSharedWeights;
  const bool for_update = updated_by_rows(p.output(0).shape, p.threads);
  const bool by_rows = for_update || s.in / kernels.tile_rows >= 4 * p.threads;
  const bool by_columns = !by_rows && s.out / kernels.tile_columns >= 2 * p.threads;
  const Way way = choose_kernel_product(s, kernels);
  const auto kernel = way.run;
  StepSpec spec{way.name};
  if (for_update) {
    spec.split = Split::rows;
    spec.rows = s.in;
    spec.parts = true;
    spec.domain = dw.base + 1;
  } else if (large && (by_rows || by_columns)) {
    spec.split = Split::free;
  }
  const Split split = spec.split;
  const std::int64_t grain = for_update ? 1 : kernels.tile_rows;
  const int sharers = split == Split::single ? 1 : p.threads;
  steps.step(spec, [=, &kernels](const Run& run, int thread, int threads) {
    if (split == Split::single) {
      if (thread != 0) return;
      threads = 1;
    }
    Range rows{0, s.in}, columns{0, s.out};
    if (by_rows)
      rows = share(s.in, thread, threads, grain);
    else
      columns = share(s.out, thread, threads, kernels.tile_columns);
    Gemm call{};
    call.a = run.ptr<const float>(x) + rows.begin;
    call.a_row = 1;
    call.a_k = s.in;
    call.b = run.ptr<const float>(dy) + columns.begin;
    call.b_k = s.out;
    call.b_column = 1;
    call.c = run.ptr<float>(dw) + rows.begin * s.out + columns.begin;
    call.c_row = s.out;
    call.m = wants_dw ? rows.size() : 0;
    call.n = columns.size();
    call.k = s.rows;
    call.activation = ActivationKind::linear;
    call.scratch = run.worker_ptr<float>(scratch);
    // A chain's parts fit the caches, for the update behind them to find.
    call.uncached = call.m * call.n * sharers > kCachedFloats;
    if (bias && rows.begin == 0) call.b_sums = run.ptr<float>(db) + columns.begin;
    kernel(call);
  });
}

const FunctionImplementation kProductKernel{"gemm", declines_unless_f32, build_product_kernel};

void build_reference_kernel(const Problem& p, StepBuilder& steps) {
  const DenseSizes s = sizes_of(p.input(0).shape, last_size(p.input(1)));
  const bool bias = p.attributes.boolean("bias", false);
  const Slot x = steps.input(0), dy = steps.input(1), dw = steps.output(0);
  const Slot db = bias ? steps.output(1) : Slot{};
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread != 0) return;
      reference::dense_backward_kernel<T>(run.ptr<const T>(x), run.ptr<const T>(dy), run.ptr<T>(dw),
                                          run.ptr<T>(db), s.rows, s.in, s.out);
    });
  });
}

const FunctionImplementation kReferenceKernel{"reference", nullptr, build_reference_kernel};
constexpr std::array<const Implementation*, 2> kKernelImplementations{&kProductKernel,
                                                                      &kReferenceKernel};

class DenseBackwardKernel final : public Op {
 public:
  std::string_view name() const override { return "dense_backward_kernel"; }
  std::string_view group() const override { return "DENSE"; }

  std::vector<TensorType> infer(const Call& call) const override {
    const char* op = "dense_backward_kernel";
    expect_inputs(op, call, 2, 2);
    expect_floating(op, call, 0, "x");
    expect_floating(op, call, 1, "dy");
    expect_same_dtype(op, call);
    expect_matrix_like(op, call, 0, "x");
    const Shape& x = call.input(0).shape;
    const Shape& dy = call.input(1).shape;
    bool match = x.rank() == dy.rank();
    for (int a = 0; match && a + 1 < x.rank(); ++a) match = sizes_agree(x[a], dy[a]);
    if (!match)
      value_error(op, ": x and dy must have the same axes but for the last, got x ", x, " and dy ",
                  dy);
    TensorType dw = call.input(0), db = call.input(0);
    dw.shape = Shape{last_size(call.input(0)), last_size(call.input(1))};
    db.shape = Shape{last_size(call.input(1))};
    if (call.attributes.boolean("bias", false)) return {dw, db};
    return {dw};
  }

  // dw = xT dy is linear in both, db = sum of dy.
  void gradient(GradientContext& g) const override {
    const bool bias = g.node().outputs.size() == 2;
    const ValueId dw = g.output_gradient(0), db = bias ? g.output_gradient(1) : kNoValue;
    const ValueId x = g.input(0), dy = g.input(1);
    if (dw != kNoValue && g.wants(0)) g.give(0, g.add("dense_backward_input", {dy, dw})[0]);
    if (!g.wants(1)) return;
    if (dw != kNoValue) {
      std::vector<ValueId> inputs{x, dw};
      if (db != kNoValue) inputs.push_back(db);
      g.give(1, g.add("dense", inputs)[0]);
    } else if (db != kNoValue) {
      g.give(1, g.add("broadcast_to", {db}, {{"shape", g.type(dy).shape.vector()}})[0]);
    }
  }

  std::span<const Implementation* const> implementations() const override {
    return kKernelImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return dense_flops(call.input(0), last_size(call.input(0)), last_size(call.input(1)));
  }
};

}  // namespace

void add_dense_ops(OpList& ops) {
  ops.push_back(std::make_unique<Dense>());
  ops.push_back(std::make_unique<DenseBackwardInput>());
  ops.push_back(std::make_unique<DenseBackwardKernel>());
}

}  // namespace cnnfast
