// SPDX-License-Identifier: Apache-2.0
// Runs a kernel block by block on the calling thread. Called by Device::launch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pygbt::device::emulator {

// Calls run(kernel) for every thread of every block. Throws std::logic_error when some threads of a block wait at a
// barrier that the others never reach, or when the block wrote beyond its shared memory.
void run_grid(std::int64_t n_blocks, int n_threads, std::size_t shared_bytes, void (*run)(const void*),
              const void* kernel);

// Draws the orders of threads and blocks from now on. For tests.
void set_seed(std::uint64_t seed);

}  // namespace pygbt::device::emulator
