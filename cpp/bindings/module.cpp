#include "bindings/bindings.h"

PYBIND11_MODULE(_core, m) {
  namespace b = cnnfast::bindings;
  m.doc() = "The compiled core of cnnfast: graph, plan and kernels.";
  pybind11::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const cnnfast::TypeError& e) {
      PyErr_SetString(PyExc_TypeError, e.what());
    } catch (const cnnfast::ValueError& e) {
      PyErr_SetString(PyExc_ValueError, e.what());
    }
  });
  b::register_variable(m);
  b::register_graph(m);
  b::register_plan(m);
  b::register_runtime(m);
}
