// SPDX-License-Identifier: Apache-2.0
// What a kernel may use, on the host: for tests where there is no GPU. The threads of a block are fibers of one thread;
// a fiber runs until it meets a barrier, in an order that is drawn anew at every barrier, so that a missing one shows.
// gpu/device.h is the same for the GPU; CMake chooses the folder.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "emulated/checks/checks.h"

#define PYGBT_KERNEL inline
#define PYGBT_UNROLL _Pragma("GCC unroll 8")  // the loop that follows: its arrays stay in registers
#define PYGBT_ROLL  // ... stays short: what runs once is fetched as it runs, from afar

namespace pygbt::device {

inline constexpr int kLanes = 32;  // threads of a warp

namespace emulator {

// Of the fiber that runs.
struct Place {
  int thread = 0;
  int n_threads = 0;
  std::int64_t block = 0;
  std::int64_t n_blocks = 0;
  void* shared = nullptr;
};
const Place& place();
void wait_for_block();
void wait_for_warp();
std::uint64_t exchange(std::uint64_t word, int lane);  // the word of that lane of the warp
std::uint32_t ballot(bool condition);

}  // namespace emulator

inline int thread() { return emulator::place().thread; }
inline int n_threads() { return emulator::place().n_threads; }
inline std::int64_t block() { return emulator::place().block; }
inline std::int64_t n_blocks() { return emulator::place().n_blocks; }

// Memory of the block, as many bytes as the launch asked for; anything may be in it.
template <class T>
T* shared() {
  return static_cast<T*>(emulator::place().shared);
}

// All threads of the block must come here.
inline void sync() { emulator::wait_for_block(); }

// The same of a warp.
inline void sync_warp() { emulator::wait_for_warp(); }

// What this thread has written, or seen written, is there for whoever sees what it writes next.
inline void publish() { checks::publish(); }

// The value of lane (own lane ^ mask) or, `up`, of lane (own lane - by), its own where there is none. All lanes of the
// warp must come here.
template <class T>
T shuffle_from(T value, int lane) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  word = emulator::exchange(word, lane);
  std::memcpy(&value, &word, sizeof value);
  return value;
}
template <class T>
T shuffle_xor(T value, int mask) {
  return shuffle_from(value, (thread() % kLanes) ^ mask);
}
template <class T>
T shuffle(T value, int lane) {
  return shuffle_from(value, lane);
}
template <class T>
T shuffle_up(T value, int by) {
  const int lane = thread() % kLanes;
  return shuffle_from(value, lane < by ? lane : lane - by);
}

// A bit a lane, that of lane 0 the lowest. All lanes of the warp must come here.
inline std::uint32_t ballot(bool condition) { return emulator::ballot(condition); }
inline std::int32_t count_bits(std::uint32_t word) { return std::popcount(word); }

// Atomic, whatever order: integers commute.
template <class T>
void add(T* at, T value) {
  const checks::Atomic atomic(at);
  *at = static_cast<T>(*at + value);
}
// The same where `at` is of the device's memory, not of a block's: the code need not ask.
inline void add_to_memory(std::int64_t* at, std::int64_t value) { add(at, value); }
// The same; returns what was there.
inline std::uint32_t fetch_add(std::uint32_t* at, std::uint32_t value) {
  const checks::Atomic atomic(at);
  const std::uint32_t before = *at;
  *at += value;
  return before;
}
inline void set_bits(std::uint32_t* at, std::uint32_t bits) {
  const checks::Atomic atomic(at);
  *at |= bits;
}
// What is there, or was: others may change it meanwhile.
template <class T>
T peek(const T* at) {
  const checks::Glance glance;
  return *at;
}
// Of a variable of the thread: one instruction, without a branch.
template <std::uint32_t kValue>
void add_if(bool condition, std::uint32_t& to) {
  if (condition) to += kValue;
}
template <class T>
void raise_to(T* at, T value) {
  const checks::Atomic atomic(at);
  *at = value > *at ? value : *at;
}
template <class T>
void lower_to(T* at, T value) {
  const checks::Atomic atomic(at);
  *at = value < *at ? value : *at;
}

}  // namespace pygbt::device
