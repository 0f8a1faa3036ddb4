// SPDX-License-Identifier: Apache-2.0
// Runs a kernel block by block on the calling thread. Called by Device::launch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <typeinfo>

#include "emulated/checks/checks.h"

namespace pygbt::device::emulator {

template <class Kernel>
KernelObject kernel_object(const Kernel& kernel) {
  return {&kernel, sizeof kernel, typeid(Kernel).name(), [](const void* k) { (*static_cast<const Kernel*>(k))(); }};
}

// Runs the kernel for every thread of every block. Throws std::logic_error when some threads of a block wait at a
// barrier that the others never reach, when the block wrote beyond its shared memory, and for what the checker finds.
void run_grid(std::int64_t n_blocks, int n_threads, std::size_t shared_bytes, const KernelObject& kernel);

// Draws the orders of threads and blocks from now on. For tests.
void set_seed(std::uint64_t seed);

}  // namespace pygbt::device::emulator
