// Local response normalisation across channels (Krizhevsky, Sutskever and Hinton, 2012, section
// 3.3): y[c] = x[c] (k + alpha * sum of x^2 over `size` channels around c)^-beta.
//
//   local_response_norm           x -> y
//   local_response_norm_backward  x, dy -> dx
//
// alpha multiplies the sum, as in the paper; torch's is divided by size first (the Python function
// does that). The window of c begins at c - size / 2, as torch's does when size is even.
#include "reference/local_response.h"

#include "kernels/norm_table.h"
#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/normalization.h"
#include "ops/strided_loop.h"

namespace cnnfast {

namespace {

struct Parameters {
  std::int64_t size;
  double alpha, beta, k;
};
Parameters parameters(const Attributes& a) {
  return {a.integer("size", 5), a.real("alpha", 1e-4), a.real("beta", 0.75), a.real("k", 1.0)};
}

std::int64_t rows_of(const Shape& x) { return x.product(0, x.rank() - 1); }

template <bool kBackward>
void build_reference(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), dy = steps.input(1), y = steps.output();
  const Shape shape = p.input(0).shape;
  const Parameters a = parameters(p.attributes);
  for_floating(p.input(0).dtype, [&]<class T>(T) {
    const reference::LocalResponse<T> problem{
        rows_of(shape),          shape[shape.rank() - 1], a.size,
        static_cast<T>(a.alpha), static_cast<T>(a.beta),  static_cast<T>(a.k)};
    single_step(steps, "reference", [=](const Run& run) {
      if constexpr (kBackward)
        reference::local_response_backward(problem, run.ptr<const T>(x), run.ptr<const T>(dy),
                                           run.ptr<T>(y));
      else
        reference::local_response(problem, run.ptr<const T>(x), run.ptr<T>(y));
    });
  });
}

template <bool kBackward>
void build_vector(const Problem& p, StepBuilder& steps) {
  const Slot x = steps.input(0), dy = steps.input(1), y = steps.output();
  const Shape& shape = p.input(0).shape;
  const std::int64_t channels = shape[shape.rank() - 1];
  const Parameters a = parameters(p.attributes);
  const Slot scratch = steps.scratch_per_thread(local_response_scratch(channels, a.size) * 4);
  const auto kernel = kBackward ? norm_kernels(p.kernels.isa).local_response_gradient
                                : norm_kernels(p.kernels.isa).local_response;
  const StridedLoop loop = flat_loop(rows_of(shape));
  // A window is size loads a vector; powers, the buffer and the rest some ten.
  const double each = 0.1 * static_cast<double>(a.size + 10) * (kBackward ? 2 : 1);
  Division division =
      divide_loop(p, loop, static_cast<double>(shape.numel()) * each, rows_apply(shape, p.inputs));
  if (division.split == Split::free) division.grain = 1;
  steps.step({"rows", division.split, division.rows}, [=](const Run& run, int thread, int threads) {
    if (division.split == Split::single && thread != 0) return;
    const Part part = thread_part(loop, division, thread, threads);
    if (part.size() <= 0) return;
    const std::int64_t at = part.range.begin * channels;
    kernel({run.ptr<const float>(x) + at, kBackward ? run.ptr<const float>(dy) + at : nullptr,
            run.ptr<float>(y) + at, part.size(), channels, a.size, static_cast<float>(a.alpha),
            static_cast<float>(a.beta), static_cast<float>(a.k),
            run.thread_ptr<float>(scratch, thread)});
  });
}

const FunctionImplementation kForward("vector", declines_unless_f32, build_vector<false>);
const FunctionImplementation kForwardReference("reference", nullptr, build_reference<false>);
const Implementation* const kForwardList[] = {&kForward, &kForwardReference};
const FunctionImplementation kBackward("vector", declines_unless_f32, build_vector<true>);
const FunctionImplementation kBackwardReference("reference", nullptr, build_reference<true>);
const Implementation* const kBackwardList[] = {&kBackward, &kBackwardReference};

class LocalResponseOp final : public Op {
 public:
  explicit LocalResponseOp(bool backward) : backward_(backward) {}

  std::string_view name() const override {
    return backward_ ? "local_response_norm_backward" : "local_response_norm";
  }
  std::vector<TensorType> infer(const Call& call) const override {
    expect_inputs(name(), call, backward_ ? 2 : 1, backward_ ? 2 : 1);
    expect_attributes(name(), call, {"size", "alpha", "beta", "k"});
    expect_floating(name(), call, 0, "x");
    const Shape& x = call.input(0).shape;
    if (x.rank() < 1) value_error(name(), ": x must have at least one axis, got a scalar");
    if (backward_) expect_same_type(name(), call, 0, 1, "x and dy");
    const std::int64_t size = call.attributes.integer("size", 5);
    // Room for a row and its margins is asked for by it.
    constexpr std::int64_t kLargest = 1 << 20;
    if (size < 1 || size > kLargest)
      value_error(name(), ": size must be between 1 and ", kLargest, ", got ", size);
    const double alpha = finite_attribute(name(), call.attributes, "alpha", 1e-4);
    finite_attribute(name(), call.attributes, "beta", 0.75);
    const double k = finite_attribute(name(), call.attributes, "k", 1.0);
    if (alpha < 0 || k <= 0)
      value_error(name(),
                  ": alpha must be at least 0 and k above 0, so that a power of "
                  "k + alpha * sum can be taken; got ",
                  alpha, " and ", k);
    return {call.input(0)};
  }
  void gradient(GradientContext& g) const override {
    if (backward_) return Op::gradient(g);
    if (g.output_gradient(0) != kNoValue && g.wants(0))
      g.give(0, g.add("local_response_norm_backward", {g.input(0), g.output_gradient(0)},
                      g.node().attributes)[0]);
  }
  std::span<const Implementation* const> implementations() const override {
    if (backward_) return kBackwardList;
    return kForwardList;
  }
  double flops(const Call& call, std::span<const TensorType>) const override {
    const double window = static_cast<double>(call.attributes.integer("size", 5));
    return (backward_ ? 2 : 1) * (window + 8) * static_cast<double>(call.input(0).shape.numel());
  }

 private:
  bool backward_;
};

}  // namespace

void add_local_response_ops(OpList& ops) {
  ops.push_back(std::make_unique<LocalResponseOp>(false));
  ops.push_back(std::make_unique<LocalResponseOp>(true));
}

}  // namespace cnnfast
