// What the other implementations decline for the size of their padded rows, still in vectors.
#include "ops/conv2d_direct.h"
#include "ops/conv2d_implementations.h"

namespace cnnfast {

namespace {

// Shares `units` among the threads when there is enough to do.
template <class Work>
void add_shared_step(StepBuilder& steps, const Conv2dShape& s, std::int64_t units, Work work) {
  const bool alone = steps.threads() == 1 || s.flops() < kSingleThreadFlops;
  steps.step({"inside", alone ? Split::single : Split::free},
             [=](const Run& run, int thread, int count) {
               if (alone && thread != 0) return;
               const Range mine = alone ? Range{0, units} : share(units, thread, count);
               work(run, mine);
             });
}

ConvPass pass_with_epilogue(const Problem& problem, const Conv2dShape& s) {
  const Epilogue epilogue = epilogue_attributes(problem.node.op->name(), problem.attributes);
  ConvPass pass = forward_pass(s);
  pass.activation = epilogue.activation;
  pass.alpha = epilogue.alpha;
  return pass;
}

void build_forward(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_forward_shape(problem);
  const ConvPass pass = pass_with_epilogue(problem, s);
  const Slot x = steps.input(0), w = steps.input(1), b = steps.input(2), y = steps.output();
  const auto kernel = problem.kernels.conv_inside.forward;
  add_shared_step(steps, s, s.n * pass.dst_h, [=](const Run& run, Range rows) {
    kernel(pass, run.ptr<const float>(x), run.ptr<const float>(w), run.ptr<const float>(b),
           run.ptr<float>(y), rows.begin, rows.end);
  });
}

void build_backward_input(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_input_shape(problem);
  const ConvPass pass = pass_with_epilogue(problem, s);
  const Slot dy = steps.input(0), w = steps.input(1), b = steps.input(2), dx = steps.output();
  const auto kernel = problem.kernels.conv_inside.backward_input;
  add_shared_step(steps, s, s.n * pass.src_h, [=](const Run& run, Range rows) {
    kernel(pass, run.ptr<const float>(dy), run.ptr<const float>(w), run.ptr<const float>(b),
           run.ptr<float>(dx), rows.begin, rows.end);
  });
}

void build_backward_kernel(const Problem& problem, StepBuilder& steps) {
  const Conv2dShape s = conv2d_backward_kernel_shape(problem);
  const ConvPass pass = forward_pass(s);
  const Slot x = steps.input(0), dy = steps.input(1), dw = steps.output(0);
  const bool bias = problem.outputs.size() == 2 && steps.output_used(1);
  const Slot db = bias ? steps.output(1) : Slot{};
  const std::int64_t images = s.n;
  const auto kernel = problem.kernels.conv_inside.backward_kernel;
  add_shared_step(steps, s, s.taps() * s.group_c() + 1, [=](const Run& run, Range units) {
    kernel(pass, run.ptr<const float>(x), run.ptr<const float>(dy), run.ptr<float>(dw),
           run.ptr<float>(db), images, units.begin, units.end);
  });
}

}  // namespace

const FunctionImplementation kConv2dInside("inside", declines_unless_f32_unpooled, build_forward);
const FunctionImplementation kConv2dBackwardInputInside("inside", declines_unless_f32,
                                                        build_backward_input);
const FunctionImplementation kConv2dBackwardKernelInside("inside", declines_unless_f32,
                                                         build_backward_kernel);

}  // namespace cnnfast
