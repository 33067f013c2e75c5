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
  table.binary_cross_entropy = binary_cross_entropy;
  table.first_largest = first_largest;
  table.in_top_k = in_top_k;
  table.sgd = sgd;
  table.adam = adam;
  table.rmsprop = rmsprop;
  table.adagrad = adagrad;
  table.ema = ema;
  table.accumulate = accumulate;
}

}  // namespace cnnfast::avx2
