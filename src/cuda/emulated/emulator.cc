// SPDX-License-Identifier: Apache-2.0
// Fibers: a stack and a jump buffer each, made once a thread of the host and used again by every block. A fiber that
// waits jumps to the next one that can go on. setjmp and longjmp switch without a call to the system; only the first
// entry of a fiber goes through ucontext.
#include "emulated/emulator.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "emulated/device.h"

namespace pygbt::device::emulator {

namespace {

constexpr std::size_t kStackBytes = 64 << 10;
constexpr std::size_t kGuardWords = 8;
constexpr std::uint64_t kGarbage = 0xA5A5A5A5A5A5A5A5u;

struct Barrier {
  int n_wait = 0;
  std::uint64_t round = 0;  // barriers passed
};

struct Fiber {
  jmp_buf at;
  ucontext_t entry;
  std::unique_ptr<char[]> stack;
  bool started = false;
  bool done = true;
  const Barrier* barrier = nullptr;  // it waits here until `round` has passed
  std::uint64_t round = 0;
  Place place;

  bool ready() const { return !done && (barrier == nullptr || barrier->round != round); }
};

class Emulator {
 public:
  void run_block(std::int64_t block, std::int64_t n_blocks, int n_threads, std::size_t shared_bytes,
                 const KernelObject& kernel) {
    const std::size_t words = (shared_bytes + 7) / 8;
    shared_.assign(words + kGuardWords, kGarbage);
    checks::begin_block(n_threads, {shared_.data(), shared_bytes});
    kernel_ = kernel;
    make_fibers(n_threads);
    n_threads_ = n_threads;
    block_barrier_ = {};
    warp_barriers_.assign(static_cast<std::size_t>((n_threads + kLanes - 1) / kLanes), Barrier{});
    exchange_.assign(warp_barriers_.size() * kLanes, kGarbage);
    order_.resize(static_cast<std::size_t>(n_threads));
    std::iota(order_.begin(), order_.end(), 0);
    shuffle(order_);
    at_ = 0;
    for (int i = 0; i < n_threads; ++i) {
      Fiber& fiber = fibers_[static_cast<std::size_t>(i)];
      fiber.done = false;
      fiber.barrier = nullptr;
      fiber.place = {i, n_threads, block, n_blocks, shared_.data()};
    }
    n_left_ = n_threads;
    if (_setjmp(home_) == 0) go_on();
    running_ = nullptr;
    if (n_left_ > 0) {
      fibers_.clear();  // they hang in the kernel
      throw std::logic_error("a barrier is not reached by all threads of its block or warp");
    }
    if (std::any_of(shared_.begin() + static_cast<std::ptrdiff_t>(words), shared_.end(),
                    [](std::uint64_t word) { return word != kGarbage; }))
      throw std::logic_error("a block wrote beyond its shared memory");
  }

  void wait(Barrier& barrier, int n_expected) {
    checks::pause();
    Fiber& self = *running_;
    self.barrier = &barrier;
    self.round = barrier.round;
    if (++barrier.n_wait == n_expected) {
      barrier.n_wait = 0;
      ++barrier.round;
      shuffle(order_);
    }
    if (_setjmp(self.at) == 0) go_on();
    running_->barrier = nullptr;
    tell_checks();
  }

  const Place& place() const { return running_->place; }
  void wait_for_block() { wait(block_barrier_, n_threads_); }
  void wait_for_warp() {
    const int warp = running_->place.thread / kLanes;
    wait(warp_barriers_[static_cast<std::size_t>(warp)], std::min(kLanes, n_threads_ - warp * kLanes));
  }
  // The word of another lane of the warp, once all lanes have come with theirs.
  std::uint64_t exchange(std::uint64_t word, int lane) {
    std::uint64_t* const words = put_in_exchange(word);
    const std::uint64_t other = words[lane];
    wait_for_warp();
    return other;
  }
  std::uint32_t ballot(bool condition) {
    const std::uint64_t* const words = put_in_exchange(condition);
    std::uint32_t bits = 0;
    for (int lane = 0; lane < kLanes; ++lane) bits |= static_cast<std::uint32_t>(words[lane]) << lane;
    wait_for_warp();
    return bits;
  }

