#define CNNFAST_ISA baseline
#include "kernels/conv_sparse_backward_input.h"
#include "kernels/conv_sparse_backward_kernel.h"
#include "kernels/vector.h"

namespace cnnfast::baseline {

void fill_conv_sparse(ConvSparseKernels& table) {
  table.weights = sparse_weights;
  table.pack = sparse_pack;
  table.backward_input = sparse_backward_input;
  table.backward_input_scratch = sparse_backward_input_scratch;
  table.backward_kernel = sparse_backward_kernel;
  table.backward_kernel_units = sparse_backward_kernel_units;
  table.backward_kernel_scratch = sparse_backward_kernel_scratch;
}

}  // namespace cnnfast::baseline
