// SPDX-License-Identifier: Apache-2.0
// A training row with what a criterion reads of it. Plain data, for the kernels too.
#pragma once

#include <cstdint>

namespace pygbt {

struct ClassCase {
  std::uint32_t row;
  std::uint32_t weight;  // > 0, in units of Response::weight_unit
  std::int32_t label;
};

struct ValueCase {
  std::uint32_t row;
  std::uint32_t weight;
  std::int64_t y;  // first target, in units of Response::target_unit
};

}  // namespace pygbt
