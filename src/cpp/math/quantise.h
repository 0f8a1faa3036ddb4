// SPDX-License-Identifier: Apache-2.0
// Float gradients to integers by a power-of-two scale, and the rule that says how many bits are enough.
// The scale comes from the largest magnitude, which no order of rows can change.
#pragma once

#include <bit>
#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

// Bits of the quantised values. narrow: int16 g, uint16 h. wide: 31-bit values. leaf: as many as the sum allows.
// Every sum of weight * value over all rows stays below 2^62: bits <= 61 - ceil(log2(total weight)).
enum class Precision { kNarrow, kWide, kLeaf };

PYGBT_HD int ceil_log2(std::uint64_t x) {
  int bits = 0;
  while (bits < 63 && (std::uint64_t{1} << bits) < x) ++bits;
  return bits;
}

PYGBT_HD int quantiser_bits(Precision precision, bool hessian, std::uint64_t total_weight) {
  const int room = 61 - ceil_log2(total_weight);
  const int wanted = precision == Precision::kNarrow ? (hessian ? 16 : 15) : precision == Precision::kWide ? 30 : 46;
  return wanted < room ? wanted : room;
}

// Bits of |x|, which are ordered as the magnitudes are; NaN, from a training that diverged, does not count.
PYGBT_HD std::uint32_t magnitude_bits(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x) & 0x7fffffffu;
  return bits > 0x7f800000u ? 0u : bits;
}

// Largest power of two with max_value * scale < 2^bits (before rounding); 1 when there is nothing to scale. max_value is
// a float32: as a double it is normal, or not finite (then the scale is 2^bits).
PYGBT_HD double quantiser_scale(double max_value, int bits) {
  if (!(max_value > 0.0)) return 1.0;
  constexpr int kBias = 1023, kFractionBits = 52, kNotFinite = 2047;
  const auto biased = static_cast<int>(std::bit_cast<std::uint64_t>(max_value) >> kFractionBits);
  const int exponent = biased == kNotFinite ? 0 : biased - kBias + 1;  // max_value < 2^exponent
  return std::bit_cast<double>(static_cast<std::uint64_t>(bits - exponent + kBias) << kFractionBits);
}

// Nearest integer, ties to even, of |x| < 2^51: adding 1.5 * 2^52 leaves it in the low mantissa bits. No library call,
// no branch, the same on every instruction set.
PYGBT_HD std::int64_t round_to_int(double x) {
  constexpr double kRound = 6755399441055744.0;
  return std::bit_cast<std::int64_t>(x + kRound) - std::bit_cast<std::int64_t>(kRound);
}

// Clamped to the field, which only the largest value can leave by rounding. NaN becomes the least value, here and below:
// the comparisons are written so that it fails both.
PYGBT_HD std::int64_t quantise_gradient(float g, double scale, std::int64_t limit) {
  const auto most = static_cast<double>(limit);
  const double x = static_cast<double>(g) * scale;
  return round_to_int(x > most ? most : (x > -most ? x : -most));
}

// A positive hessian never becomes 0: a row that counts keeps counting.
PYGBT_HD std::int64_t quantise_hessian(float h, double scale, std::int64_t limit) {
  const auto most = static_cast<double>(limit);
  const double floor = h > 0.0f ? 1.0 : 0.0;
  const double x = static_cast<double>(h) * scale;
  return round_to_int(x > most ? most : (x > floor ? x : floor));
}

// 16 bits are enough when rounding (deviation 0.29 units) stays below 2 % of the gradients' own spread: the noise it
// adds to any sum is then under 0.04 % of their variance. Heavy tails, and gradients that are nearly one constant (a
// start score far off), fail this and get 31 bits. spread_g bounds the mean deviation from below: |g| - |mean|.
inline constexpr double kNarrowUnits = 16.0;

PYGBT_HD bool narrow_is_enough(double max_g, double spread_g, double max_h, double mean_h, std::uint64_t total_weight) {
  const double sg = quantiser_scale(max_g, quantiser_bits(Precision::kNarrow, false, total_weight));
  const double sh = quantiser_scale(max_h, quantiser_bits(Precision::kNarrow, true, total_weight));
  return (max_g == 0.0 || spread_g * sg >= kNarrowUnits) && (max_h == 0.0 || mean_h * sh >= kNarrowUnits);
}

}  // namespace pygbt
