// SPDX-License-Identifier: Apache-2.0
// weight * double as pieces of an integer wide enough for every double. Whoever adds pieces up, in whatever order, has
// the exact sum: boost/exact_sum.h on the host, src/cuda/device_metrics.cu on a device.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/host_device.h"
#include "base/types.h"

namespace pygbt {

inline constexpr std::int32_t kExactLimbs = 69;  // 2^-1074 .. 2^1024, and 2^100 of headroom

// A sum under way: sum of limbs[i] * 2^(32 i - 1074), and how many values were not finite.
struct ExactLimbs {
  std::array<std::int64_t, kExactLimbs> limbs{};
  std::int64_t not_finite = 0;
};

struct ExactPiece {
  std::int32_t limb = 0;  // first of four
  std::int64_t parts[4] = {0, 0, 0, 0};  // magnitudes < 2^32, all of one sign
  bool finite = true;
};

// weight < 2^32. A value that is not finite has no parts.
PYGBT_HD ExactPiece exact_piece(double value, std::uint64_t weight) {
  ExactPiece piece;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto exponent = static_cast<std::int32_t>((bits >> 52) & 0x7ff);
  if (exponent == 0x7ff) {
    piece.finite = false;
    return piece;
  }
  const std::uint64_t fraction = bits & 0xfffffffffffffu;
  const std::uint64_t mantissa = exponent == 0 ? fraction : fraction | 0x10000000000000u;
  const std::int32_t place = exponent == 0 ? 0 : exponent - 1;  // value = mantissa * 2^(place - 1074)
  const UInt128 product = (static_cast<UInt128>(mantissa) * weight) << (place & 31);  // < 2^116
  const std::int64_t sign = (bits >> 63) != 0 ? -1 : 1;
  piece.limb = place >> 5;
  for (int i = 0; i < 4; ++i)
    piece.parts[i] = sign * static_cast<std::int64_t>(static_cast<std::uint32_t>(product >> (32 * i)));
  return piece;
}

}  // namespace pygbt
