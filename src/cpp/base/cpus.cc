// SPDX-License-Identifier: Apache-2.0
// How many threads a call may use: the affinity mask and the control group's quota, which containers set, and
// OMP_NUM_THREADS, which schedulers and joblib set.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "base/pool.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace pygbt {
namespace {

constexpr int kNoLimit = std::numeric_limits<int>::max();
constexpr int kMostThreads = 1024;

int affinity_cpus() {
#if defined(__linux__)
  std::vector<cpu_set_t> mask(16);  // 16,384 CPUs
  const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
  if (sched_getaffinity(0, bytes, mask.data()) == 0) return std::max(1, CPU_COUNT_S(bytes, mask.data()));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int whole_cpus(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return kNoLimit;  // -1 and "max" mean no quota
  return static_cast<int>(std::min(std::ceil(quota / period), 1e6));
}

// A small file, "" where it cannot be read. Without streams: see number() in base/error.h.
std::string content(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return {};
  char buffer[4096];
  std::string text;
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;) text.append(buffer, n);
  std::fclose(file);
  return text;
}

// cpu.max of version 2: "max 100000" or "150000 100000".
int quota_v2(const std::string& folder) {
  const std::string text = content(folder + "/cpu.max");
  char* rest = nullptr;
  const double quota = std::strtod(text.c_str(), &rest);
  if (rest == text.c_str()) return kNoLimit;
  return whole_cpus(quota, std::strtod(rest, nullptr));
}

int quota_v1(const std::string& folder) {
  const std::string quota = content(folder + "/cpu.cfs_quota_us"), period = content(folder + "/cpu.cfs_period_us");
  return whole_cpus(std::strtod(quota.c_str(), nullptr), std::strtod(period.c_str(), nullptr));
}

// The smallest quota from the process's group up to the root.
template <class Quota>
int smallest_quota(const std::string& mount, std::string group, Quota quota) {
  int least = quota(mount);
  while (group.size() > 1) {
    least = std::min(least, quota(mount + group));
    group.resize(group.find_last_of('/'));
  }
  return least;
}

int cgroup_cpus() {
  int least = kNoLimit;
  const std::string groups = content("/proc/self/cgroup");  // lines "0::/path" (v2) and "4:cpu,cpuacct:/path" (v1)
  for (std::size_t begin = 0, end = 0; begin < groups.size(); begin = end + 1) {
    end = std::min(groups.find('\n', begin), groups.size());
    const std::size_t first = groups.find(':', begin), second = groups.find(':', first + 1);
    if (first >= end || second >= end) continue;
    const std::string controllers = groups.substr(first + 1, second - first - 1);
    const std::string path = groups.substr(second + 1, end - second - 1);
    if (path.empty() || path[0] != '/') continue;
    if (controllers.empty()) {
      least = std::min(least, smallest_quota("/sys/fs/cgroup", path, quota_v2));
    } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      least = std::min(least, smallest_quota("/sys/fs/cgroup/cpu", path, quota_v1));
    }
  }
  return least;
}

int omp_limit() {
  const char* text = std::getenv("OMP_NUM_THREADS");  // "4" or, by nesting level, "4,2"
  const long value = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  return value > 0 && value < kNoLimit ? static_cast<int>(value) : kNoLimit;
}

}  // namespace

int available_cpus() {
  static const int quota = cgroup_cpus();  // read once: files, and quotas rarely change under a process
  return std::clamp(std::min(affinity_cpus(), quota), 1, kMostThreads);
}

int resolve_threads(int requested) {
  if (requested > 0) return std::min(requested, kMostThreads);
  return std::min(available_cpus(), omp_limit());
}

}  // namespace pygbt
