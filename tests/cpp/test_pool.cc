// SPDX-License-Identifier: Apache-2.0
// The pool: every task once, whoever runs it; errors reach the caller; nested, concurrent and forked use.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/pool.h"
#include "check.h"

using pygbt::parallel_for;
using pygbt::parallel_ranges;

#if defined(__SANITIZE_THREAD__)
constexpr bool kForkAllowed = false;  // the sanitizer forbids threads in a forked child
#else
constexpr bool kForkAllowed = true;
#endif

namespace {

// Sum of task numbers by all threads, with a plain array per worker: a shared worker number would be a data race.
std::int64_t sum_of_tasks(int n_threads, std::int64_t n_tasks) {
  std::vector<std::int64_t> sums(static_cast<std::size_t>(n_threads) * 16, 0);
  parallel_for(n_threads, n_tasks, [&](std::int64_t task, int worker) {
    CHECK(worker >= 0 && worker < n_threads);
    sums[static_cast<std::size_t>(worker) * 16] += task;
  });
  std::int64_t total = 0;
  for (const std::int64_t sum : sums) total += sum;
  return total;
}

}  // namespace

TEST(pool_runs_every_task_once) {
  for (const int n_threads : {1, 2, 3, 8}) {
    for (const std::int64_t n_tasks : {0, 1, 2, 7, 100, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(n_tasks));
      parallel_for(n_threads, n_tasks, [&](std::int64_t task, int) { runs[static_cast<std::size_t>(task)]++; });
      for (const auto& count : runs) CHECK_EQ(count.load(), 1);
      CHECK_EQ(sum_of_tasks(n_threads, n_tasks), n_tasks * (n_tasks - 1) / 2);
    }
  }
}

TEST(pool_many_small_jobs) {
  for (int job = 0; job < 3000; ++job) CHECK_EQ(sum_of_tasks(2 + job % 3, 5), 10);
}

TEST(pool_ranges_cover_once_in_chunks_of_grain) {
  for (const int n_threads : {1, 2, 8}) {
    for (const std::int64_t n : {0, 1, 9, 10, 11, 1000, 1003}) {
      std::vector<int> seen(static_cast<std::size_t>(n), 0);
      parallel_ranges(n_threads, n, 10, [&](std::int64_t begin, std::int64_t end, int) {
        CHECK(end - begin >= 10 || end - begin == n);
        for (std::int64_t i = begin; i < end; ++i) seen[static_cast<std::size_t>(i)] += 1;
      });
      for (const int count : seen) CHECK_EQ(count, 1);
    }
  }
}

TEST(pool_rethrows_the_error_of_a_task_and_stays_usable) {
  for (const int n_threads : {1, 2, 8}) {
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::string caught;
      try {
        parallel_for(n_threads, 100, [](std::int64_t task, int) {
          if (task == 37) throw std::runtime_error("task 37");
        });
      } catch (const std::runtime_error& error) {
        caught = error.what();
      }
      CHECK_EQ(caught, std::string("task 37"));
      CHECK_EQ(sum_of_tasks(n_threads, 50), 1225);
    }
  }
}

TEST(pool_nested_job_runs_on_its_task) {
  std::atomic<std::int64_t> total{0};
  parallel_for(4, 8, [&](std::int64_t, int) {
    parallel_for(4, 10, [&](std::int64_t task, int worker) {
      CHECK_EQ(worker, 0);
      total += task;
    });
  });
  CHECK_EQ(total.load(), 8 * 45);
}

TEST(pool_concurrent_callers) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([&] {
      for (int job = 0; job < 300; ++job) wrong += sum_of_tasks(3, 20) != 190;
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(pool_works_in_a_forked_child_and_its_parent) {
  if (!kForkAllowed) return;
  CHECK_EQ(sum_of_tasks(4, 100), 4950);
  for (int repeat = 0; repeat < 5; ++repeat) {
    const pid_t child = fork();
    if (child == 0) _exit(sum_of_tasks(4, 100) == 4950 && sum_of_tasks(2, 10) == 45 ? 0 : 1);
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
    CHECK_EQ(sum_of_tasks(4, 100), 4950);
  }
}

// Both tasks of a job must run at the same time to end: a caller alone would wait for ever.
TEST(pool_threads_beside_each_other_have_workers_of_their_own) {
  std::atomic<int> n_failed{0};
  const auto work = [&] {
    const pygbt::OwnWorkers own;
    for (int job = 0; job < 200; ++job) {
      std::atomic<int> here{0};
      parallel_for(2, 2, [&](std::int64_t, int) {
        ++here;
        while (here.load() < 2) std::this_thread::yield();
      });
      n_failed += here.load() != 2;
    }
  };
  for (int round = 0; round < 3; ++round) {  // workers given back serve the next
    std::thread one(work), other(work), third(work);
    one.join();
    other.join();
    third.join();
  }
  CHECK_EQ(n_failed.load(), 0);
  CHECK_EQ(sum_of_tasks(3, 100), 4950);
}

TEST(pool_thread_counts) {
  CHECK_EQ(pygbt::resolve_threads(3), 3);
  CHECK(pygbt::resolve_threads(1 << 30) <= 1024);
  CHECK(pygbt::available_cpus() >= 1);
  const char* before = getenv("OMP_NUM_THREADS");
  const std::string saved = before == nullptr ? "" : before;
  setenv("OMP_NUM_THREADS", "1,4", 1);
  CHECK_EQ(pygbt::resolve_threads(0), 1);
  CHECK_EQ(pygbt::resolve_threads(-1), 1);
  CHECK_EQ(pygbt::resolve_threads(2), 2);
  setenv("OMP_NUM_THREADS", "nonsense", 1);
  CHECK_EQ(pygbt::resolve_threads(0), pygbt::available_cpus());
  saved.empty() ? unsetenv("OMP_NUM_THREADS") : setenv("OMP_NUM_THREADS", saved.c_str(), 1);
}
