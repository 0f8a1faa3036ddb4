// SPDX-License-Identifier: Apache-2.0
// exp, log and the logistic function from IEEE add, multiply and divide only (no fma, no libm, no table, no branch):
// the same bits on every instruction set and on the device, and loops over them vectorise. Called by losses, softmax,
// links, base scores and metrics. Polynomials: minimax fits of this project (Remez exchange at 200 bits).
// Must be compiled with -ffp-contract=off (--fmad=false) and without -ffast-math; -fno-trapping-math lets the compiler
// turn the clamps into min and max below AVX-512 and changes no bit.
#pragma once

#include <bit>
#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

inline constexpr float kExpLimitF32 = 87.0f;   // exp_f32 saturates outside [-87, 87]: results stay normal numbers
inline constexpr double kExpLimitF64 = 708.0;  // exp_f64 likewise outside [-708, 708]

// e^x within 1 ulp for |x| <= 87; saturates at e^-87 = 1.6e-38 and e^87 = 6.1e37; NaN stays NaN.
PYGBT_HD float exp_f32(float x) {
  x = x < -kExpLimitF32 ? -kExpLimitF32 : x;
  x = x > kExpLimitF32 ? kExpLimitF32 : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low mantissa bits
  const float shifted = x * 0x1.715476p+0f + kRound;
  const float k = shifted - kRound;
  // x = k ln 2 + r in two steps; k * 0.693359375 is exact.
  const float r = (x - k * 0x1.63p-1f) + k * 0x1.bd0106p-13f;
  float p = 0x1.9f0836p-13f;
  p = p * r + 0x1.6d8d52p-10f;
  p = p * r + 0x1.111272p-7f;
  p = p * r + 0x1.55548ep-5f;
  p = p * r + 0x1.555554p-3f;
  p = p * r + 0.5f;
  const float value = (p * (r * r) + r) + 1.0f;
  const std::uint32_t power = (std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3f800000u;  // bits of 2^k
  return value * std::bit_cast<float>(power);
}

// e^x within 1 ulp for |x| <= 708; saturates at e^-708 = 3.3e-308 and e^708 = 3.0e307; NaN stays NaN.
PYGBT_HD double exp_f64(double x) {
  x = x < -kExpLimitF64 ? -kExpLimitF64 : x;
  x = x > kExpLimitF64 ? kExpLimitF64 : x;
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  const double shifted = x * 0x1.71547652b82fep+0 + kRound;
  const double k = shifted - kRound;
  const double r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
  double p = 0x1.1e3cf69c94055p-29;
  p = p * r + 0x1.af6c1d5ef09d6p-26;
  p = p * r + 0x1.27e5b49dc13c6p-22;
  p = p * r + 0x1.71ddf002beac6p-19;
  p = p * r + 0x1.a01a0136494f4p-16;
  p = p * r + 0x1.a01a01b389f9dp-13;
  p = p * r + 0x1.6c16c16c305ebp-10;
  p = p * r + 0x1.111111110ec40p-7;
  p = p * r + 0x1.5555555555503p-5;
  p = p * r + 0x1.555555555555bp-3;
  p = p * r + 0.5;
  const double value = (p * (r * r) + r) + 1.0;
  const std::uint64_t power = (std::bit_cast<std::uint64_t>(shifted) << 52) + 0x3ff0000000000000u;
  return value * std::bit_cast<double>(power);
}

// Natural logarithm within 1 ulp for positive normal x. 0 gives -1023 ln 2 = -709.1 and subnormals lie between that and
// log of the smallest normal (-708.4); negative, infinite and NaN input gives a finite number without meaning.
PYGBT_HD double log_f64(double x) {
  constexpr std::uint64_t kOne = 0x3ff0000000000000u;
  constexpr std::uint64_t kRootHalf = 0x3fe6a09e667f3bcdu;  // sqrt(1/2)
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t biased = (bits + (kOne - kRootHalf)) >> 52;  // k + 1023 with x = 2^k m, m in [sqrt(1/2), sqrt 2)
  const double m = std::bit_cast<double>(bits - (biased << 52) + kOne);
  const double k = std::bit_cast<double>(biased | 0x4330000000000000u) - (4503599627370496.0 + 1023.0);
  const double f = m - 1.0;
  const double s = f / (2.0 + f);  // log m = 2 atanh s = 2 s + s z q(z) = f - s (f - z q(z))
  const double z = s * s;
  double q = 0x1.0f6aa2acc232fp-3;
  q = q * z + 0x1.0f5bf52bdf708p-3;
  q = q * z + 0x1.3b20b4e7519e7p-3;
  q = q * z + 0x1.745cddff3d7ccp-3;
  q = q * z + 0x1.c71c7259aa921p-3;
  q = q * z + 0x1.249249242aaf5p-2;
  q = q * z + 0x1.9999999999e06p-2;
  q = q * z + 0x1.5555555555555p-1;
  return k * 0x1.62e42fee00000p-1 + (f - (s * (f - z * q) - k * 0x1.a39ef35793c76p-33));
}

// e^x by the type of x.
PYGBT_HD float exp_of(float x) { return exp_f32(x); }
PYGBT_HD double exp_of(double x) { return exp_f64(x); }

// p = 1 / (1 + e^-z) and q = 1 - p, both with full relative precision and never 0 (>= e^-87 or e^-708): no cancellation
// at either end.
template <class Real>
struct LogisticOf {
  Real p;
  Real q;
};
using Logistic = LogisticOf<float>;

template <class Real>
PYGBT_HD LogisticOf<Real> logistic_of(Real z) {
  const Real e = exp_of(z < Real(0) ? z : -z);  // in (0, 1]
  const Real large = Real(1) / (Real(1) + e);
  const Real small = e * large;
  return {z < Real(0) ? small : large, z < Real(0) ? large : small};
}

PYGBT_HD Logistic logistic_f32(float z) { return logistic_of(z); }

PYGBT_HD float sigmoid_f32(float z) { return logistic_f32(z).p; }

// log(1 + e^z) without overflow or cancellation.
PYGBT_HD double softplus_f64(double z) {
  const double positive = z > 0.0 ? z : 0.0;
  return positive + log_f64(1.0 + exp_f64(z > 0.0 ? -z : z));
}

}  // namespace pygbt
