#include "ops/checks.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cnnfast {

void expect_attributes(std::string_view op, const Call& call,
                       std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : call.attributes.all()) {
    (void)value;
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string all;
    for (const std::string_view each : known) all += (all.empty() ? "" : ", ") + std::string(each);
    value_error(op, ": there is no attribute '", name, "'; known: ", all.empty() ? "none" : all);
  }
}

void expect_one_dtype(std::string_view op, const Call& call, int a, int b) {
  const DType p = call.input(a).dtype, q = call.input(b).dtype;
  if (p != q)
    type_error(op, ": inputs must have one dtype, got ", name_of(p), " and ", name_of(q),
               "; convert one with cast(x, '", name_of(p), "')");
}

void expect_same_type(std::string_view op, const Call& call, int a, int b, const char* names) {
  expect_one_dtype(op, call, a, b);
  const Shape &p = call.input(a).shape, &q = call.input(b).shape;
  bool same = p.rank() == q.rank();
  for (int axis = 0; same && axis < p.rank(); ++axis) same = sizes_agree(p[axis], q[axis]);
  if (!same) value_error(op, ": ", names, " must have one shape, got ", p, " and ", q);
}

double finite_attribute(std::string_view op, const Attributes& attributes, const char* name,
                        double otherwise) {
  const double value = attributes.real(name, otherwise);
  if (!(std::abs(value) <= std::numeric_limits<float>::max()))
    value_error(op, ": ", name, " must be a finite number, got ", value);
  return value;
}

Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(rank));
  for (int back = 1; back <= rank; ++back) {
    const std::int64_t p = back <= a.rank() ? a[a.rank() - back] : 1;
    const std::int64_t q = back <= b.rank() ? b[b.rank() - back] : 1;
    if (p != q && p != 1 && q != 1 && p != kSymbolic && q != kSymbolic)
      value_error(op, ": shapes ", a, " and ", b, " do not broadcast: sizes ", p, " and ", q,
                  " on axis -", back, " differ and neither is 1");
    sizes[static_cast<std::size_t>(rank - back)] = p == 1 ? q : q == 1 ? p : std::max(p, q);
  }
  return Shape(sizes);
}

ValueId sum_to_shape(GradientContext& g, ValueId gradient, const Shape& target) {
  const Shape from = g.type(gradient).shape;
  if (from == target) return gradient;
  const int extra = from.rank() - target.rank();
  std::vector<std::int64_t> axes;
  for (int axis = 0; axis < from.rank(); ++axis)
    if (axis < extra || (target[axis - extra] == 1 && from[axis] != 1)) axes.push_back(axis);
  if (!axes.empty()) gradient = g.add("sum", {gradient}, {{"axes", axes}, {"keepdims", true}})[0];
  if (g.type(gradient).shape == target) return gradient;
  return g.add("reshape", {gradient}, {{"shape", target.vector()}})[0];
}

ValueId scalar(GradientContext& g, DType dtype, double value) {
  return g.fill(TensorType{Shape{}, dtype, MemorySpace::host}, value);
}

}  // namespace cnnfast
