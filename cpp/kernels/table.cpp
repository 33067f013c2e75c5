#include "kernels/table.h"

#include "cnnfast/error.h"

namespace cnnfast {

#define CNNFAST_DECLARE_FILLS(ISA)              \
  namespace ISA {                               \
  void fill_conv(ConvKernels&);                 \
  void fill_conv_backward_kernel(ConvKernels&); \
  void fill_winograd(ConvKernels&);             \
  void fill_conv_planar(ConvKernels&);          \
  void fill_conv_inside(ConvInsideKernels&);    \
  void fill_conv_sparse(ConvSparseKernels&);    \
  void fill_gemm(GemmKernels&);                 \
  void fill_pool(PoolKernels&);                 \
  void fill_elementwise(ElementwiseKernels&);   \
  void fill_sample(SampleKernels&);             \
  void fill_train(TrainKernels&);               \
  }

CNNFAST_DECLARE_FILLS(baseline)
#ifdef CNNFAST_X86
CNNFAST_DECLARE_FILLS(avx2)
CNNFAST_DECLARE_FILLS(avx512)
#endif

#define CNNFAST_MAKE_TABLE(ISA, LANES)          \
  [] {                                          \
    Kernels table{};                            \
    table.isa = Isa::ISA;                       \
    table.vector_floats = LANES;                \
    ISA::fill_conv(table.conv);                 \
    ISA::fill_conv_backward_kernel(table.conv); \
    ISA::fill_winograd(table.conv);             \
    ISA::fill_conv_planar(table.conv);          \
    ISA::fill_conv_inside(table.conv_inside);   \
    ISA::fill_conv_sparse(table.conv_sparse);   \
    ISA::fill_gemm(table.gemm);                 \
    ISA::fill_pool(table.pool);                 \
    ISA::fill_elementwise(table.elementwise);   \
    ISA::fill_sample(table.sample);             \
    ISA::fill_train(table.train);               \
    return table;                               \
  }()

const Kernels& kernels_for(Isa isa) {
  switch (isa) {
    case Isa::baseline: {
      static const Kernels table = CNNFAST_MAKE_TABLE(baseline, 4);
      return table;
    }
#ifdef CNNFAST_X86
    case Isa::avx2: {
      static const Kernels table = CNNFAST_MAKE_TABLE(avx2, 8);
      return table;
    }
    case Isa::avx512: {
      static const Kernels table = CNNFAST_MAKE_TABLE(avx512, 16);
      return table;
    }
#endif
    default:
      value_error("kernels: ISA '", name_of(isa), "' is not compiled in");
  }
}

}  // namespace cnnfast
