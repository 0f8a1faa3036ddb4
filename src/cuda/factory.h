// SPDX-License-Identifier: Apache-2.0
// What the module needs of the backend, without CUDA's headers. Called by bind.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/walker.h"

namespace pygbt::device {

// The caller owns them.
Backend* make_cuda_backend(int ordinal);
Walker* make_cuda_walker(int ordinal);

// Names of the devices of this machine, by ordinal. Throws Unsupported where there is no driver.
std::vector<std::string> device_names();

std::int64_t allocated_bytes();  // in all buffers of the process
std::int64_t waits();            // times that the process waited for a device

}  // namespace pygbt::device
