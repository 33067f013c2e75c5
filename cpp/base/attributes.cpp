#include "cnnfast/attributes.h"

#include "cnnfast/error.h"

namespace cnnfast {

namespace {

template <class T>
constexpr const char* kind();
template <>
constexpr const char* kind<bool>() {
  return "a bool";
}
template <>
constexpr const char* kind<std::int64_t>() {
  return "an integer";
}
template <>
constexpr const char* kind<double>() {
  return "a real number";
}
template <>
constexpr const char* kind<std::string>() {
  return "a text";
}
template <>
constexpr const char* kind<std::vector<std::int64_t>>() {
  return "a list of integers";
}

std::string describe(const AttributeValue& value) {
  struct Visitor {
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t i) const { return std::to_string(i); }
    std::string operator()(double d) const { return concat(d); }
    std::string operator()(const std::string& s) const { return s; }
    std::string operator()(const std::vector<std::int64_t>& v) const {
      std::string text = "(";
      for (std::size_t i = 0; i < v.size(); ++i) text += (i ? ", " : "") + std::to_string(v[i]);
      return text + ")";
    }
  };
  return std::visit(Visitor{}, value);
}

template <class T>
const T& get(const std::map<std::string, AttributeValue>& values, const std::string& name) {
  const auto found = values.find(name);
  if (found == values.end()) value_error("attribute '", name, "' is missing");
  const T* value = std::get_if<T>(&found->second);
  if (!value)
    type_error("attribute '", name, "' must be ", kind<T>(), ", got ", describe(found->second));
  return *value;
}

}  // namespace

bool Attributes::boolean(const std::string& name) const { return get<bool>(values_, name); }
bool Attributes::boolean(const std::string& name, bool otherwise) const {
  return has(name) ? boolean(name) : otherwise;
}
std::int64_t Attributes::integer(const std::string& name) const {
  return get<std::int64_t>(values_, name);
}
std::int64_t Attributes::integer(const std::string& name, std::int64_t otherwise) const {
  return has(name) ? integer(name) : otherwise;
}
double Attributes::real(const std::string& name) const {
  const auto found = values_.find(name);
  if (found != values_.end())
    if (const auto* integer = std::get_if<std::int64_t>(&found->second))
      return static_cast<double>(*integer);
  return get<double>(values_, name);
}
double Attributes::real(const std::string& name, double otherwise) const {
  return has(name) ? real(name) : otherwise;
}
const std::string& Attributes::text(const std::string& name) const {
  return get<std::string>(values_, name);
}
std::string Attributes::text(const std::string& name, const std::string& otherwise) const {
  return has(name) ? text(name) : otherwise;
}
const std::vector<std::int64_t>& Attributes::integers(const std::string& name) const {
  return get<std::vector<std::int64_t>>(values_, name);
}
std::vector<std::int64_t> Attributes::integers(const std::string& name,
                                               const std::vector<std::int64_t>& otherwise) const {
  return has(name) ? integers(name) : otherwise;
}

std::string Attributes::str() const {
  std::string text;
  for (const auto& [name, value] : values_)
    text += (text.empty() ? "" : ", ") + name + "=" + describe(value);
  return text;
}

}  // namespace cnnfast
