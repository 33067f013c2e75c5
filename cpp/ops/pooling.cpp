// max_pool2d, avg_pool2d and their backward ops, over NHWC.
#include "reference/pooling.h"

#include <array>
#include <limits>

#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/window.h"

namespace cnnfast {

namespace {

struct PoolGeometry {
  std::int64_t pool_h = 0, pool_w = 0;
  WindowGeometry window;
};

// A window over nothing but padding has no largest value and no mean.
void expect_input_in_every_window(std::string_view op, const char* axis, const WindowAxis& a) {
  if (a.input == kSymbolic || a.output == 0) return;
  if (a.before >= a.window || (a.output - 1) * a.stride - a.before >= a.input)
    value_error(op, ": padding (", a.before, ", ", a.after, ") leaves windows of ", axis, " ",
                a.window, " without any input of ", a.input, "; pad less than the window");
}

// Checks the attributes against an input of in_h x in_w.
PoolGeometry pool_geometry(std::string_view op, const Attributes& attributes, std::int64_t in_h,
                           std::int64_t in_w) {
  const std::vector<std::int64_t> pool = attributes.integers("pool_size", {});
  if (pool.size() != 2)
    value_error(op, ": pool_size must be two integers (vertical, horizontal), got ", pool.size());
  constexpr std::int64_t kLargest = std::int64_t{1} << 15;  // a place in the window fits int32
  for (const std::int64_t p : pool)
    if (p < 1 || p > kLargest)
      value_error(op, ": pool_size must be between 1 and ", kLargest, ", got (", pool[0], ", ",
                  pool[1], ")");
  const WindowAttributes window = window_attributes(op, attributes, pool[0], pool[1]);
  if (window.dilation_h != 1 || window.dilation_w != 1)
    value_error(op, ": dilation is not supported, leave it out");
  const WindowGeometry g = window_geometry(op, window, in_h, in_w, pool[0], pool[1]);
  expect_input_in_every_window(op, "height", g.h);
  expect_input_in_every_window(op, "width", g.w);
  return {pool[0], pool[1], g};
}

// The winner's place in the window fits a byte up to 256 places.
DType argmax_dtype(const PoolGeometry& g) {
  return g.pool_h * g.pool_w <= 256 ? DType::u8 : DType::i32;
}

Shape pooled_shape(const Shape& x, const PoolGeometry& g) {
  return {x[0], g.window.h.output, g.window.w.output, x[3]};
}

reference::PoolShape pool_shape(std::string_view op, const Attributes& attributes, const Shape& x) {
  const PoolGeometry g = pool_geometry(op, attributes, x[1], x[2]);
  const WindowAxis &h = g.window.h, &w = g.window.w;
  return {x[0],     x[1],     x[2],     x[3],     h.output, w.output,
          g.pool_h, g.pool_w, h.stride, w.stride, h.before, w.before};
}

// Checks dy (and argmax) against the attribute input_shape and returns dx's type.
TensorType infer_backward(const char* op, const Call& call, PoolGeometry* geometry) {
  expect_floating(op, call, 0, "dy");
  expect_rank(op, call, 0, "dy", 4);
  const std::vector<std::int64_t> sizes = call.attributes.integers("input_shape", {});
  if (sizes.size() != 4)
    value_error(op, ": input_shape must be four sizes (batch, height, width, channels), got ",
                sizes.size());
  TensorType dx = call.input(0);
  dx.shape = Shape(sizes);
  if (dx.shape[0] == kSymbolic) dx.shape[0] = call.input(0).shape[0];
  *geometry = pool_geometry(op, call.attributes, dx.shape[1], dx.shape[2]);
  const Shape expected = pooled_shape(dx.shape, *geometry);
  const Shape& dy = call.input(0).shape;
  for (int a = 0; a < 4; ++a)
    if (!sizes_agree(expected[a], dy[a]))
      value_error(op, ": input_shape ", dx.shape, " pools to ", expected, ", got dy ", dy);
  return dx;
}

Attributes backward_attributes(const GradientContext& g, const Shape& x) {
  Attributes attributes = g.node().attributes;
  attributes.set("input_shape", x.vector());
  return attributes;
}

// One comparison or addition for every place of every window.
double pool_flops(const Call& call, const TensorType& pooled) {
  const std::vector<std::int64_t> pool = call.attributes.integers("pool_size");
  return static_cast<double>(pooled.shape.numel()) * static_cast<double>(pool[0] * pool[1]);
}

// ---- how the fast kernels divide their work ----------------------------------------------------

PoolSizes kernel_sizes(const reference::PoolShape& s) {
  return {s.h, s.w, s.c, s.oh, s.ow, s.window_h, s.window_w, s.stride_h, s.stride_w, s.top, s.left};
}

// Of an x that caches close to a core do not hold, unless it was made just now.
PoolSizes input_sizes(PoolSizes sizes, std::int64_t images, const Run& run) {
  constexpr std::int64_t kClose = 1 << 20;  // floats
  sizes.distant = !run.warm && images * sizes.h * sizes.w * sizes.c > kClose;
  return sizes;
}

// Of a gradient that all threads make `rows` of at a time, of a chain only a part each.
PoolSizes gradient_sizes(PoolSizes sizes, std::int64_t rows, int threads) {
  sizes.uncached = rows * sizes.w * sizes.c * threads > kCachedFloats;
  return sizes;
}

// A step over the rows (images times height) of the tensor that is written. Whole images if there
// are enough, so that no barrier stands between neighbours; `place_visits` says how much work it
// is: 2 us are some 8,000 vectors of 16.
template <class F>
void add_row_step(const Problem& p, StepBuilder& steps, const char* name, std::int64_t images,
                  std::int64_t height, double place_visits, F f) {
  const bool by_image = images >= 2 * p.threads || p.threads == 1;
  const double single = 8e3 * p.kernels.vector_floats / 4;
  const Split split = by_image ? Split::rows : place_visits < single ? Split::single : Split::free;
  steps.step({name, split, images, by_image}, [=](const Run& run, int thread, int threads) {
    if (split == Split::single) {
      if (thread == 0) f(run, 0, images * height);
    } else if (split == Split::rows) {
      const Range r = share(images, thread, threads);
      f(run, r.begin * height, r.end * height);
    } else {
      const Range r = share(images * height, thread, threads);
      f(run, r.begin, r.end);
    }
  });
}

double visits(const reference::PoolShape& s) {
  return static_cast<double>(s.n * s.oh * s.ow) * static_cast<double>(s.c * s.window_h) *
         static_cast<double>(s.window_w);
}

template <class F>
void for_places(DType dtype, F f) {
  if (dtype == DType::u8)
    f(std::uint8_t{});
  else
    f(std::int32_t{});
}

// ---- max_pool2d --------------------------------------------------------------------------------

void build_reference_max(const Problem& p, StepBuilder& steps) {
  const auto s = pool_shape("max_pool2d", p.attributes, p.input(0).shape);
  const Slot x = steps.input(0), y = steps.output(0);
  const Slot argmax = steps.output_used(1) ? steps.output(1) : Slot{};
  for_floating(p.input(0).dtype, [&](auto zero) {
    for_places(p.output(1).dtype, [&](auto place) {
      using T = decltype(zero);
      using Place = decltype(place);
      steps.step({"reference"}, [=](const Run& run, int thread, int) {
        if (thread == 0)
          reference::max_pool2d(run.ptr<const T>(x), run.ptr<T>(y), run.ptr<Place>(argmax), s);
      });
    });
  });
}

void build_max(const Problem& p, StepBuilder& steps) {
  const auto s = pool_shape("max_pool2d", p.attributes, p.input(0).shape);
  const PoolSizes sizes = kernel_sizes(s);
  const PoolKernels& kernels = p.kernels.pool;
  const bool bytes = p.output(1).dtype == DType::u8;
  const Slot x = steps.input(0);
  const Slot y = steps.output_used(0) ? steps.output(0) : Slot{};
  const Slot argmax = steps.output_used(1) ? steps.output(1) : Slot{};
  add_row_step(p, steps, "max rows", s.n, s.oh, visits(s),
               [=, &kernels](const Run& run, std::int64_t row, std::int64_t end) {
                 const PoolSizes part = input_sizes(sizes, s.n, run);
                 if (bytes)
                   kernels.max(part, run.ptr<const float>(x), run.ptr<float>(y),
                               run.ptr<std::uint8_t>(argmax), row, end);
                 else
                   kernels.max_int32(part, run.ptr<const float>(x), run.ptr<float>(y),
                                     run.ptr<std::int32_t>(argmax), row, end);
               });
}

const FunctionImplementation kMax{"vector", declines_unless_f32, build_max};
const FunctionImplementation kReferenceMax{"reference", nullptr, build_reference_max};
constexpr std::array<const Implementation*, 2> kMaxImplementations{&kMax, &kReferenceMax};

class MaxPool2d final : public Op {
 public:
  std::string_view name() const override { return "max_pool2d"; }
  std::string_view group() const override { return "POOL"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs("max_pool2d", call, 1, 1);
    expect_floating("max_pool2d", call, 0, "x");
    expect_rank("max_pool2d", call, 0, "x", 4);
    TensorType y = call.input(0);
    const PoolGeometry g = pool_geometry("max_pool2d", call.attributes, y.shape[1], y.shape[2]);
    y.shape = pooled_shape(y.shape, g);
    TensorType argmax = y;
    argmax.dtype = argmax_dtype(g);
    return {y, argmax};
  }

  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue || !g.wants(0)) return;
    const Attributes attributes = backward_attributes(g, g.type(g.input(0)).shape);
    g.give(0, g.add("max_pool2d_backward", {g.output_gradient(0), g.output(1)}, attributes)[0]);
  }

