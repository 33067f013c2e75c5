#define CNNFAST_ISA avx2
#include "kernels/norm_apply.h"
#include "kernels/norm_local_response.h"
#include "kernels/norm_rows.h"

namespace cnnfast::avx2 {

void fill_norm(NormKernels& table) {
  table.moments = norm_moments;
  table.apply = norm_apply;
  table.sums = norm_sums;
  table.gradient = norm_gradient;
  table.rows = norm_rows;
  table.rows_gradient = norm_rows_gradient;
  table.local_response = local_response;
  table.local_response_gradient = local_response_gradient;
  table.moving_average = norm_moving_average;
}

}  // namespace cnnfast::avx2
