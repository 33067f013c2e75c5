// Images under affine maps, and the random draws that augmentation is made of. Draws come from a
// counter (base/philox.h): an image's are a function of (seed, step, stream, its place in the
// batch) and of nothing else. Maps count as constants when gradients are taken.
#include "reference/affine.h"

#include <algorithm>

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/families.h"
#include "ops/strided_loop.h"

namespace cnnfast {

namespace {

constexpr std::int64_t kMostSide = std::int64_t{1} << 24;  // places are exact in float32

std::int64_t side(std::string_view op, const Attributes& attributes, const char* name) {
  const std::int64_t size = attributes.integer(name);
  if (size < 1 || size > kMostSide)
    value_error(op, ": ", name, " must be between 1 and 2^24, got ", size);
  return size;
}

void expect_images(std::string_view op, const Call& call, const char* what) {
  expect_rank(op, call, 0, what, 4);
  expect_floating(op, call, 0, what);
  const Shape& x = call.input(0).shape;
  for (const int axis : {1, 2, 3})
    if (x[axis] == kSymbolic)
      value_error(op, ": only the batch of ", what, " may be unknown, got shape ", x);
  if (x[1] < 1 || x[2] < 1 || x[1] > kMostSide || x[2] > kMostSide)
    value_error(op, ": ", what, " of shape ", x, " must be of 1 to 2^24 pixels in each direction");
}

// ---- affine_transform --------------------------------------------------------------------------
AffineShape affine_shape(std::string_view op, const Attributes& attributes, const Shape& x,
                         const Shape& y) {
  AffineShape s{x[1], x[2], y[1], y[2], x[3], FillMode::constant, true, 0.0};
  const std::string fill = attributes.text("fill_mode", "constant");
  if (fill == "nearest")
    s.fill = FillMode::nearest;
  else if (fill == "reflect")
    s.fill = FillMode::reflect;
  else if (fill == "wrap")
    s.fill = FillMode::wrap;
  else if (fill != "constant")
    value_error(op, ": fill_mode must be constant, nearest, reflect or wrap, got '", fill, "'");
  const std::string interpolation = attributes.text("interpolation", "bilinear");
  if (interpolation != "bilinear" && interpolation != "nearest")
    value_error(op, ": interpolation must be bilinear or nearest, got '", interpolation, "'");
  s.bilinear = interpolation == "bilinear";
  s.value = finite_attribute(op, attributes, "fill_value", 0.0);
  return s;
}

void expect_matrices(std::string_view op, const Call& call) {
  expect_rank(op, call, 1, "matrices", 2);
  expect_one_dtype(op, call, 0, 1);
  const Shape &x = call.input(0).shape, &m = call.input(1).shape;
  if (m[1] != 6 || (m[0] != 1 && !sizes_agree(x[0], m[0])))
    value_error(op, ": matrices must hold six numbers for each image, (N, 6) or (1, 6), got ", m,
                " for images of shape ", x);
}

// Numbers from one image's matrix to the next.
std::int64_t matrix_stride(const Problem& p) { return p.input(1).shape[0] == 1 ? 0 : 6; }

constexpr const char* kTransform = "affine_transform";
constexpr const char* kTransformBackward = "affine_transform_backward";

void affine_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), matrices = steps.input(1), y = steps.output();
  const Shape &from = p.input(0).shape, &to = p.output().shape;
  const AffineShape s = affine_shape(kTransform, p.attributes, from, to);
  const std::int64_t count = from[0], x_size = from.product(1, 4), y_size = to.product(1, 4);
  const std::int64_t stride = matrix_stride(p);
  for_floating(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      for (std::int64_t i = 0; i < count; ++i)
        reference::affine(s, run.ptr<const T>(matrices) + i * stride,
                          run.ptr<const T>(x) + i * x_size, run.ptr<T>(y) + i * y_size);
    });
  });
}

// Nanoseconds for a pixel of a channel or two, as measured on Zen 3; they hardly overlap.
constexpr double kPixelNanoseconds = 10;

