// SPDX-License-Identifier: Apache-2.0
// Error-based pruning: errors added to those of a leaf to reach the upper limit of a confidence interval of the binomial
// distribution (Quinlan 1993, chapter 4). Own exp and log; the square root is IEEE.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include "math/explog.h"
#include "math/log.h"

namespace pygbt {

// Standard normal quantile of 0 < p < 1, relative error about 1e-16: algorithm AS 241 (Wichura 1988).
inline double normal_quantile(double p) {
  const auto ratio = [](double r, const std::array<double, 8>& a, const std::array<double, 8>& b) {
    double above = a[7], below = b[7];
    for (std::size_t i = 7; i-- > 0;) {
      above = above * r + a[i];
      below = below * r + b[i];
    }
    return above / below;
  };
  constexpr std::array<double, 8> kMiddleAbove{
      3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
      4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3};
  constexpr std::array<double, 8> kMiddleBelow{1.0,
                                               4.2313330701600911252e+1,
                                               6.8718700749205790830e+2,
                                               5.3941960214247511077e+3,
                                               2.1213794301586595867e+4,
                                               3.9307895800092710610e+4,
                                               2.8729085735721942674e+4,
                                               5.2264952788528545610e+3};
  constexpr std::array<double, 8> kSideAbove{
      1.42343711074968357734e0, 4.63033784615654529590e0,  5.76949722146069140550e0,  3.64784832476320460504e0,
      1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr std::array<double, 8> kSideBelow{1.0,
                                             2.05319162663775882187e0,
                                             1.67638483018380384940e0,
                                             6.89767334985100004550e-1,
                                             1.48103976427480074590e-1,
                                             1.51986665636164571966e-2,
                                             5.47593808499534494600e-4,
                                             1.05075007164441684324e-9};
  constexpr std::array<double, 8> kTailAbove{
      6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,  2.96560571828504891230e-1,
      2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr std::array<double, 8> kTailBelow{1.0,
                                             5.99832206555887937690e-1,
                                             1.36929880922735805310e-1,
                                             1.48753612908506148525e-2,
                                             7.86869131145613259100e-4,
                                             1.84631831751005468180e-5,
                                             1.42151175831644588870e-7,
                                             2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (q <= 0.425 && q >= -0.425) return q * ratio(0.180625 - q * q, kMiddleAbove, kMiddleBelow);
  const double r = std::sqrt(-log_natural(q < 0.0 ? p : 1.0 - p));
  const double z = r <= 5.0 ? ratio(r - 1.6, kSideAbove, kSideBelow) : ratio(r - 5.0, kTailAbove, kTailBelow);
  return q < 0.0 ? -z : z;
}

// Normal deviate that a share `confidence` lies above, as C4.5 has it: interpolated in a table.
inline double tabled_deviate(double confidence) {
  constexpr std::array<double, 9> kShare{0.0, 0.001, 0.005, 0.01, 0.05, 0.10, 0.20, 0.40, 1.0};
  constexpr std::array<double, 9> kDeviate{4.0, 3.09, 2.58, 2.33, 1.65, 1.28, 0.84, 0.25, 0.0};
  std::size_t i = 1;
  while (i + 1 < kShare.size() && confidence > kShare[i]) ++i;
  return kDeviate[i - 1] + (kDeviate[i] - kDeviate[i - 1]) * (confidence - kShare[i - 1]) / (kShare[i] - kShare[i - 1]);
}

// The limit at one confidence, 0 < confidence <= 1 (exact: <= 0.5). exact: the normal quantile itself and the whole
// remainder for leaves that are nearly all wrong (Weka's J48); else C4.5 release 8.
class AddedErrors {
 public:
  AddedErrors(double confidence, bool exact) : exact_(exact), log_confidence_(log_natural(confidence)) {
    const double z = exact ? normal_quantile(1.0 - confidence) : tabled_deviate(confidence);
    z2_ = z * z;
  }

  double squared_deviate() const { return z2_; }

  // n cases, e of them wrong, in real units; 0 for no cases.
  double operator()(double n, double e) const {
    if (!(n > 0.0)) return 0.0;
    if (e < 1e-6) return without_errors(n);
    if (e < (exact_ ? 1.0 : 0.9999)) {
      const double none = without_errors(n);
      return none + e * ((*this)(n, 1.0) - none);
    }
    if (e + 0.5 >= n) return exact_ ? (n > e ? n - e : 0.0) : 0.67 * (n - e);
    const double f = e + 0.5;
    const double root = std::sqrt(z2_ * (f * (1.0 - f / n) + z2_ / 4.0));
    return n * (f + z2_ / 2.0 + root) / (n + z2_) - e;
  }

 private:
  double without_errors(double n) const { return n * (1.0 - exp_f64(log_confidence_ / n)); }

  bool exact_;
  double log_confidence_;
  double z2_ = 0.0;
};

}  // namespace pygbt
