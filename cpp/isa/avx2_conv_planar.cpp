#define CNNFAST_ISA avx2
#include "kernels/conv_planar.h"
#include "kernels/conv_planar_sum.h"
#include "kernels/vector.h"

namespace cnnfast::avx2 {

void fill_conv_planar(ConvKernels& table) {
  table.planar = conv_planar;
  table.planar_channels = kPlanarChannels;
  table.planar_scratch = planar_scratch;
  table.planar_backward_kernel = planar_backward_kernel;
  table.planar_backward_kernel_scratch = planar_backward_kernel_scratch;
}

}  // namespace cnnfast::avx2