void affine_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), matrices = steps.input(1), y = steps.output();
  const Shape &from = p.input(0).shape, &to = p.output().shape;
  const AffineShape s = affine_shape(kTransform, p.attributes, from, to);
  const std::int64_t x_size = from.product(1, 4), y_size = to.product(1, 4);
  const StridedLoop loop = flat_loop(to[0] * to[1]);
  const double pixels = static_cast<double>(to.product(0, 3));
  Division division =
      divide_loop(p, loop, pixels * (kPixelNanoseconds + 0.5 * static_cast<double>(s.channels)),
                  rows_apply(to, p.inputs.first(1)));
  if (division.split == Split::free) division.grain = 1;
  const std::int64_t stride = matrix_stride(p);
  const auto kernel = p.kernels.sample.affine;
  add_divided_step(steps, "vector", loop, division,
                   [=](const Run& run, const StridedLoop&, Part part) {
                     for (std::int64_t r = part.range.begin; r < part.range.end;) {
                       const std::int64_t i = r / s.out_height;
                       const std::int64_t end = std::min(part.range.end, (i + 1) * s.out_height);
                       kernel(s, run.ptr<const float>(matrices) + i * stride,
                              run.ptr<const float>(x) + i * x_size, run.ptr<float>(y) + i * y_size,
                              r - i * s.out_height, end - i * s.out_height);
                       r = end;
                     }
                   });
}

void affine_backward_reference(const Problem& p, StepBuilder& steps) {
  const Slot dy = steps.input(0), matrices = steps.input(1), dx = steps.output();
  const Shape &from = p.input(0).shape, &to = p.output().shape;
  const AffineShape s = affine_shape(kTransformBackward, p.attributes, to, from);
  const std::int64_t count = to[0], dy_size = from.product(1, 4), dx_size = to.product(1, 4);
  const std::int64_t stride = matrix_stride(p);
  for_floating(p.output().dtype, [&]<class T>(T) {
    single_step(steps, "reference", [=](const Run& run) {
      for (std::int64_t i = 0; i < count; ++i)
        reference::affine_backward(s, run.ptr<const T>(matrices) + i * stride,
                                   run.ptr<const T>(dy) + i * dy_size,
                                   run.ptr<T>(dx) + i * dx_size);
    });
  });
}

// Pixels of one image may flow back to the same place: threads divide images only.
void affine_backward_vector(const Problem& p, StepBuilder& steps) {
  const Slot dy = steps.input(0), matrices = steps.input(1), dx = steps.output();
  const Shape &from = p.input(0).shape, &to = p.output().shape;
  const AffineShape s = affine_shape(kTransformBackward, p.attributes, to, from);
  const std::int64_t dy_size = from.product(1, 4), dx_size = to.product(1, 4);
  const StridedLoop loop = flat_loop(to[0]);
  Division division =
      divide_loop(p, loop, static_cast<double>(from.product(0, 3)) * 2 * kPixelNanoseconds,
                  rows_apply(to, p.inputs.first(1)));
  if (division.split == Split::free) division.grain = 1;
  const std::int64_t stride = matrix_stride(p);
  const auto kernel = p.kernels.sample.affine_backward;
  add_divided_step(
      steps, "vector", loop, division, [=](const Run& run, const StridedLoop&, Part part) {
        for (std::int64_t i = part.range.begin; i < part.range.end; ++i)
          kernel(s, run.ptr<const float>(matrices) + i * stride,
                 run.ptr<const float>(dy) + i * dy_size, run.ptr<float>(dx) + i * dx_size);
      });
}

const FunctionImplementation kAffineVector("vector", declines_unless_f32, affine_vector);
const FunctionImplementation kAffineReference("reference", nullptr, affine_reference);
const FunctionImplementation kAffineBackwardVector("vector", declines_unless_f32,
                                                   affine_backward_vector);
const FunctionImplementation kAffineBackwardReference("reference", nullptr,
                                                      affine_backward_reference);
const Implementation* const kAffine[] = {&kAffineVector, &kAffineReference};
const Implementation* const kAffineBackward[] = {&kAffineBackwardVector, &kAffineBackwardReference};

