#define CNNFAST_ISA baseline
#include "kernels/conv_planar.h"
#include "kernels/conv_planar_sum.h"
#include "kernels/vector.h"

namespace cnnfast::baseline {

void fill_conv_planar(ConvKernels& table) {
  table.planar = conv_planar;
  table.planar_channels = kPlanarChannels;
  table.planar_scratch = planar_scratch;
  table.planar_backward_kernel = planar_backward_kernel;
  table.planar_backward_kernel_scratch = planar_backward_kernel_scratch;
}

}  // namespace cnnfast::baseline