  template <class T>
  void shuffle(std::vector<T>& items) {
    std::shuffle(items.begin(), items.end(), random_);
  }
  void set_seed(std::uint64_t seed) { random_.seed(seed); }

 private:
  static void enter();

  std::uint64_t* put_in_exchange(std::uint64_t word) {
    const int thread = running_->place.thread;
    exchange_[static_cast<std::size_t>(thread)] = word;
    wait_for_warp();
    return exchange_.data() + thread / kLanes * kLanes;
  }

  void tell_checks() {
    const Place& place = running_->place;
    const Barrier& warp = warp_barriers_[static_cast<std::size_t>(place.thread / kLanes)];
    checks::go_on({place.block, place.thread, block_barrier_.round, warp.round}, {running_->stack.get(), kStackBytes},
                  {&place, sizeof place});
  }

  void make_fibers(int n) {
    while (fibers_.size() < static_cast<std::size_t>(n)) {
      auto& fiber = fibers_.emplace_back();
      fiber.stack = std::make_unique<char[]>(kStackBytes);
      getcontext(&fiber.entry);
      fiber.entry.uc_stack.ss_sp = fiber.stack.get();
      fiber.entry.uc_stack.ss_size = kStackBytes;
      fiber.entry.uc_link = nullptr;
      makecontext(&fiber.entry, &Emulator::enter, 0);
    }
  }

  // Jumps to the next fiber that can go on, or home when there is none.
  [[noreturn]] void go_on() {
    for (std::size_t tries = 0; tries < order_.size(); ++tries) {
      Fiber& next = fibers_[static_cast<std::size_t>(order_[at_])];
      at_ = (at_ + 1) % order_.size();
      if (!next.ready()) continue;
      running_ = &next;
      if (next.started) _longjmp(next.at, 1);
      next.started = true;
      setcontext(&next.entry);
    }
    _longjmp(home_, 1);
  }

  void live() {
    for (;;) {
      tell_checks();
      kernel_.run(kernel_.at);
      checks::pause();
      running_->done = true;
      --n_left_;
      if (_setjmp(running_->at) == 0) go_on();
    }
  }

  std::mt19937_64 random_{20261127};
  std::deque<Fiber> fibers_;  // stay where they are: jump buffers point into them
  std::vector<int> order_;
  std::size_t at_ = 0;
  Fiber* running_ = nullptr;
  int n_threads_ = 0;
  int n_left_ = 0;
  Barrier block_barrier_;
  std::vector<Barrier> warp_barriers_;
  std::vector<std::uint64_t> exchange_;  // [warp][lane]
  std::vector<std::uint64_t> shared_;
  KernelObject kernel_{};
  jmp_buf home_;
};

thread_local Emulator the_emulator;

void Emulator::enter() { the_emulator.live(); }

}  // namespace

const Place& place() { return the_emulator.place(); }
void wait_for_block() { the_emulator.wait_for_block(); }
void wait_for_warp() { the_emulator.wait_for_warp(); }
std::uint64_t exchange(std::uint64_t word, int lane) { return the_emulator.exchange(word, lane); }
std::uint32_t ballot(bool condition) { return the_emulator.ballot(condition); }
void set_seed(std::uint64_t seed) { the_emulator.set_seed(seed); }

void run_grid(std::int64_t n_blocks, int n_threads, std::size_t shared_bytes, const KernelObject& kernel) {
  std::vector<std::int64_t> blocks(static_cast<std::size_t>(n_blocks));
  std::iota(blocks.begin(), blocks.end(), 0);
  the_emulator.shuffle(blocks);
  checks::begin_launch(kernel, n_blocks);
  for (const std::int64_t block : blocks) the_emulator.run_block(block, n_blocks, n_threads, shared_bytes, kernel);
  checks::end_launch();
}

}  // namespace pygbt::device::emulator
