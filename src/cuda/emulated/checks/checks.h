// SPDX-License-Identifier: Apache-2.0
// What the emulator tells the checker of kernels (README.md, "Checked kernels"): which thread goes on, what a launch may
// touch, what has been written. In builds without the checker all of it is nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pygbt::device::emulator {

// A kernel as run_grid takes it: its members are its arguments.
struct KernelObject {
  const void* at;
  std::size_t bytes;
  const char* name;  // mangled
  void (*run)(const void*);
};

}  // namespace pygbt::device::emulator

namespace pygbt::device::checks {

// A thread of a block between two barriers: how many its block and its warp have passed.
struct Step {
  std::int64_t block;
  int thread;
  std::uint64_t block_round, warp_round;
};
struct Bytes {
  const void* begin;
  std::size_t n;
};

#ifdef PYGBT_CHECK_KERNELS

// Memory of the device. Bytes that were `allocated` hold nothing until something is written.
void allocated(Bytes memory);
void released(const void* memory);
void written(Bytes memory);
void forgotten(Bytes memory);  // nobody may read it any longer
void copied(const void* to, Bytes from);
void fetched(Bytes memory);  // throws std::logic_error if some of it was never written

void begin_launch(const emulator::KernelObject& kernel, std::int64_t n_blocks);
void begin_block(int n_threads, Bytes shared);
void end_launch();  // throws std::logic_error: what the kernel has done wrong
// This thread of the kernel goes on: `own` is its stack, `place` what the emulator keeps of it.
void go_on(const Step& step, Bytes own, Bytes place);
void pause();  // the emulator goes on

void begin_atomic(const void* at);
void end_atomic();
void begin_glance();
void end_glance();
void publish();

#else

inline void allocated(Bytes) {}
inline void released(const void*) {}
inline void written(Bytes) {}
inline void forgotten(Bytes) {}
inline void copied(const void*, Bytes) {}
inline void fetched(Bytes) {}
inline void begin_launch(const emulator::KernelObject&, std::int64_t) {}
inline void begin_block(int, Bytes) {}
inline void end_launch() {}
inline void go_on(const Step&, Bytes, Bytes) {}
inline void pause() {}
inline void begin_atomic(const void*) {}
inline void end_atomic() {}
inline void begin_glance() {}
inline void end_glance() {}
inline void publish() {}

#endif

// While it lives, what the thread does to memory is one atomic operation on `at`.
struct Atomic {
  explicit Atomic(const void* at) { begin_atomic(at); }
  ~Atomic() { end_atomic(); }
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;
};

// ... a read that may find what is old.
struct Glance {
  Glance() { begin_glance(); }
  ~Glance() { end_glance(); }
  Glance(const Glance&) = delete;
  Glance& operator=(const Glance&) = delete;
};

}  // namespace pygbt::device::checks
