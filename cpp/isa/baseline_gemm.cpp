#define CNNFAST_ISA baseline
#include "kernels/gemm_few_columns.h"

namespace cnnfast::baseline {

void fill_gemm(GemmKernels& table) { fill(table); }

}  // namespace cnnfast::baseline
