#define CNNFAST_ISA avx2
#include "kernels/vector.h"
#include "kernels/vector_math.h"
#include "kernels/winograd.h"
#include "kernels/winograd_backward_kernel.h"

namespace cnnfast::avx2 {

void fill_winograd(ConvKernels& table) {
  table.winograd = winograd;
  table.winograd_scratch = winograd_scratch;
  table.winograd_weights = winograd_weights;
  table.winograd_pack = winograd_pack;
  table.winograd_sums = winograd_sums;
  table.winograd_sums_scratch = winograd_sums_scratch;
  table.winograd_panel_floats = winograd_panel_floats;
  table.winograd_finish = winograd_finish;
}

}  // namespace cnnfast::avx2
