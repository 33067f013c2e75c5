#define CNNFAST_ISA avx2
#include "kernels/conv_inside.h"
#include "kernels/vector.h"

namespace cnnfast::avx2 {

void fill_conv_inside(ConvInsideKernels& table) {
  table.forward = inside_forward;
  table.backward_input = inside_backward_input;
  table.backward_kernel = inside_backward_kernel;
}

}  // namespace cnnfast::avx2
