#define CNNFAST_ISA avx512
#include "kernels/arg_extreme.h"
#include "kernels/convert.h"
#include "kernels/dropout.h"
#include "kernels/elementwise_binary.h"
#include "kernels/elementwise_unary.h"
#include "kernels/erf.h"
#include "kernels/peak.h"
#include "kernels/prelu.h"
#include "kernels/reduce.h"
#include "kernels/transpose.h"

namespace cnnfast::avx512 {

void fill_elementwise(ElementwiseKernels& table) {
  fill_arg_extreme(table);
  fill_conversions(table.convert);
  fill_unary(table);
  fill_binary(table);
  fill_reduce(table);
  fill_transpose(table);
  fill_dropout(table);
  fill_peak(table);
  fill_prelu(table);
  fill_erf(table);
}

}  // namespace cnnfast::avx512
