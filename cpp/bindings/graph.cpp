#include "cnnfast/graph.h"

#include "bindings/bindings.h"
#include "ops/op.h"

namespace cnnfast::bindings {

namespace {

AttributeValue attribute_from(const std::string& name, const py::handle& value) {
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::int_>(value)) return value.cast<std::int64_t>();
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (py::isinstance<py::tuple>(value) || py::isinstance<py::list>(value))
    return value.cast<std::vector<std::int64_t>>();
  type_error("attribute '", name, "': expected bool, int, float, str or a sequence of ints, got ",
             std::string(py::str(py::type::of(value))));
}

py::object attribute_to(const AttributeValue& value) {
  if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value))
    return py::tuple(py::cast(*list));
  return std::visit([](const auto& v) -> py::object { return py::cast(v); }, value);
}

std::vector<ValueId> add_op(Graph& graph, const std::string& name,
                            const std::vector<ValueId>& inputs, const py::dict& attributes,
                            const std::string& scope) {
  Attributes converted;
  for (const auto& [key, value] : attributes) {
    const auto text = key.cast<std::string>();
    try {
      converted.set(text, attribute_from(text, value));
    } catch (const py::cast_error&) {
      value_error(name, ": ", text, "=", std::string(py::str(value)),
                  " does not fit in 64-bit integers; use smaller numbers");
    }
  }
  return graph.add(name, inputs, converted, scope);
}

py::tuple tensor_type(const TensorType& type) {
  return py::make_tuple(shape_tuple(type.shape), std::string(name_of(type.dtype)));
}

double flops(const Graph& graph, ValueId value) {
  const Value& v = graph.value(value);
  if (v.kind != ValueKind::result) return 0;
  const Node& node = graph.node(v.producer);
  std::vector<TensorType> inputs, outputs;
  for (ValueId i : node.inputs) inputs.push_back(graph.type(i));
  for (ValueId o : node.outputs) outputs.push_back(graph.type(o));
  return node.op->is_view() ? 0 : node.op->flops(Call{node.attributes, inputs}, outputs);
}

py::object producer(const Graph& graph, ValueId value) {
  const Value& v = graph.value(value);
  if (v.kind != ValueKind::result) return py::none();
  const Node& node = graph.node(v.producer);
  py::dict attributes;
  for (const auto& [name, attribute] : node.attributes.all())
    attributes[py::str(name)] = attribute_to(attribute);
  return py::make_tuple(std::string(node.op->name()), node.inputs, attributes);
}

std::string dump(const Graph& graph) {
  std::ostringstream out;
  const auto list = [&](const std::vector<ValueId>& ids) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const Value& v = graph.value(ids[i]);
      out << (i ? ", " : "") << "%" << ids[i];
      if (!v.name.empty()) out << " '" << v.name << "'";
      out << " " << v.type.str();
    }
  };
  for (const Node& node : graph.nodes()) {
    list(node.outputs);
    out << " = " << node.op->name() << "(";
    list(node.inputs);
    out << ") {" << node.attributes.str() << "}";
    if (!node.scope.empty()) out << " in " << node.scope;
    out << "\n";
  }
  return out.str();
}

}  // namespace

void register_graph(py::module_& m) {
  py::class_<Graph>(m, "Graph")
      .def(py::init<>())
      .def(
          "input",
          [](Graph& g, const std::vector<std::int64_t>& shape, const std::string& dtype,
             const std::string& name) {
            return g.input(TensorType{Shape(shape), dtype_from_name(dtype)}, name);
          },
          py::arg("shape"), py::arg("dtype"), py::arg("name"))
      .def("variable", &Graph::variable, py::arg("variable"))
      .def(
          "constant",
          [](Graph& g, const py::array& value, const std::string& name) {
            return g.constant(type_of(value), contiguous_data(value, "constant"), name);
          },
          py::arg("value"), py::arg("name") = "")
      .def("op", &add_op, py::arg("name"), py::arg("inputs"), py::arg("attributes"),
           py::arg("scope") = "")
      .def("gradients", &Graph::gradients, py::arg("loss"), py::arg("wrt"))
      .def(
          "type_of", [](const Graph& g, ValueId v) { return tensor_type(g.type(v)); },
          py::arg("value"))
      .def("flops", &flops, py::arg("value"))
      .def("producer", &producer, py::arg("value"))
      .def("dump", &dump);
  m.def("op_names", &op_names);
}

}  // namespace cnnfast::bindings
