// How many threads this process may usefully run.
#pragma once

namespace cnnfast {

int affinity_cpus();  // CPUs this process may run on
int quota_cpus();     // cgroup v1/v2 CPU quota rounded up; 0 when there is none

}  // namespace cnnfast
