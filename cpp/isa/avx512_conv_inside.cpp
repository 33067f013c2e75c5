#define CNNFAST_ISA avx512
#include "kernels/conv_inside.h"
#include "kernels/vector.h"

namespace cnnfast::avx512 {

void fill_conv_inside(ConvInsideKernels& table) {
  table.forward = inside_forward;
  table.backward_input = inside_backward_input;
  table.backward_kernel = inside_backward_kernel;
}

}  // namespace cnnfast::avx512
