#define CNNFAST_ISA baseline
#include "kernels/affine.h"
#include "kernels/sparse_rows.h"

namespace cnnfast::baseline {

void fill_sample(SampleKernels& table) {
  fill_sparse_rows(table);
  fill_affine(table);
}

}  // namespace cnnfast::baseline
