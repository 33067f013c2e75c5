#include "kernels/norm_table.h"

#include "cnnfast/error.h"

namespace cnnfast {

namespace baseline {
void fill_norm(NormKernels&);
}
#ifdef CNNFAST_X86
namespace avx2 {
void fill_norm(NormKernels&);
}
namespace avx512 {
void fill_norm(NormKernels&);
}
#endif

namespace {

using Fill = void (*)(NormKernels&);
NormKernels filled(Fill fill) {
  NormKernels table{};
  fill(table);
  return table;
}

}  // namespace

// Each table is filled when it is asked for: fill_norm is compiled with its ISA's instructions too.
const NormKernels& norm_kernels(Isa isa) {
  switch (isa) {
    case Isa::baseline: {
      static const NormKernels table = filled(baseline::fill_norm);
      return table;
    }
#ifdef CNNFAST_X86
    case Isa::avx2: {
      static const NormKernels table = filled(avx2::fill_norm);
      return table;
    }
    case Isa::avx512: {
      static const NormKernels table = filled(avx512::fill_norm);
      return table;
    }
#endif
    default:
      value_error("kernels: ISA '", name_of(isa), "' is not compiled in");
  }
}

}  // namespace cnnfast
