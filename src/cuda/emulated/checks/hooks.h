// SPDX-License-Identifier: Apache-2.0
// Called by instrumented code: loads and stores of kernels, and everything else that the same files hold.
#pragma once

#include <cstddef>

namespace pygbt::device::checks {

void access(const void* at, std::size_t n, bool write, const void* code);
// Where n must divide the address, as it must on a GPU.
void aligned_access(const void* at, std::size_t n, bool write, const void* code);

}  // namespace pygbt::device::checks
