// SPDX-License-Identifier: Apache-2.0
// The engine's own threads: workers made lazily on std::jthread, no OpenMP. A job is a number of tasks; thread i begins
// with the i-th part of them and helps the others when it is done, so results must not depend on who runs what
// (integers commute, or each task owns its output). One job runs at a time; a job that finds the pool busy runs on its
// caller alone.
#pragma once

#include <cstdint>
#include <functional>

namespace pygbt {

// Threads a call uses: `requested` if > 0, else the CPUs this process may use (affinity mask, cgroup quota,
// OMP_NUM_THREADS as an upper bound).
int resolve_threads(int requested);

// CPUs the affinity mask and the cgroup quota leave to this process, at least 1.
int available_cpus();

// Calls body(task, worker) for task = 0 .. n_tasks - 1 on up to n_threads threads (the caller is worker 0).
// worker < n_threads identifies scratch space. The first exception is rethrown here after all tasks ended.
// Fork-safe: a child process starts with an empty pool.
void parallel_for(int n_threads, std::int64_t n_tasks, const std::function<void(std::int64_t task, int worker)>& body);

// Until it goes, jobs of this thread run on workers of its own instead of those that all threads share: for
// threads that train beside each other. Made and destroyed by one thread; not nested.
class OwnWorkers {
 public:
  OwnWorkers();
  ~OwnWorkers();
  OwnWorkers(const OwnWorkers&) = delete;
  OwnWorkers& operator=(const OwnWorkers&) = delete;
};

// Splits [0, n) in chunks of at least `grain` and calls body(begin, end, worker); serial when n <= grain.
void parallel_ranges(int n_threads, std::int64_t n, std::int64_t grain,
                     const std::function<void(std::int64_t begin, std::int64_t end, int worker)>& body);

}  // namespace pygbt
