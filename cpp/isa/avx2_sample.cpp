#define CNNFAST_ISA avx2
#include "kernels/affine.h"
#include "kernels/sparse_rows.h"

namespace cnnfast::avx2 {

void fill_sample(SampleKernels& table) {
  fill_sparse_rows(table);
  fill_affine(table);
}

}  // namespace cnnfast::avx2
