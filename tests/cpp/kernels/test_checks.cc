// SPDX-License-Identifier: Apache-2.0
// The checker of kernels finds each kind of mistake in kernels that make it, whatever order the emulator draws, and nothing
// in their right twins.
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "block.h"
#include "check.h"
#include "device.h"
#include "emulated/emulator.h"

namespace {

using namespace pygbt::device;

constexpr int kThreads = 96;

// Memory of the device; words from `n_written` on hold nothing.
template <class T>
class There {
 public:
  explicit There(std::size_t n, std::size_t n_written = 0) : values_(n) {
    checks::allocated({values_.data(), n * sizeof(T)});
    checks::written({values_.data(), n_written * sizeof(T)});
  }
  ~There() { checks::released(values_.data()); }
  There(const There&) = delete;
  There& operator=(const There&) = delete;
  T* data() { return values_.data(); }

 private:
  std::vector<T> values_;
};

// What the checker says of a launch; the same in ten orders.
template <class Kernel>
std::string verdict(std::int64_t n_blocks, std::size_t shared_bytes, const Kernel& kernel) {
  std::string all;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    emulator::set_seed(seed);
    std::string said;
    try {
      emulator::run_grid(n_blocks, kThreads, shared_bytes, emulator::kernel_object(kernel));
    } catch (const std::logic_error& error) {
      said = error.what();
    }
    if (seed > 0) CHECK(said.empty() == all.empty());
    all += said;
  }
  return all;
}
bool says(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

constexpr const char* kRead = "reads what another thread writes";
constexpr const char* kWrite = "writes what another thread reads or writes";

enum class Wait { none, warp, block };
template <Wait kWait>
void wait() {
  if (kWait == Wait::warp) sync_warp();
  if (kWait == Wait::block) sync();
}

// A thread reads what the one `by` places on wrote to shared memory.
template <Wait kWait>
struct NeighbourKernel {
  std::uint32_t* out;
  int by;

  void operator()() const {
    auto* const values = shared<std::uint32_t>();
    values[thread()] = 7;
    wait<kWait>();
    out[thread()] = values[(thread() / by * by) + (thread() + 1) % by];
  }
};

TEST(checks_find_a_read_before_the_barrier) {
  There<std::uint32_t> out(kThreads);
  const std::size_t bytes = kThreads * sizeof(std::uint32_t);
  CHECK(says(verdict(1, bytes, NeighbourKernel<Wait::none>{out.data(), kLanes}), kRead) ||
        says(verdict(1, bytes, NeighbourKernel<Wait::none>{out.data(), kLanes}), kWrite));
  CHECK(verdict(1, bytes, NeighbourKernel<Wait::warp>{out.data(), kLanes}).empty());
  CHECK(verdict(1, bytes, NeighbourKernel<Wait::block>{out.data(), kThreads}).empty());
  CHECK(!verdict(1, bytes, NeighbourKernel<Wait::warp>{out.data(), kThreads}).empty());  // of another warp
}

// Thread 0 writes again what the others have read, after a barrier or not.
template <Wait kWait>
struct ReuseKernel {
  std::uint32_t* out;

  void operator()() const {
    auto* const value = shared<std::uint32_t>();
    for (std::uint32_t step = 0; step < 3; ++step) {
      if (thread() == 0) *value = step;
      sync();
      out[block() * n_threads() + thread()] = *value;
      wait<kWait>();
    }
  }
};

TEST(checks_find_memory_that_is_used_again_too_early) {
  There<std::uint32_t> out(2 * kThreads);
  CHECK(says(verdict(2, 4, ReuseKernel<Wait::none>{out.data()}), kWrite));
  CHECK(!verdict(2, 4, ReuseKernel<Wait::warp>{out.data()}).empty());
  CHECK(verdict(2, 4, ReuseKernel<Wait::block>{out.data()}).empty());
}

template <Wait kWait, bool kAtomic>
struct CountKernel {
  std::uint32_t* out;

  void operator()() const {
    auto* const count = shared<std::uint32_t>();
    if (thread() == 0) *count = 0;
    sync();
    if (kAtomic)
      add(count, 1u);
    else
      *count += 1;
    wait<kWait>();
    out[thread()] = *count;
  }
};

TEST(checks_know_atomic_operations) {
  There<std::uint32_t> out(kThreads);
  CHECK((verdict(1, 4, CountKernel<Wait::block, true>{out.data()}).empty()));
  CHECK((says(verdict(1, 4, CountKernel<Wait::none, true>{out.data()}), kRead)));
  CHECK((!verdict(1, 4, CountKernel<Wait::block, false>{out.data()}).empty()));
}

// Each block writes a place of its own; the next one's is read, too.
template <bool kOthers>
struct BlocksKernel {
  std::uint32_t* values;  // [block]

  void operator()() const {
    if (thread() != 0) return;
    const std::int64_t other = (block() + 1) % n_blocks();
    values[block()] += kOthers ? values[other] : 1u;
  }
};

TEST(checks_find_blocks_that_do_not_wait_for_each_other) {
  There<std::uint32_t> values(4, 4);
  CHECK(verdict(4, 0, BlocksKernel<false>{values.data()}).empty());
  CHECK(!verdict(4, 0, BlocksKernel<true>{values.data()}).empty());
}

// The last block to come adds up what all have left.
enum class Arrival { right, unpublished, late };
template <Arrival kArrival>
struct LastBlockKernel {
  std::uint32_t* parts;  // [block]
  std::uint32_t* sum;
  std::uint32_t* counter;

  void operator()() const {
    if (thread() == 1) parts[block()] = 1;
    bool last = false;
    if (kArrival == Arrival::unpublished) {
      sync();
      auto* const told = shared<std::uint32_t>();
      if (thread() == 0) *told = (fetch_add(counter, 1u) + 1) % n_blocks() == 0;
      sync();
      last = *told != 0;
    } else {
      last = Arrivals{counter}.last_of(n_blocks());
    }
    if (kArrival == Arrival::late && thread() == 1) parts[block()] = 2;
    if (!last || thread() != 0) return;
    *sum = 0;
    for (std::int64_t i = 0; i < n_blocks(); ++i)
      if (kArrival != Arrival::late || i != block()) *sum += parts[i];
  }
};

TEST(checks_know_the_last_block_of_a_launch) {
  There<std::uint32_t> parts(4), sum(1), counter(1, 1);
  CHECK((verdict(4, 8, LastBlockKernel<Arrival::right>{parts.data(), sum.data(), counter.data()}).empty()));
  CHECK((says(verdict(4, 8, LastBlockKernel<Arrival::unpublished>{parts.data(), sum.data(), counter.data()}), kRead)));
  *counter.data() = 0;
  CHECK((!verdict(4, 8, LastBlockKernel<Arrival::late>{parts.data(), sum.data(), counter.data()}).empty()));
}

struct CopyKernel {
  std::uint32_t* to;
  const std::uint32_t* from;
  std::int64_t n;

  void operator()() const {
    for (std::int64_t i = first_row(); i < n; i += row_step()) to[i] = from[i];
  }
};
struct CopyBytesKernel {
  std::uint32_t* to;
  const std::uint32_t* from;

  void operator()() const {
    if (thread() == 0) std::memcpy(to, from, 6 * sizeof *to);
  }
};

TEST(checks_find_the_ends_of_memory) {
  There<std::uint32_t> from(100, 100), to(100), few(5);
  std::vector<std::uint32_t> host(100);
  CHECK(verdict(1, 0, CopyKernel{to.data(), from.data(), 100}).empty());
  CHECK(!verdict(1, 0, CopyKernel{to.data(), from.data(), 101}).empty());
  CHECK(says(verdict(1, 0, CopyKernel{host.data(), from.data(), 100}), "not the device's"));
  CHECK(says(verdict(1, 0, CopyKernel{to.data(), host.data(), 100}), "not the device's"));
  CHECK(verdict(1, 0, CopyBytesKernel{to.data(), from.data()}).empty());
  CHECK(says(verdict(1, 0, CopyBytesKernel{few.data(), from.data()}), "beyond the end"));
}

TEST(checks_find_what_was_never_written) {
  There<std::uint32_t> from(100, 50), to(100);
  CHECK(verdict(1, 0, CopyKernel{to.data(), from.data(), 50}).empty());
  checks::fetched({to.data(), 50 * sizeof(std::uint32_t)});
  CHECK_THROWS(std::logic_error, checks::fetched({to.data(), 51 * sizeof(std::uint32_t)}));
  There<std::uint32_t> half(100, 50);
  CHECK_THROWS(std::logic_error,
               emulator::run_grid(1, kThreads, 0, emulator::kernel_object(CopyKernel{to.data(), half.data(), 51})));
}

// Bytes beside each other are different places; a word must lie where words lie.
template <class T>
struct FillKernel {
  std::uint8_t* bytes;
  int first;

  void operator()() const { reinterpret_cast<T*>(bytes + first)[thread()] = 1; }
};

TEST(checks_tell_bytes_and_alignment) {
  There<std::uint64_t> words(kThreads);
  auto* const bytes = reinterpret_cast<std::uint8_t*>(words.data());
  CHECK((verdict(1, 0, FillKernel<std::uint8_t>{bytes, 3}).empty()));
  CHECK((verdict(1, 0, FillKernel<std::uint32_t>{bytes, 4}).empty()));
  CHECK((says(verdict(1, 0, FillKernel<std::uint32_t>{bytes, 2}), "do not divide")));
}

// Constants of the program and the kernel's own arguments may be read.
constexpr std::uint32_t kTable[] = {3, 1, 4, 1, 5};
struct TableKernel {
  std::uint32_t of_its_own[4];
  std::uint32_t* out;

  void operator()() const { out[thread()] = kTable[thread() % 5] + of_its_own[thread() % 4]; }
};

TEST(checks_let_constants_and_arguments_be_read) {
  There<std::uint32_t> out(kThreads);
  CHECK(verdict(1, 0, TableKernel{{1, 2, 3, 4}, out.data()}).empty());
}

}  // namespace
