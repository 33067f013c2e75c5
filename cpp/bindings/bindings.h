// What the binding files share. Python normalises arguments and writes most messages; here dtypes
// are exact and nothing is copied implicitly.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "cnnfast/error.h"
#include "cnnfast/tensor_type.h"

namespace cnnfast::bindings {

namespace py = pybind11;

DType dtype_of(const py::array& array);  // TypeError when cnnfast has no such dtype
py::dtype numpy_dtype(DType dtype);
TensorType type_of(const py::array& array);
py::tuple shape_tuple(const Shape& shape);

// The array's bytes; TypeError/ValueError unless it is C-contiguous, aligned and of native order.
const void* contiguous_data(const py::array& array, const char* what);

// An array of this type whose memory comes from, and goes back to, a pool: a fresh 4 KiB page
// costs 1.4 to 11 us, so results the size of a feature map are worth recycling.
py::array pooled_array(const TensorType& type);

void register_variable(py::module_& m);
void register_graph(py::module_& m);
void register_plan(py::module_& m);
void register_runtime(py::module_& m);

}  // namespace cnnfast::bindings