  std::span<const Implementation* const> implementations() const override {
    return kMaxImplementations;
  }
  double flops(const Call& call, std::span<const TensorType> outputs) const override {
    return pool_flops(call, outputs[0]);
  }
};

// ---- max_pool2d_backward -----------------------------------------------------------------------

void build_reference_max_backward(const Problem& p, StepBuilder& steps) {
  const auto s = pool_shape("max_pool2d_backward", p.attributes, p.output().shape);
  const Slot dy = steps.input(0), argmax = steps.input(1), dx = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    for_places(p.input(1).dtype, [&](auto place) {
      using T = decltype(zero);
      using Place = decltype(place);
      steps.step({"reference"}, [=](const Run& run, int thread, int) {
        if (thread == 0)
          reference::max_pool2d_backward(run.ptr<const T>(dy), run.ptr<const Place>(argmax),
                                         run.ptr<T>(dx), s);
      });
    });
  });
}

void build_max_backward(const Problem& p, StepBuilder& steps) {
  const auto s = pool_shape("max_pool2d_backward", p.attributes, p.output().shape);
  const PoolSizes sizes = kernel_sizes(s);
  const PoolKernels& kernels = p.kernels.pool;
  const bool bytes = p.input(1).dtype == DType::u8;
  const Slot dy = steps.input(0), argmax = steps.input(1), dx = steps.output();
  const int threads = p.threads;
  add_row_step(p, steps, "max rows", s.n, s.h, visits(s),
               [=, &kernels](const Run& run, std::int64_t row, std::int64_t end) {
                 const PoolSizes part = gradient_sizes(sizes, end - row, threads);
                 if (bytes)
                   kernels.max_backward(part, run.ptr<const float>(dy),
                                        run.ptr<const std::uint8_t>(argmax), run.ptr<float>(dx),
                                        row, end);
                 else
                   kernels.max_backward_int32(part, run.ptr<const float>(dy),
                                              run.ptr<const std::int32_t>(argmax),
                                              run.ptr<float>(dx), row, end);
               });
}

