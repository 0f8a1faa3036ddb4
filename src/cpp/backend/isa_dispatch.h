// SPDX-License-Identifier: Apache-2.0
// Which compiled instruction-set level runs: the best one this CPU has, or the one PYGBT_ISA names
// (v2, v3, v4; "portable" off x86-64). Chosen once, at first use.
#pragma once

#include <string>
#include <vector>

#include "backend/kernels.h"

namespace pygbt {

const Kernels& kernels();                   // throws InvalidArgument for an unknown or unsupported PYGBT_ISA
std::string active_isa();                   // "v2", "v3", "v4" or "portable"
std::vector<std::string> available_isas();  // compiled in and supported by this CPU, worst first
Kernels kernels_of(const std::string& isa);  // of an available level, for tests

}  // namespace pygbt
