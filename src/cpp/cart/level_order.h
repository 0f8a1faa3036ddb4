// SPDX-License-Identifier: Apache-2.0
// How levels of a nominal feature, or the two sides of a split, are ordered by response: a sum over a sum, compared
// exactly.
#pragma once

#include <cstdint>

#include "base/types.h"

namespace pygbt {

// cell[above] / cell[below] of a level.
struct LevelOrder {
  std::int32_t above = 1, below = 0;
};

struct Ratio {
  Int128 above = 0, below = 1;

  friend bool operator<(const Ratio& a, const Ratio& b) { return a.above * b.below < b.above * a.below; }
};

}  // namespace pygbt
