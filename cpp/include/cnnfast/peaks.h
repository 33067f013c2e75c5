// What this machine can do at most, measured: figures of kernels are told as shares of it.
#pragma once

namespace cnnfast {

struct Peaks {
  double flops = 0;  // float32 multiplications and additions a second, of the ISA in use
  double bytes = 0;  // read and written a second, copying arrays that no cache holds
};

// On as many threads as plans use; takes about `seconds` for each figure.
Peaks measure_peaks(double seconds);

}  // namespace cnnfast
