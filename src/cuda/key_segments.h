// SPDX-License-Identifier: Apache-2.0
// Columns side by side that one sort puts in order, each by itself.
#pragma once

#include <cstdint>

namespace pygbt::device {

// On the device. What is sorted is in the arrays or, as the sort says, in the spare ones.
template <class Key>
struct KeySegments {
  Key* keys = nullptr;  // [n]
  Key* spare = nullptr;
  std::uint32_t* values = nullptr;  // [n] beside the keys, or nullptr
  std::uint32_t* spare_values = nullptr;
  std::int32_t n = 0;
  const std::int32_t* begin = nullptr;  // [n_segments]
  const std::int32_t* end = nullptr;
  std::int32_t n_segments = 0;
};

}  // namespace pygbt::device
