// SPDX-License-Identifier: Apache-2.0
// Who touched a byte in a launch, and what must have come before what. Two accesses of which one writes are in order if one
// thread does both, a barrier of their block or warp lies between, or the other block has arrived and this one has seen it
// (block.h, Arrivals); or if both are atomic. All else is a race, whatever order the emulator happened to run them in.
#pragma once

#include <cstdint>
#include <vector>

#include "device.h"
#include "emulated/checks/checks.h"

namespace pygbt::device::checks {

// A Step in 64 bits, or nobody.
class Actor {
 public:
  constexpr Actor() = default;
  explicit Actor(const Step& step)
      : bits_(pack(static_cast<std::uint64_t>(step.block), kBlock) |
              pack(static_cast<std::uint64_t>(step.thread), kThread) | pack(step.block_round, kBlockRound) |
              pack(step.warp_round, kWarpRound)) {}
  static bool fits(const Step& step) {
    return step.block < std::int64_t{1} << kBlock.n && step.block_round >> kBlockRound.n == 0 &&
           step.warp_round >> kWarpRound.n == 0;
  }

  std::uint64_t block() const { return unpack(kBlock); }
  std::uint64_t thread() const { return unpack(kThread); }
  std::uint64_t block_round() const { return unpack(kBlockRound); }
  std::uint64_t warp_round() const { return unpack(kWarpRound); }
  bool nobody() const { return bits_ == kNobody; }
  bool same_thread(const Actor& other) const { return block() == other.block() && thread() == other.thread(); }
  bool same_warp(const Actor& other) const {
    return block() == other.block() && thread() / kLanes == other.thread() / kLanes;
  }

 private:
  struct Field {
    int shift, n;  // bits
  };
  static constexpr Field kWarpRound{0, 18}, kBlockRound{18, 16}, kThread{34, 11}, kBlock{45, 19};
  static constexpr std::uint64_t kNobody = ~std::uint64_t{0};  // no block has so many threads

  static std::uint64_t pack(std::uint64_t value, Field field) {
    return (value & ((std::uint64_t{1} << field.n) - 1)) << field.shift;
  }
  std::uint64_t unpack(Field field) const { return bits_ >> field.shift & ((std::uint64_t{1} << field.n) - 1); }

  std::uint64_t bits_ = kNobody;
};

// Blocks whose arrival a block has seen.
struct Seen {
  struct Arrival {
    Actor released, acquired;  // the threads that told it and saw it, and when
  };
  std::vector<Arrival> of_block;

  bool orders(const Actor& earlier, const Actor& now) const {
    const Arrival& arrival = of_block[earlier.block()];
    if (arrival.released.nobody()) return false;
    return (earlier.block_round() < arrival.released.block_round() || earlier.same_thread(arrival.released)) &&
           (now.block_round() > arrival.acquired.block_round() || now.same_thread(arrival.acquired));
  }
};

inline bool in_order(const Actor& earlier, const Actor& now, const Seen& seen) {
  if (earlier.block() != now.block()) return seen.orders(earlier, now);
  if (earlier.thread() == now.thread() || earlier.block_round() < now.block_round()) return true;
  return earlier.same_warp(now) && earlier.warp_round() < now.warp_round();
}

struct Access {
  Actor who;
  std::uintptr_t code = 0;
};

// The last access of a kind, and one before it by another thread: of another block or warp where there was such.
struct LastTwo {
  Access last, other;

  void add(const Access& access) {
    if (!last.who.nobody() && distance(last.who, access.who) >= distance(other.who, access.who)) other = last;
    last = access;
  }
  // One that is not in order with what happens now; null if none.
  const Access* unordered(const Actor& now, const Seen& seen) const {
    for (const Access* access : {&last, &other})
      if (!access->who.nobody() && !in_order(access->who, now, seen)) return access;
    return nullptr;
  }

 private:
  // Of threads, as far as barriers go: the farther one is in order with less.
  static int distance(const Actor& a, const Actor& now) {
    if (a.nobody() || a.same_thread(now)) return 0;
    if (a.block() != now.block()) return 4;
    if (a.block_round() < now.block_round()) return 1;
    return a.same_warp(now) ? 2 : 3;
  }
};

enum class Kind : std::uint8_t { read, write, atomic, glance };

// Of one byte, since the launch (in shared memory: the block) began.
struct Touches {
  std::uint64_t stamp = 0;  // which launch or block
  LastTwo writes, reads;
  bool atomic = false;  // the writes

  // The access that this one races with; null if none.
  const Access* touch(Kind kind, const Access& access, std::uint64_t now, const Seen& seen) {
    if (stamp != now) *this = Touches{now, {}, {}, false};
    const Access* found = nullptr;
    const bool write = kind != Kind::read && kind != Kind::glance;
    if (!(atomic && (kind == Kind::atomic || kind == Kind::glance))) found = writes.unordered(access.who, seen);
    if (found == nullptr && write) found = reads.unordered(access.who, seen);
    if (found != nullptr) return found;
    if (kind == Kind::read) reads.add(access);
    if (write) {
      if (!(atomic && kind == Kind::atomic)) writes = {};  // all of them were before this one
      writes.add(access);
      reads = {};
      atomic = kind == Kind::atomic;
    }
    return nullptr;
  }
};

}  // namespace pygbt::device::checks
