#define CNNFAST_ISA avx512
#include "kernels/gemm_few_columns.h"

namespace cnnfast::avx512 {

void fill_gemm(GemmKernels& table) { fill(table); }

}  // namespace cnnfast::avx512
