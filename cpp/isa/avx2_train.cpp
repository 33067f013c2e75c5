#define CNNFAST_ISA avx2
#include "kernels/train_loss.h"
#include "kernels/train_softmax.h"
#include "kernels/train_update.h"

namespace cnnfast::avx2 {

void fill_train(TrainKernels& table) {
  table.softmax = softmax;
  table.log_softmax = log_softmax;
  table.softmax_backward = softmax_backward;
  table.cross_entropy = cross_entropy;
  table.cross_entropy_backward = cross_entropy_backward;
  table.first_largest = first_largest;
  table.sgd = sgd;
  table.adam = adam;
  table.accumulate = accumulate;
}

}  // namespace cnnfast::avx2
