#define CNNFAST_ISA avx512
#include "kernels/affine.h"
#include "kernels/sparse_rows.h"

namespace cnnfast::avx512 {

void fill_sample(SampleKernels& table) {
  fill_sparse_rows(table);
  fill_affine(table);
}

}  // namespace cnnfast::avx512
