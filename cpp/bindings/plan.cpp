#include "cnnfast/plan.h"

#include "bindings/bindings.h"
#include "plan/arena.h"

namespace cnnfast::bindings {

namespace {

using TypePair = std::pair<std::vector<std::int64_t>, std::string>;

// Pointers of one call. Small calls need no heap.
class Pointers {
 public:
  explicit Pointers(std::size_t count) : large_(count > kSmall ? count : 0) {}
  void*& operator[](std::size_t i) { return large_.empty() ? small_[i] : large_[i]; }
  void** data() { return large_.empty() ? small_ : large_.data(); }

 private:
  static constexpr std::size_t kSmall = 16;
  void* small_[kSmall] = {};
  std::vector<void*> large_;
};

bool same_shape(const py::array& array, const Shape& shape) {
  return array.ndim() == shape.rank() && std::equal(shape.begin(), shape.end(), array.shape());
}

void read_inputs(const Plan& plan, const py::sequence& inputs, Pointers& pointers,
                 std::vector<py::array>& keep) {
  const auto& types = plan.input_types();
  if (inputs.size() != types.size())
    type_error("plan: expected ", types.size(), " arrays, got ", inputs.size());
  keep.reserve(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    const py::object item = inputs[i];
    if (!py::isinstance<py::array>(item))
      type_error("plan: input ", i, " must be a numpy array, got ",
                 std::string(py::str(py::type::of(item))));
    auto array = py::reinterpret_borrow<py::array>(item);
    if (dtype_of(array) != types[i].dtype)
      type_error("plan: input ", i, " must be ", types[i].str(), ", got ", type_of(array).str());
    if (!same_shape(array, types[i].shape))
      value_error("plan: input ", i, " must be ", types[i].str(), ", got ", type_of(array).str());
    pointers[i] = const_cast<void*>(contiguous_data(array, "plan"));
    keep.push_back(std::move(array));
  }
}

py::tuple make_outputs(const Plan& plan, Pointers& pointers) {
  const auto& types = plan.output_types();
  py::tuple outputs(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    py::array array = pooled_array(types[i]);
    pointers[i] = array.mutable_data();
    outputs[i] = std::move(array);
  }
  return outputs;
}

py::tuple run(Plan& plan, const py::args& inputs) {
  Pointers in(inputs.size()), out(plan.output_types().size());
  std::vector<py::array> keep;
  read_inputs(plan, inputs, in, keep);
  py::tuple outputs = make_outputs(plan, out);
  {
    // Other Python threads go on; the arrays are held by `keep` and `outputs`.
    const py::gil_scoped_release release;
    plan.run(in.data(), out.data());
  }
  return outputs;
}

py::list reports(const std::vector<StepReport>& steps) {
  py::list list;
  for (const StepReport& step : steps) {
    py::dict entry;
    entry["op"] = step.op;
    entry["scope"] = step.scope;
    entry["implementation"] = step.implementation;
    entry["kernel"] = step.kernel;
    entry["backward"] = step.backward;
    entry["split"] = step.split;
    entry["parts"] = step.parts;
    entry["barrier"] = step.barrier;
    entry["flops"] = step.flops;
    entry["bytes"] = step.bytes;
    entry["seconds"] = step.seconds;
    entry["declined"] = step.declined;
    list.append(entry);
  }
  return list;
}

py::list profile(Plan& plan, const py::sequence& inputs, int repeats) {
  Pointers in(inputs.size()), out(plan.output_types().size());
  std::vector<py::array> keep;
  read_inputs(plan, inputs, in, keep);
  const py::tuple outputs = make_outputs(plan, out);
  std::vector<StepReport> steps;
  {
    const py::gil_scoped_release release;
    steps = plan.profile(in.data(), out.data(), repeats);
  }
  return reports(steps);
}

py::list types_list(const std::vector<TensorType>& types) {
  py::list list;
  for (const TensorType& t : types)
    list.append(py::make_tuple(shape_tuple(t.shape), std::string(name_of(t.dtype))));
  return list;
}

}  // namespace

void register_plan(py::module_& m) {
  py::class_<Arena, std::shared_ptr<Arena>>(m, "Arena")
      .def(py::init([] { return make_arena(); }))
      .def_property_readonly("nbytes", [](const Arena& arena) { return arena_bytes(arena); });
  py::class_<Plan>(m, "Plan")
      .def(
          py::init([](const Graph& graph, const std::vector<ValueId>& outputs,
                      const std::vector<TypePair>& input_types, const std::shared_ptr<Arena>& arena,
                      int threads, bool strict_math, bool deterministic) {
            std::vector<TensorType> types;
            for (const auto& [shape, dtype] : input_types)
              types.push_back({Shape(shape), dtype_from_name(dtype)});
            return std::make_unique<Plan>(graph, outputs, types,
                                          PlanOptions{threads, strict_math, deterministic}, arena);
          }),
          py::arg("graph"), py::arg("outputs"), py::arg("input_types"), py::arg("arena"),
          py::arg("threads") = 0, py::arg("strict_math") = false, py::arg("deterministic") = false)
      .def("run", &run)
      .def("explain", &Plan::explain)
      .def("steps", [](const Plan& plan) { return reports(plan.steps()); })
      .def("profile", &profile, py::arg("inputs"), py::arg("repeats") = 20)
      .def_property_readonly("input_types",
                             [](const Plan& p) { return types_list(p.input_types()); })
      .def_property_readonly("output_types",
                             [](const Plan& p) { return types_list(p.output_types()); })
      .def_property_readonly("arena_bytes", &Plan::arena_bytes)
      .def_property_readonly("persistent_bytes", &Plan::persistent_bytes)
      .def_property_readonly("flops", &Plan::flops)
      .def_property_readonly("threads", &Plan::threads);
}

}  // namespace cnnfast::bindings
