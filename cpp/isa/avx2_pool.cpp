#define CNNFAST_ISA avx2
#include "kernels/pool.h"
#include "kernels/pool_backward.h"

namespace cnnfast::avx2 {

void fill_pool(PoolKernels& table) {
  table.max = max_pool<uint8_t>;
  table.max_int32 = max_pool<int32_t>;
  table.average = average_pool;
  table.max_backward = max_pool_backward<uint8_t>;
  table.max_backward_int32 = max_pool_backward<int32_t>;
  table.average_backward = average_pool_backward;
}

}  // namespace cnnfast::avx2