const FunctionImplementation kMaxBackward{"vector", declines_unless_f32, build_max_backward};
const FunctionImplementation kReferenceMaxBackward{"reference", nullptr,
                                                   build_reference_max_backward};
constexpr std::array<const Implementation*, 2> kMaxBackwardImplementations{&kMaxBackward,
                                                                           &kReferenceMaxBackward};

class MaxPool2dBackward final : public Op {
 public:
  std::string_view name() const override { return "max_pool2d_backward"; }
  std::string_view group() const override { return "POOL"; }

  std::vector<TensorType> infer(const Call& call) const override {
    const char* op = "max_pool2d_backward";
    expect_inputs(op, call, 2, 2);
    PoolGeometry g;
    const TensorType dx = infer_backward(op, call, &g);
    const TensorType& argmax = call.input(1);
    if (argmax.dtype != argmax_dtype(g))
      type_error(op, ": argmax must be ", name_of(argmax_dtype(g)), " for a window of ", g.pool_h,
                 " x ", g.pool_w, ", got ", argmax.str(), "; pass max_pool2d's second output");
    expect_rank(op, call, 1, "argmax", 4);
    for (int a = 0; a < 4; ++a)
      if (!sizes_agree(argmax.shape[a], call.input(0).shape[a]))
        value_error(op, ": argmax must have dy's shape ", call.input(0).shape, ", got ",
                    argmax.shape);
    return {dx};
  }

  std::span<const Implementation* const> implementations() const override {
    return kMaxBackwardImplementations;
  }
  // One place of each window has its gradient.
  double filled_share(const Call& call, std::span<const TensorType> outputs,
                      std::span<const double> inputs) const override {
    const auto places = static_cast<double>(std::max<std::int64_t>(1, outputs[0].shape.numel()));
    return std::min(1.0, inputs[0] * static_cast<double>(call.input(0).shape.numel()) / places);
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return pool_flops(call, call.input(0));
  }
};

// ---- avg_pool2d --------------------------------------------------------------------------------

void build_reference_avg(const Problem& p, StepBuilder& steps) {
  const auto s = pool_shape("avg_pool2d", p.attributes, p.input(0).shape);
  const Slot x = steps.input(0), y = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread == 0) reference::avg_pool2d(run.ptr<const T>(x), run.ptr<T>(y), s);
    });
  });
}

