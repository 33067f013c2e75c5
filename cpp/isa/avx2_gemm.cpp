#define CNNFAST_ISA avx2
#include "kernels/gemm_few_columns.h"

namespace cnnfast::avx2 {

void fill_gemm(GemmKernels& table) { fill(table); }

}  // namespace cnnfast::avx2
