// SPDX-License-Identifier: Apache-2.0
// Where a key lies among ascending ones: bins by edges, cells by their upper ends.
#pragma once

#include <bit>
#include <cstdint>

#include "base/host_device.h"

namespace pygbt::device {

// How many of the n edges are smaller than the key.
template <class Key>
PYGBT_HD std::int32_t edges_below(const Key* edges, std::int32_t n, Key key) {
  std::int32_t below = 0;
  for (auto step = static_cast<std::int32_t>(std::bit_floor(static_cast<std::uint32_t>(n))); step > 0; step /= 2)
    if (below + step <= n && edges[below + step - 1] < key) below += step;
  return below;
}

}  // namespace pygbt::device
