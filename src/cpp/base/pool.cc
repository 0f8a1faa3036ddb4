// SPDX-License-Identifier: Apache-2.0
// Protocol: the caller publishes a job and works on it itself; a worker that is awake joins while the job is open;
// when the tasks are taken the caller closes the job and waits only for those that joined. A late sleeper costs nothing.
// Thread i begins with the i-th part of the tasks and then takes what others have left of theirs: jobs of one length,
// one after the other, find what they work on in the caches of the same cores.
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace pygbt {
namespace {

using Body = std::function<void(std::int64_t, int)>;

constexpr int kMaxThreads = 1024;  // fits the fields of Pool::state_
// Outlasts the serial steps between the jobs of a small tree: to wake a sleeping thread costs more than most such jobs.
constexpr auto kSpin = std::chrono::microseconds(200);

thread_local bool inside_job = false;  // this thread runs a task: a nested job runs on it alone

struct InsideJob {
  InsideJob() { inside_job = true; }
  ~InsideJob() { inside_job = false; }
};

void pause_cpu() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits awake until ready() or for kSpin; returns ready().
template <class Ready>
bool spin_until(Ready ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

// A new thread inherits the mask: signals sent to the process are for the threads of the caller's own program.
class BlockSignals {
 public:
  BlockSignals() {
    sigset_t all;
    sigfillset(&all);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

class Pool {
 public:
  bool try_acquire() { return !busy_.exchange(true, std::memory_order_acquire); }
  void release() { busy_.store(false, std::memory_order_release); }

  // Between try_acquire and release.
  void run(int n_threads, std::int64_t n_tasks, const Body& body) {
    n_threads = grow(n_threads);
    crowded_.store(n_threads > cpus_, std::memory_order_relaxed);
    body_ = &body;
    n_parts_ = n_threads;
    for (int i = 0; i < n_threads; ++i) {
      parts_[i].next.store(n_tasks * i / n_threads, std::memory_order_relaxed);
      parts_[i].end = n_tasks * (i + 1) / n_threads;
    }
    error_ = nullptr;
    open(n_threads);
    {
      const InsideJob mark;
      take_tasks(0);
    }
    close_and_wait();
    body_ = nullptr;
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  // state_ = open (1 bit), active workers, threads of the job (the caller included), number of the job (20 bits each).
  static constexpr std::uint64_t kOpen = 1;
  static constexpr int kActiveShift = 1, kLimitShift = 21, kJobShift = 41;
  static constexpr std::uint64_t kMask = (1u << 20) - 1;
  static constexpr std::uint64_t kOneActive = std::uint64_t{1} << kActiveShift;

  // Tasks [next, end) of a job, on a cache line of their own.
  struct alignas(64) Part {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;  // written while no worker is active
  };
  struct Worker {
    std::jthread thread;
    std::condition_variable wake;
    bool asleep = false;  // under mutex_
    std::uint64_t last_job = 0;  // the one it joined last; its own
  };

  static std::uint64_t field(std::uint64_t state, int shift) { return (state >> shift) & kMask; }
  static bool joinable(std::uint64_t state, int index, const Worker& worker) {
    return (state & kOpen) != 0 && static_cast<std::uint64_t>(index) < field(state, kLimitShift) &&
           field(state, kJobShift) != worker.last_job;
  }

  // Threads there are for a job of n_threads: fewer where the system gives no more.
  int grow(int n_threads) {
    const auto wanted = static_cast<std::size_t>(n_threads - 1);
    if (workers_.size() >= wanted) return n_threads;
    const BlockSignals block;
    try {
      if (!parts_) parts_ = std::make_unique<Part[]>(kMaxThreads);
      while (workers_.size() < wanted) {
        auto worker = std::make_unique<Worker>();
        Worker& made = *worker;
        const int index = static_cast<int>(workers_.size()) + 1;
        workers_.push_back(std::move(worker));
        try {
          made.thread = std::jthread([this, &made, index] { work(made, index); });
        } catch (...) {
          workers_.pop_back();
          throw;
        }
      }
    } catch (const std::system_error&) {
      // Those there are, and the caller, do the work.
    }
    return static_cast<int>(workers_.size()) + 1;
  }

  void open(int n_threads) {
    job_ = job_ % kMask + 1;  // never 0
    const std::lock_guard lock(mutex_);  // a worker checks the state under this lock before it sleeps
    state_.store(kOpen | (static_cast<std::uint64_t>(n_threads) << kLimitShift) | (job_ << kJobShift),
                 std::memory_order_release);
    for (std::size_t i = 0; i + 1 < static_cast<std::size_t>(n_threads); ++i)
      if (workers_[i]->asleep) workers_[i]->wake.notify_one();
  }

  void close_and_wait() {
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);
    const auto idle = [this] { return field(state_.load(std::memory_order_acquire), kActiveShift) == 0; };
    if (idle() || (!crowded_.load(std::memory_order_relaxed) && spin_until(idle))) return;
    std::unique_lock lock(mutex_);
    all_left_.wait(lock, idle);
  }

  // Its own part of the tasks, then what is left of those that follow.
  void take_tasks(int index) {
    try {
      for (int i = 0; i < n_parts_; ++i) {
        Part& part = parts_[(index + i) % n_parts_];
        if (part.next.load(std::memory_order_relaxed) >= part.end) continue;
        for (;;) {
          const std::int64_t task = part.next.fetch_add(1, std::memory_order_relaxed);
          if (task >= part.end) break;
          (*body_)(task, index);
        }
      }
    } catch (...) {
      for (int i = 0; i < n_parts_; ++i)  // tasks not yet begun are given up
        parts_[i].next.store(parts_[i].end, std::memory_order_relaxed);
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  void work(Worker& self, int index) {
    inside_job = true;
    for (;;) {
      std::uint64_t state = state_.load(std::memory_order_relaxed);
      if (!joinable(state, index, self)) {
        wait_for_work(self, index);
        continue;
      }
      if (!state_.compare_exchange_weak(state, state + kOneActive, std::memory_order_acquire,
                                        std::memory_order_relaxed))
        continue;
      self.last_job = field(state, kJobShift);
      take_tasks(index);
      state = state_.fetch_sub(kOneActive, std::memory_order_acq_rel) - kOneActive;
      if ((state & kOpen) == 0 && field(state, kActiveShift) == 0) {
        const std::lock_guard lock(mutex_);  // the caller is either before its check or asleep
        all_left_.notify_one();
      }
    }
  }

  void wait_for_work(Worker& self, int index) {
    const auto ready = [&] { return joinable(state_.load(std::memory_order_relaxed), index, self); };
    if (!crowded_.load(std::memory_order_relaxed) && spin_until(ready)) return;
    std::unique_lock lock(mutex_);
    self.asleep = true;
    self.wake.wait(lock, ready);
    self.asleep = false;
  }

  std::atomic<bool> busy_{false};
  std::vector<std::unique_ptr<Worker>> workers_;  // worker i is thread i + 1 of a job; changed by the holder of busy_
  const int cpus_ = available_cpus();
  std::atomic<bool> crowded_{false};  // more threads than CPUs: sleep at once instead of waiting awake

  // The job: written while no worker is active.
  const Body* body_ = nullptr;
  std::unique_ptr<Part[]> parts_;  // [n_parts_] of kMaxThreads
  int n_parts_ = 1;
  std::uint64_t job_ = 0;
  std::exception_ptr error_;  // under mutex_ while the job runs

  alignas(64) std::atomic<std::uint64_t> state_{0};
  alignas(64) std::mutex mutex_;
  std::condition_variable all_left_;
};

// Never destroyed: workers sleep until the process ends, so no thread is joined while static objects die.
std::atomic<Pool*> the_pool{nullptr};

// Pools that threads had for themselves and may have again; like the shared one never destroyed.
struct IdlePools {
  std::mutex mutex;
  std::vector<Pool*> pools;
};
std::atomic<IdlePools*> idle_pools{new IdlePools};
thread_local Pool* own_pool = nullptr;

// In a forked child the workers do not exist: forget the pools (their locks may be held) and start afresh.
void forget_pool() {
  the_pool.store(nullptr, std::memory_order_relaxed);
  idle_pools.store(new IdlePools, std::memory_order_relaxed);
  own_pool = nullptr;
  inside_job = false;
}

[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, &forget_pool);

Pool& pool() {
  if (own_pool != nullptr) return *own_pool;
  Pool* present = the_pool.load(std::memory_order_acquire);
  if (present != nullptr) return *present;
  Pool* made = new Pool;
  if (the_pool.compare_exchange_strong(present, made, std::memory_order_acq_rel)) return *made;
  delete made;  // another thread was first; this one has no workers yet
  return *present;
}

}  // namespace

OwnWorkers::OwnWorkers() {
  IdlePools& idle = *idle_pools.load();
  const std::lock_guard lock(idle.mutex);
  if (idle.pools.empty()) {
    own_pool = new Pool;
    idle.pools.reserve(idle.pools.capacity() + 1);  // giving back must not throw
  } else {
    own_pool = idle.pools.back();
    idle.pools.pop_back();
  }
}

OwnWorkers::~OwnWorkers() {
  Pool* const had = own_pool;
  own_pool = nullptr;
  if (had == nullptr) return;  // forked meanwhile
  IdlePools& idle = *idle_pools.load();
  const std::lock_guard lock(idle.mutex);
  idle.pools.push_back(had);
}

void parallel_for(int n_threads, std::int64_t n_tasks, const Body& body) {
  if (n_tasks > 1 && n_threads != 1 && !inside_job) {
    if (n_threads <= 0) n_threads = resolve_threads(n_threads);
    n_threads = static_cast<int>(std::min<std::int64_t>(std::min(n_threads, kMaxThreads), n_tasks));
    Pool& shared = pool();
    if (n_threads > 1 && shared.try_acquire()) {
      struct Release {
        Pool& held;
        ~Release() { held.release(); }
      } release{shared};
      shared.run(n_threads, n_tasks, body);
      return;
    }
  }
  for (std::int64_t task = 0; task < n_tasks; ++task) body(task, 0);
}

void parallel_ranges(int n_threads, std::int64_t n, std::int64_t grain,
                     const std::function<void(std::int64_t, std::int64_t, int)>& body) {
  if (n <= 0) return;
  if (n_threads <= 0) n_threads = resolve_threads(n_threads);
  grain = std::max<std::int64_t>(grain, 1);
  // A few chunks a thread: a thread that is held up leaves the rest to others.
  const std::int64_t chunks = n_threads == 1 ? 1 : std::clamp<std::int64_t>(n / grain, 1, std::int64_t{4} * n_threads);
  const std::int64_t size = n / chunks, longer = n % chunks;  // the first `longer` chunks have one more
  parallel_for(n_threads, chunks, [&](std::int64_t chunk, int worker) {
    const std::int64_t begin = chunk * size + std::min(chunk, longer);
    body(begin, begin + size + (chunk < longer ? 1 : 0), worker);
  });
}

}  // namespace pygbt
