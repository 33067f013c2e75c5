#include "base/cpu_limits.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "cnnfast/error.h"

#ifdef __linux__
#include <sched.h>
#endif

namespace cnnfast {

namespace {

// Quota and period in microseconds -> CPUs, rounded up; 0 when unlimited or unreadable.
int cpus_of(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return 0;
  return static_cast<int>(std::clamp(std::ceil(quota / period), 1.0, 1024.0));
}

int tighter(int a, int b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

int quota_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max") return 0;
  return cpus_of(std::atof(quota.c_str()), period);
}

int quota_v1(const std::string& folder) {
  double quota = 0, period = 0;
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
  std::ifstream period_file(folder + "/cpu.cfs_period_us");
  if (!(quota_file >> quota) || !(period_file >> period)) return 0;
  return cpus_of(quota, period);
}

// A group is limited by each of its parents too.
template <class Quota>
int tightest_up_to_root(const std::string& mount, std::string path, Quota quota) {
  int limit = 0;
  while (true) {
    limit = tighter(limit, quota(mount + path));
    const auto slash = path.find_last_of('/');
    if (path.size() <= 1 || slash == std::string::npos) return limit;
    path.erase(slash);
  }
}

}  // namespace

int affinity_cpus() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int quota_cpus() {
  // Inside a container the mount shows the container's own group as its root.
  int limit = tighter(quota_v2("/sys/fs/cgroup"), quota_v1("/sys/fs/cgroup/cpu"));
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // "0::/path" (v2) or "4:cpu,cpuacct:/path" (v1)
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = concat(",", line.substr(first + 1, second - first - 1), ",");
    const std::string path = line.substr(second + 1);
    if (controllers == ",,")
      limit = tighter(limit, tightest_up_to_root("/sys/fs/cgroup", path, quota_v2));
    else if (controllers.find(",cpu,") != std::string::npos)
      limit = tighter(limit, tightest_up_to_root("/sys/fs/cgroup/cpu", path, quota_v1));
  }
  return limit;
}

}  // namespace cnnfast