void build_avg(const Problem& p, StepBuilder& steps) {
  const auto s = pool_shape("avg_pool2d", p.attributes, p.input(0).shape);
  const PoolSizes sizes = kernel_sizes(s);
  const PoolKernels& kernels = p.kernels.pool;
  const Slot x = steps.input(0), y = steps.output();
  add_row_step(p, steps, "average rows", s.n, s.oh, visits(s),
               [=, &kernels](const Run& run, std::int64_t row, std::int64_t end) {
                 kernels.average(input_sizes(sizes, s.n, run), run.ptr<const float>(x),
                                 run.ptr<float>(y), row, end);
               });
}

const FunctionImplementation kAvg{"vector", declines_unless_f32, build_avg};
const FunctionImplementation kReferenceAvg{"reference", nullptr, build_reference_avg};
constexpr std::array<const Implementation*, 2> kAvgImplementations{&kAvg, &kReferenceAvg};

class AvgPool2d final : public Op {
 public:
  std::string_view name() const override { return "avg_pool2d"; }
  std::string_view group() const override { return "POOL"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs("avg_pool2d", call, 1, 1);
    expect_floating("avg_pool2d", call, 0, "x");
    expect_rank("avg_pool2d", call, 0, "x", 4);
    TensorType y = call.input(0);
    y.shape =
        pooled_shape(y.shape, pool_geometry("avg_pool2d", call.attributes, y.shape[1], y.shape[2]));
    return {y};
  }

  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue || !g.wants(0)) return;
    const Attributes attributes = backward_attributes(g, g.type(g.input(0)).shape);
    g.give(0, g.add("avg_pool2d_backward", {g.output_gradient(0)}, attributes)[0]);
  }

  std::span<const Implementation* const> implementations() const override {
    return kAvgImplementations;
  }
  double flops(const Call& call, std::span<const TensorType> outputs) const override {
    return pool_flops(call, outputs[0]);
  }
};

// ---- avg_pool2d_backward -----------------------------------------------------------------------

void build_reference_avg_backward(const Problem& p, StepBuilder& steps) {
  const auto s = pool_shape("avg_pool2d_backward", p.attributes, p.output().shape);
  const Slot dy = steps.input(0), dx = steps.output();
  for_floating(p.input(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    steps.step({"reference"}, [=](const Run& run, int thread, int) {
      if (thread == 0) reference::avg_pool2d_backward(run.ptr<const T>(dy), run.ptr<T>(dx), s);
    });
  });
}

void build_avg_backward(const Problem& p, StepBuilder& steps) {
  const auto s = pool_shape("avg_pool2d_backward", p.attributes, p.output().shape);
  const PoolSizes sizes = kernel_sizes(s);
  const PoolKernels& kernels = p.kernels.pool;
  const Slot dy = steps.input(0), dx = steps.output();
  const int threads = p.threads;
  add_row_step(p, steps, "average rows", s.n, s.h, visits(s),
               [=, &kernels](const Run& run, std::int64_t row, std::int64_t end) {
                 kernels.average_backward(gradient_sizes(sizes, end - row, threads),
                                          run.ptr<const float>(dy), run.ptr<float>(dx), row, end);
               });
}

const FunctionImplementation kAvgBackward{"vector", declines_unless_f32, build_avg_backward};
const FunctionImplementation kReferenceAvgBackward{"reference", nullptr,
                                                   build_reference_avg_backward};
constexpr std::array<const Implementation*, 2> kAvgBackwardImplementations{&kAvgBackward,
                                                                           &kReferenceAvgBackward};

class AvgPool2dBackward final : public Op {
 public:
  std::string_view name() const override { return "avg_pool2d_backward"; }
  std::string_view group() const override { return "POOL"; }

  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs("avg_pool2d_backward", call, 1, 1);
    PoolGeometry g;
    return {infer_backward("avg_pool2d_backward", call, &g)};
  }

  // The adjoint of a linear op's adjoint is the op.
  void gradient(GradientContext& g) const override {
    if (g.output_gradient(0) == kNoValue || !g.wants(0)) return;
    Attributes attributes = g.node().attributes;
    attributes.erase("input_shape");
    g.give(0, g.add("avg_pool2d", {g.output_gradient(0)}, attributes)[0]);
  }

  std::span<const Implementation* const> implementations() const override {
    return kAvgBackwardImplementations;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    return pool_flops(call, call.input(0));
  }
};

}  // namespace

void add_pooling_ops(OpList& ops) {
  ops.push_back(std::make_unique<MaxPool2d>());
  ops.push_back(std::make_unique<MaxPool2dBackward>());
  ops.push_back(std::make_unique<AvgPool2d>());
  ops.push_back(std::make_unique<AvgPool2dBackward>());
}

}  // namespace cnnfast
