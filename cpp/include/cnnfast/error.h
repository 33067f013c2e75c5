// The two errors a user of cnnfast can cause. Bindings turn them into Python's ValueError and
// TypeError. Message: op or layer, what was expected, what came, what to change.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace cnnfast {

struct ValueError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};
struct TypeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}
template <class... Parts>
[[noreturn]] void value_error(const Parts&... parts) {
  throw ValueError(concat(parts...));
}
template <class... Parts>
[[noreturn]] void type_error(const Parts&... parts) {
  throw TypeError(concat(parts...));
}

}  // namespace cnnfast
