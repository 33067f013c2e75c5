// The kernels of one ISA, as plain function pointers. kernels/ writes each algorithm once over
// kernels/vector.h; isa/<isa>_<family>.cpp compiles it for one ISA in its own namespace and fills
// one family struct. Kernels get raw pointers and sizes: they never thread, allocate, validate or
// throw.
#pragma once

#include "cnnfast/isa.h"
#include "kernels/conv_inside_table.h"
#include "kernels/conv_sparse_table.h"
#include "kernels/conv_table.h"
#include "kernels/elementwise_table.h"
#include "kernels/gemm_table.h"
#include "kernels/pool_table.h"
#include "kernels/sample_table.h"
#include "kernels/train_table.h"

namespace cnnfast {

struct Kernels {
  Isa isa;
  int vector_floats;               // floats in a vector: 4, 8, 16
  ConvKernels conv;                // direct, backward, Winograd
  ConvInsideKernels conv_inside;   // convolution without padded copies
  ConvSparseKernels conv_sparse;   // its gradients behind max pooling
  GemmKernels gemm;                // dense, forward and backward
  PoolKernels pool;                // max, average, backward
  ElementwiseKernels elementwise;  // unary, binary, reductions, transposes, casts, dropout
  SampleKernels sample;            // interpolation
  TrainKernels train;              // softmax, cross-entropy, optimizer updates, metrics
};

const Kernels& kernels_for(Isa isa);

}  // namespace cnnfast
