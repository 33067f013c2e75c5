// The convolution as its definition has it: the oracle for the fast kernels and the last resort.
// y[n,oh,ow,k] = b[k] + sum over kh, kw, c of x[n, oh*sh - top + kh*dh, ow*sw - left + kw*dw, c]
// * w[kh,kw,c,k], x being zero outside. Readable, not fast.
#pragma once

#include "ops/conv2d_shape.h"

namespace cnnfast::reference {

// b may be null. No activation.
template <class T>
void conv2d(const Conv2dShape& s, const T* x, const T* w, const T* b, T* y);

template <class T>
void conv2d_backward_input(const Conv2dShape& s, const T* dy, const T* w, T* dx);

// db may be null.
template <class T>
void conv2d_backward_kernel(const Conv2dShape& s, const T* x, const T* dy, T* dw, T* db);

}  // namespace cnnfast::reference
