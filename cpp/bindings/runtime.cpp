#include <algorithm>
#include <cstring>

#include "bindings/bindings.h"
#include "cnnfast/isa.h"
#include "cnnfast/peaks.h"
#include "cnnfast/threads.h"

#if defined(__APPLE__)
#include <crt_externs.h>
#elif defined(_WIN32)
#include <cstdlib>
#else
#include <unistd.h>
#endif

namespace cnnfast::bindings {

namespace {

py::dict build_info() {
  py::dict info;
#if defined(__clang__)
  info["compiler"] = concat("clang ", __clang_major__, ".", __clang_minor__);
#else
  info["compiler"] = concat("gcc ", __GNUC__, ".", __GNUC_MINOR__);
#endif
  info["threads"] = std::string(thread_backend());
#ifdef NDEBUG
  info["build"] = "release";
#else
  info["build"] = "debug";
#endif
  return info;
}

template <class T>
std::pair<std::int64_t, std::int64_t> range_of(const py::array& labels) {
  const auto* data = static_cast<const T*>(contiguous_data(labels, "label_range"));
  if (labels.size() == 0) return {0, -1};
  T low = data[0], high = data[0];
  for (py::ssize_t i = 1; i < labels.size(); ++i) {
    low = std::min(low, data[i]);
    high = std::max(high, data[i]);
  }
  return {static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)};
}

std::pair<std::int64_t, std::int64_t> label_range(const py::array& labels) {
  switch (dtype_of(labels)) {
    case DType::u8:
      return range_of<std::uint8_t>(labels);
    case DType::i32:
      return range_of<std::int32_t>(labels);
    case DType::i64:
      return range_of<std::int64_t>(labels);
    default:
      type_error("labels: expected uint8, int32 or int64, got ", name_of(dtype_of(labels)));
  }
}

// "CNNFAST_CONV=prefer:winograd\n...": every setting that the choice of implementations reads.
// Plans are looked up by it at every call, and os.environ takes microseconds to ask.
std::string environment() {
#if defined(__APPLE__)
  char** const entries = *_NSGetEnviron();
#elif defined(_WIN32)
  char** const entries = _environ;
#else
  char** const entries = environ;
#endif
  std::string found;
  for (char** entry = entries; entry != nullptr && *entry != nullptr; ++entry)
    if (std::strncmp(*entry, "CNNFAST_", 8) == 0) found.append(*entry).push_back('\n');
  return found;
}

}  // namespace

void register_runtime(py::module_& m) {
  m.def("isa", [] { return std::string(name_of(current_isa())); });
  m.def("set_isa", [](const std::string& name) { set_isa(name); }, py::arg("name"));
  m.def("supported_isas", [] {
    std::vector<std::string> names;
    for (Isa isa : supported_isas()) names.emplace_back(name_of(isa));
    return names;
  });
  m.def("threads", &threads);
  m.def("set_threads", &set_threads, py::arg("count"));
  m.def("default_threads", &default_threads);
  m.def("build_info", &build_info);
  m.def("environment", &environment);
  m.def(
      "peaks",
      [](double seconds) {
        const py::gil_scoped_release release;
        const Peaks found = measure_peaks(seconds);
        return std::pair(found.flops, found.bytes);
      },
      py::arg("seconds"));
  m.def("label_range", &label_range, py::arg("labels"));
}

}  // namespace cnnfast::bindings
