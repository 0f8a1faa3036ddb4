// SPDX-License-Identifier: Apache-2.0
// The bins of one feature on the device.
#pragma once

#include <cstdint>

#include "base/types.h"

namespace pygbt::device {

// [row] uint8 or uint16. Read by the partition and by walks down a tree.
struct Column {
  const std::uint8_t* bins = nullptr;
  bool two_byte = false;
};

PYGBT_HD Bin bin_at(const std::uint8_t* bins, bool two_byte, std::int64_t at) {
  return two_byte ? reinterpret_cast<const std::uint16_t*>(bins)[at] : bins[at];
}

}  // namespace pygbt::device
