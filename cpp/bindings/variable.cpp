#include "cnnfast/variable.h"

#include <cstring>

#include "bindings/bindings.h"

namespace cnnfast::bindings {

namespace {

void assign(Variable& variable, const py::array& value) {
  const TensorType given = type_of(value);
  if (given.dtype != variable.type().dtype)
    type_error("variable '", variable.name(), "': expected ", variable.type().str(), ", got ",
               given.str());
  if (given.shape != variable.type().shape)
    value_error("variable '", variable.name(), "': expected ", variable.type().str(), ", got ",
                given.str());
  const void* data = contiguous_data(value, "assign");
  if (given.bytes() > 0)
    std::memcpy(variable.data(), data, static_cast<std::size_t>(given.bytes()));
  variable.bump();
}

}  // namespace

void register_variable(py::module_& m) {
  py::class_<Variable, std::shared_ptr<Variable>>(m, "Variable")
      .def(py::init([](const std::vector<std::int64_t>& shape, const std::string& dtype,
                       const std::string& name) {
             return std::make_shared<Variable>(TensorType{Shape(shape), dtype_from_name(dtype)},
                                               name);
           }),
           py::arg("shape"), py::arg("dtype"), py::arg("name"))
      .def_property_readonly("shape", [](const Variable& v) { return shape_tuple(v.type().shape); })
      .def_property_readonly("dtype",
                             [](const Variable& v) { return std::string(name_of(v.type().dtype)); })
      .def_property_readonly("name", &Variable::name)
      .def_property_readonly("version", &Variable::version)
      .def("view",
           [](const std::shared_ptr<Variable>& v) {
             const Shape& shape = v->type().shape;
             py::array view(numpy_dtype(v->type().dtype),
                            std::vector<py::ssize_t>(shape.begin(), shape.end()), v->data(),
                            py::cast(v));
             view.attr("flags").attr("writeable") = false;
             return view;
           })
      .def("assign", &assign, py::arg("value"));
}

}  // namespace cnnfast::bindings
