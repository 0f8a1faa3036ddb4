// SPDX-License-Identifier: Apache-2.0
#include "backend/isa_dispatch.h"

#include <cstdlib>

#include "base/error.h"

namespace pygbt {

#if defined(__x86_64__)
namespace isa_v2 {
Kernels table();
}
namespace isa_v3 {
Kernels table();
}
namespace isa_v4 {
Kernels table();
}
#else
namespace isa_portable {
Kernels table();
}
#endif

namespace {

struct Level {
  std::string name;
  Kernels (*table)();
  bool supported;
};

std::vector<Level> levels() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512cd");
  return {{"v2", isa_v2::table, v2}, {"v3", isa_v3::table, v3}, {"v4", isa_v4::table, v4}};
#else
  return {{"portable", isa_portable::table, true}};
#endif
}

struct Choice {
  Kernels kernels;
  std::string name;
};

Choice choose() {
  const char* forced = std::getenv("PYGBT_ISA");
  const Level* best = nullptr;
  const std::vector<Level> all = levels();
  for (const Level& level : all) {
    if (forced != nullptr && *forced != '\0' ? level.name == forced : level.supported) best = &level;
  }
  require(best != nullptr, std::string("PYGBT_ISA=") + (forced ? forced : "") +
                               " names no instruction-set level of this build; unset it or use v2, v3 or v4");
  require(best->supported, "PYGBT_ISA=" + best->name + " is not supported by this CPU; unset it");
  return {best->table(), best->name};
}

const Choice& choice() {
  static const Choice chosen = choose();
  return chosen;
}

}  // namespace

const Kernels& kernels() { return choice().kernels; }
std::string active_isa() { return choice().name; }

Kernels kernels_of(const std::string& isa) {
  for (const Level& level : levels())
    if (level.name == isa && level.supported) return level.table();
  throw InvalidArgument("instruction-set level " + isa + " is not available here");
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Level& level : levels())
    if (level.supported) names.push_back(level.name);
  return names;
}

}  // namespace pygbt