// (x, matrices) to y, or with `backward` (dy, matrices) to dx: height and width are the result's.
class AffineTransformOp final : public Op {
 public:
  AffineTransformOp(const char* name, const char* adjoint, bool backward)
      : name_(name), adjoint_(adjoint), backward_(backward) {}
  std::string_view name() const override { return name_; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name_, call, 2, 2);
    expect_attributes(name_, call, {"height", "width", "fill_mode", "interpolation", "fill_value"});
    expect_images(name_, call, backward_ ? "dy" : "images");
    expect_matrices(name_, call);
    TensorType y = call.input(0);
    y.shape[1] = side(name_, call.attributes, "height");
    y.shape[2] = side(name_, call.attributes, "width");
    affine_shape(name_, call.attributes, call.input(0).shape, y.shape);
    return {y};
  }
  void gradient(GradientContext& g) const override {
    if (!g.wants(0)) return;
    Attributes attributes = g.node().attributes;
    const Shape& x = g.type(g.input(0)).shape;
    attributes.set("height", x[1]);
    attributes.set("width", x[2]);
    g.give(0, g.add(adjoint_, {g.output_gradient(0), g.input(1)}, attributes)[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    return backward_ ? std::span<const Implementation* const>(kAffineBackward)
                     : std::span<const Implementation* const>(kAffine);
  }

 private:
  const char *name_, *adjoint_;
  bool backward_;
};

// ---- draws -------------------------------------------------------------------------------------
void expect_state(std::string_view op, const Call& call) {
  const TensorType& state = call.input(1);
  if (state.dtype != DType::i64 || state.shape != Shape{2})
    type_error(op, ": state must be int64 (2,), a seed and a step, got ", state.str());
  const std::int64_t stream = call.attributes.integer("stream", 0);
  if (stream < 0 || stream > 4294967295)
    value_error(op, ": stream must be between 0 and 4294967295, got ", stream);
}

// f(key, image, its row of the result) for every image, divided between threads.
template <class T, class F>
void add_draws(const Problem& p, StepBuilder& steps, const char* name, double nanoseconds, F f) {
  const Slot state = steps.input(1), y = steps.output();
  const std::int64_t stream = p.attributes.integer("stream", 0);
  const std::int64_t columns = p.output().shape[1];
  const std::int64_t rows = p.output().shape[0];
  const StridedLoop loop = flat_loop(rows);
  Division division = divide_loop(p, loop, nanoseconds, rows > 1 ? rows : 0);
  if (division.split == Split::free) division.grain = 1;
  add_divided_step(steps, name, loop, division, [=](const Run& run, const StridedLoop&, Part part) {
    const std::int64_t* seed_step = run.ptr<const std::int64_t>(state);
    const DropoutKey key = reference::dropout_key(seed_step[0], seed_step[1], stream);
    for (std::int64_t i = part.range.begin; i < part.range.end; ++i)
      f(key, i, run.ptr<T>(y) + i * columns);
  });
}

std::array<double, 2> range_attribute(std::string_view op, const Attributes& attributes,
                                      const std::string& name) {
  const std::string low = name + "_low", high = name + "_high";
  const std::array<double, 2> range = {finite_attribute(op, attributes, low.c_str(), 0.0),
                                       finite_attribute(op, attributes, high.c_str(), 0.0)};
  if (range[0] > range[1])
    value_error(op, ": ", name, " must be from a low to a high number, got ", range[0], " to ",
                range[1]);
  return range;
}

constexpr const char* kDrawAffine = "draw_affine";

reference::AffineDraw draw_of(const Attributes& a, const Shape& x) {
  reference::AffineDraw d;
  d.height = x[1];
  d.width = x[2];
  d.flip_horizontal = a.boolean("flip_horizontal", false);
  d.flip_vertical = a.boolean("flip_vertical", false);
  d.one_zoom = a.boolean("one_zoom", false);
  d.shift_y = range_attribute(kDrawAffine, a, "shift_y");
  d.shift_x = range_attribute(kDrawAffine, a, "shift_x");
  d.angle = range_attribute(kDrawAffine, a, "angle");
  d.zoom_y = range_attribute(kDrawAffine, a, "zoom_y");
  d.zoom_x = range_attribute(kDrawAffine, a, "zoom_x");
  d.crop = a.has("crop_height") || a.has("crop_width");
  if (!d.crop) return d;
  d.out_height = side(kDrawAffine, a, "crop_height");
  d.out_width = side(kDrawAffine, a, "crop_width");
  if (d.out_height > d.height || d.out_width > d.width)
    value_error(kDrawAffine, ": ", d.out_height, " x ", d.out_width,
                " pixels cannot be cut out of images of shape ", x);
  return d;
}

template <class T>
void draw_affine_steps(const Problem& p, StepBuilder& steps, const char* name) {
  const reference::AffineDraw d = draw_of(p.attributes, p.input(0).shape);
  const double cost = 300.0 * static_cast<double>(p.output().shape[0]);
  add_draws<T>(p, steps, name, cost, [=](const DropoutKey& key, std::int64_t image, T* row) {
    const std::array<double, 6> m = reference::draw_affine(d, key, image);
    for (std::size_t k = 0; k < 6; ++k) row[k] = static_cast<T>(m[k]);
  });
}

template <class T>
void draw_uniform_steps(const Problem& p, StepBuilder& steps, const char* name) {
  const std::int64_t columns = p.output().shape[1];
  const double low = p.attributes.real("low", 0.0), high = p.attributes.real("high", 1.0);
  const double cost = 10.0 * static_cast<double>(p.output().shape.numel());
  add_draws<T>(p, steps, name, cost, [=](const DropoutKey& key, std::int64_t image, T* row) {
    for (std::int64_t k = 0; k < columns; ++k)
      row[k] = static_cast<T>(
          low + static_cast<double>(reference::random_word(key, image * columns + k)) /
                    4294967296.0 * (high - low));
  });
}

template <class T>
void draw_steps(const Problem& p, StepBuilder& steps, const char* name) {
  if (p.node.op->name() == kDrawAffine)
    draw_affine_steps<T>(p, steps, name);
  else
    draw_uniform_steps<T>(p, steps, name);
}
// Both are the same loop: a number or six for an image have nothing to vectorise.
void draw_images(const Problem& p, StepBuilder& steps) { draw_steps<float>(p, steps, "images"); }
void draw_reference(const Problem& p, StepBuilder& steps) {
  for_floating(p.output().dtype, [&]<class T>(T) { draw_steps<T>(p, steps, "reference"); });
}

const FunctionImplementation kDrawImages("images", declines_unless_f32, draw_images);
const FunctionImplementation kDrawReference("reference", nullptr, draw_reference);
const Implementation* const kDraw[] = {&kDrawImages, &kDrawReference};

// (images, state) to (N, 6): a random affine map for every image.
class DrawAffineOp final : public Op {
 public:
  std::string_view name() const override { return kDrawAffine; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_attributes(
        name(), call,
        {"flip_horizontal", "flip_vertical", "one_zoom", "shift_y_low", "shift_y_high",
         "shift_x_low", "shift_x_high", "angle_low", "angle_high", "zoom_y_low", "zoom_y_high",
         "zoom_x_low", "zoom_x_high", "crop_height", "crop_width", "stream"});
    expect_images(name(), call, "images");
    expect_state(name(), call);
    draw_of(call.attributes, call.input(0).shape);
    TensorType y = call.input(0);
    y.shape = Shape{y.shape[0], 6};
    return {y};
  }
  void gradient(GradientContext&) const override {}
  std::span<const Implementation* const> implementations() const override { return kDraw; }
};

// (x, state) to (N, count): uniform in [low, high), as many numbers for every row of x.
class DrawUniformOp final : public Op {
 public:
  std::string_view name() const override { return "draw_uniform"; }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, 2, 2);
    expect_attributes(name(), call, {"count", "low", "high", "stream"});
    expect_floating(name(), call, 0, "x");
    expect_state(name(), call);
    TensorType y = call.input(0);
    if (y.shape.rank() < 1) value_error(name(), ": x must have a batch axis, got a single number");
    const std::int64_t count = call.attributes.integer("count");
    if (count < 1 || count > kMostSide)
      value_error(name(), ": count must be between 1 and 2^24, got ", count);
    const double low = finite_attribute(name(), call.attributes, "low", 0.0);
    const double high = finite_attribute(name(), call.attributes, "high", 1.0);
    if (low > high) value_error(name(), ": low must not be above high, got ", low, " and ", high);
    y.shape = Shape{y.shape[0], count};
    return {y};
  }
  void gradient(GradientContext&) const override {}
  std::span<const Implementation* const> implementations() const override { return kDraw; }
};

}  // namespace

void add_affine_ops(OpList& ops) {
  ops.push_back(std::make_unique<AffineTransformOp>(kTransform, kTransformBackward, false));
  ops.push_back(std::make_unique<AffineTransformOp>(kTransformBackward, kTransform, true));
  ops.push_back(std::make_unique<DrawAffineOp>());
  ops.push_back(std::make_unique<DrawUniformOp>());
}

}  // namespace cnnfast
