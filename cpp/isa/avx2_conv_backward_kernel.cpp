#define CNNFAST_ISA avx2
#include "kernels/conv_backward_kernel.h"
#include "kernels/conv_depthwise_backward_kernel.h"
#include "kernels/vector.h"

namespace cnnfast::avx2 {

void fill_conv_backward_kernel(ConvKernels& table) {
  table.backward_kernel = conv_backward_kernel;
  table.depthwise_backward_kernel = conv_depthwise_backward_kernel;
  table.depthwise_sums_windows = kSumsWindows;
  table.depthwise_backward_kernel_scratch = conv_depthwise_backward_kernel_scratch;
  table.backward_kernel_units = conv_backward_kernel_units;
  table.backward_kernel_scratch = conv_backward_kernel_scratch;
}

}  // namespace cnnfast::avx2
