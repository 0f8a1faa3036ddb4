// SPDX-License-Identifier: Apache-2.0
// Protocol: the caller publishes a job and works on it itself; a worker that is awake joins while the job is open;
// when the tasks are taken the caller closes the job and waits only for those that joined. A late sleeper costs nothing.
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace pygbt {
namespace {

using Body = std::function<void(std::int64_t, int)>;

constexpr int kMaxThreads = 1024;  // fits the fields of Pool::state_
constexpr auto kSpin = std::chrono::microseconds(400);  // about one sleep and wake-up of a thread

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
    grow(n_threads - 1);
    crowded_.store(n_threads > cpus_, std::memory_order_relaxed);
    body_ = &body;
    n_tasks_ = n_tasks;
    error_ = nullptr;
    next_.store(0, std::memory_order_relaxed);
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
  // state_ = open (1 bit), active workers, slots taken (the caller's included), slots in all (20 bits each).
  static constexpr std::uint64_t kOpen = 1;
  static constexpr int kActiveShift = 1, kTakenShift = 21, kLimitShift = 41;
  static constexpr std::uint64_t kMask = (1u << 20) - 1;
  static constexpr std::uint64_t kOneActive = std::uint64_t{1} << kActiveShift;
  static constexpr std::uint64_t kOneTaken = std::uint64_t{1} << kTakenShift;

  static std::uint64_t field(std::uint64_t state, int shift) { return (state >> shift) & kMask; }
  static bool joinable(std::uint64_t state) {
    return (state & kOpen) != 0 && field(state, kTakenShift) < field(state, kLimitShift);
  }
  bool joinable_now() const { return joinable(state_.load(std::memory_order_relaxed)); }

  void grow(int n_workers) {
    const auto wanted = static_cast<std::size_t>(n_workers);
    if (workers_.size() >= wanted) return;
    const BlockSignals block;
    try {
      workers_.reserve(wanted);
      while (workers_.size() < wanted) workers_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // The system gives no more threads: those there are, and the caller, do the work.
    }
  }

  void open(int n_threads) {
    const auto limit = static_cast<std::uint64_t>(n_threads);
    int to_wake = 0;
    {
      const std::lock_guard lock(mutex_);  // a worker checks the state under this lock before it sleeps
      state_.store(kOpen | kOneTaken | (limit << kLimitShift), std::memory_order_release);
      const int awake = static_cast<int>(workers_.size()) - sleeping_;
      to_wake = std::min(sleeping_, n_threads - 1 - awake);
    }
    for (int i = 0; i < to_wake; ++i) work_ready_.notify_one();
  }

  void close_and_wait() {
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);
    const auto idle = [this] { return field(state_.load(std::memory_order_acquire), kActiveShift) == 0; };
    if (idle() || (!crowded_.load(std::memory_order_relaxed) && spin_until(idle))) return;
    std::unique_lock lock(mutex_);
    all_left_.wait(lock, idle);
  }

  void take_tasks(int slot) {
    try {
      for (;;) {
        const std::int64_t task = next_.fetch_add(1, std::memory_order_relaxed);
        if (task >= n_tasks_) return;
        (*body_)(task, slot);
      }
    } catch (...) {
      next_.store(n_tasks_, std::memory_order_relaxed);  // tasks not yet begun are given up
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  void work() {
    inside_job = true;
    for (;;) {
      std::uint64_t state = state_.load(std::memory_order_relaxed);
      if (!joinable(state)) {
        wait_for_work();
        continue;
      }
      if (!state_.compare_exchange_weak(state, state + kOneTaken + kOneActive, std::memory_order_acquire,
                                        std::memory_order_relaxed))
        continue;
      take_tasks(static_cast<int>(field(state, kTakenShift)));
      state = state_.fetch_sub(kOneActive, std::memory_order_acq_rel) - kOneActive;
      if ((state & kOpen) == 0 && field(state, kActiveShift) == 0) {
        const std::lock_guard lock(mutex_);  // the caller is either before its check or asleep
        all_left_.notify_one();
      }
    }
  }

  void wait_for_work() {
    const auto ready = [this] { return joinable_now(); };
    if (!crowded_.load(std::memory_order_relaxed) && spin_until(ready)) return;
    std::unique_lock lock(mutex_);
    ++sleeping_;
    work_ready_.wait(lock, ready);
    --sleeping_;
  }

  std::atomic<bool> busy_{false};
  std::vector<std::jthread> workers_;  // changed by the holder of busy_ only
  const int cpus_ = available_cpus();
  std::atomic<bool> crowded_{false};  // more threads than CPUs: sleep at once instead of waiting awake

  const Body* body_ = nullptr;  // the job: written while no worker is active
  std::int64_t n_tasks_ = 0;
  std::exception_ptr error_;  // under mutex_ while the job runs

  alignas(64) std::atomic<std::int64_t> next_{0};
  alignas(64) std::atomic<std::uint64_t> state_{0};
  alignas(64) std::mutex mutex_;
  std::condition_variable work_ready_, all_left_;
  int sleeping_ = 0;  // under mutex_
};

// Never destroyed: workers sleep until the process ends, so no thread is joined while static objects die.
std::atomic<Pool*> the_pool{nullptr};

// In a forked child the workers do not exist: forget the pool (its locks may be held) and start afresh.
void forget_pool() {
  the_pool.store(nullptr, std::memory_order_relaxed);
  inside_job = false;
}

[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, &forget_pool);

Pool& pool() {
  Pool* present = the_pool.load(std::memory_order_acquire);
  if (present != nullptr) return *present;
  Pool* made = new Pool;
  if (the_pool.compare_exchange_strong(present, made, std::memory_order_acq_rel)) return *made;
  delete made;  // another thread was first; this one has no workers yet
  return *present;
}

}  // namespace

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
