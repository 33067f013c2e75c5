// Named constants of an op: strides, padding mode, axis ... A new op needs no new binding.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace cnnfast {

using AttributeValue =
    std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>>;

class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<const std::string, AttributeValue>> values)
      : values_(values) {}

  void set(const std::string& name, AttributeValue value) { values_[name] = std::move(value); }
  bool has(const std::string& name) const { return values_.count(name) != 0; }
  void erase(const std::string& name) { values_.erase(name); }

  // Each throws ValueError when the attribute is missing (without a default) or TypeError when it
  // has another type. An integer is accepted where a real is asked for.
  bool boolean(const std::string& name) const;
  bool boolean(const std::string& name, bool otherwise) const;
  std::int64_t integer(const std::string& name) const;
  std::int64_t integer(const std::string& name, std::int64_t otherwise) const;
  double real(const std::string& name) const;
  double real(const std::string& name, double otherwise) const;
  const std::string& text(const std::string& name) const;
  std::string text(const std::string& name, const std::string& otherwise) const;
  const std::vector<std::int64_t>& integers(const std::string& name) const;
  std::vector<std::int64_t> integers(const std::string& name,
                                     const std::vector<std::int64_t>& otherwise) const;

  const std::map<std::string, AttributeValue>& all() const { return values_; }
  std::string str() const;  // "strides=(1, 1), padding=same"
  bool operator==(const Attributes& o) const { return values_ == o.values_; }

 private:
  std::map<std::string, AttributeValue> values_;
};

}  // namespace cnnfast
