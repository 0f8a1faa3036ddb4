// SPDX-License-Identifier: Apache-2.0
#include "ensemble/boost_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/pool.h"
#include "boost/exact_sum.h"
#include "data/weights.h"
#include "math/explog.h"

namespace pygbt {
namespace {

constexpr std::int64_t kGrain = 8192;     // rows a task
constexpr double kLeastFactor = 0x1p-500;  // a row that is always right may return
constexpr int kFactorBits = 62;  // of the integers that are summed: x 2^24 sample weight x 2^32 rows < 2^127
constexpr int kSampleBits = 8;  // sample weights below 2^8 leave the factors in a tree's weights the same bits

// Sum of own(begin, end) over parts of the rows, in any order: integers.
template <class T, class Part>
T sum_parts(std::int64_t n, int n_threads, const Part& part) {
  const int threads = resolve_threads(n_threads);
  std::vector<T> own(static_cast<std::size_t>(threads), T{0});
  parallel_ranges(threads, n, kGrain, [&](std::int64_t begin, std::int64_t end, int worker) {
    own[static_cast<std::size_t>(worker)] += part(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
  });
  T total{0};
  for (const T& one : own) total += one;
  return total;
}

int exponent_of(double x) {  // x < 2^exponent
  int exponent = 0;
  std::frexp(x, &exponent);
  return exponent;
}

}  // namespace

BoostWeights::BoostWeights(std::span<const double> sample, std::int64_t n_rows, int n_threads) : n_threads_(n_threads) {
  require(n_rows > 0, "X must have at least one row");
  require(sample.empty() || sample.size() == static_cast<std::size_t>(n_rows), "sample_weight: one for each row");
  factor_.assign(static_cast<std::size_t>(n_rows), 1.0);
  sample_total_ = static_cast<std::uint64_t>(n_rows);
  if (sample.empty()) return;
  FixedWeights fixed = fix_weights(sample, n_threads);
  sample_ = std::move(fixed.values);
  sample_unit_ = fixed.unit;
  sample_total_ = fixed.total;
}

double BoostWeights::scale() const { return std::ldexp(1.0, kFactorBits - exponent_of(largest_)); }

Int128 BoostWeights::sum(std::span<const double> loss) const {
  const double to_units = scale();
  return sum_parts<Int128>(static_cast<std::int64_t>(factor_.size()), n_threads_, [&](std::size_t i, std::size_t end) {
    Int128 part = 0;
    for (; i < end; ++i) {
      const std::uint32_t sample = sample_.empty() ? 1u : sample_[i];
      if (sample == 0) continue;  // its factor may lie above the largest
      const double one = factor_[i] * to_units;
      part += Int128{static_cast<std::int64_t>(loss.empty() ? one : one * loss[i])} * sample;
    }
    return part;
  });
}

double BoostWeights::mean_loss(std::span<const double> loss) const {
  require(loss.size() == factor_.size(), "loss: one for each row");
  for (const double one : loss) require(one >= 0.0 && one <= 1.0, "loss: a number lies outside 0 .. 1");
  return static_cast<double>(sum(loss)) / static_cast<double>(sum({}));
}

void BoostWeights::update(std::span<const double> loss, double vote) {
  require(loss.size() == factor_.size(), "loss: one for each row");
  const auto n = static_cast<std::int64_t>(factor_.size());
  const auto each = [&](const auto& change) {
    parallel_ranges(resolve_threads(n_threads_), n, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) change(i);
    });
    largest_ = 0.0;
    for (std::size_t i = 0; i < factor_.size(); ++i)
      if (sample_.empty() || sample_[i] > 0) largest_ = std::max(largest_, factor_[i]);
  };
  each([&](std::size_t i) { factor_[i] *= exp_f64(vote * loss[i]); });
  const double mean = static_cast<double>(sum({})) / scale() / static_cast<double>(sample_total_);
  each([&](std::size_t i) { factor_[i] = std::max(factor_[i] / mean, kLeastFactor); });
}

double BoostWeights::mean_exponential(std::span<const double> x) const {
  require(x.size() == factor_.size(), "x: one for each row");
  ExactSum sum;
  for (std::size_t i = 0; i < x.size(); ++i) sum.add(factor_[i] * exp_f64(x[i]), sample_.empty() ? 1u : sample_[i]);
  return sum.value() / static_cast<double>(sample_total_);
}

BoostWeights::Units BoostWeights::units(std::span<const double> own_factor, int most_bits, int sum_bits) const {
  const auto n = static_cast<std::int64_t>(factor_.size());
  require(own_factor.empty() || own_factor.size() == factor_.size(), "factor: one for each row");
  const auto factor = [&](std::size_t i) { return own_factor.empty() ? factor_[i] : factor_[i] * own_factor[i]; };
  double most = 0.0;
  std::uint32_t most_sample = 1;
  for (std::size_t i = 0; i < factor_.size(); ++i) {
    if (!sample_.empty() && sample_[i] == 0) continue;
    most = std::max(most, factor(i));
    if (!sample_.empty()) most_sample = std::max(most_sample, sample_[i]);
  }
  require(most > 0.0 && std::isfinite(most), "class_weight leaves no case with a weight");
  // Sample weights of few bits (counts) multiply rounded factors: weight 3 is the row three times. Of others the product
  // is rounded.
  const int width = static_cast<int>(std::bit_width(most_sample));
  const bool counts = width <= kSampleBits;
  int shift = most_bits - std::max(kSampleBits, width) - exponent_of(most);
  Units units;
  units.weight.resize(factor_.size());
  while (true) {
    const double to_units = std::ldexp(1.0, shift);
    units.total = sum_parts<std::uint64_t>(n, n_threads_, [&](std::size_t i, std::size_t end) {
      std::uint64_t part = 0;
      for (; i < end; ++i) {
        const std::uint32_t sample = sample_.empty() ? 1u : sample_[i];
        const double one = factor(i);
        const double whole = counts ? std::nearbyint(one * to_units) * sample : std::nearbyint(one * to_units * sample);
        const double least = sample > 0 && one > 0.0 ? (counts ? sample : 1.0) : 0.0;
        units.weight[i] = static_cast<std::uint32_t>(sample > 0 ? std::max(whole, least) : 0.0);
        part += units.weight[i];
      }
      return part;
    });
    const int over = static_cast<int>(std::bit_width(units.total)) - sum_bits;
    if (over <= 0) break;
    shift -= over;
  }
  units.unit = std::ldexp(sample_unit_, -shift);
  return units;
}

Response BoostWeights::classes(std::span<const std::int32_t> labels, std::int32_t n_classes,
                               std::span<const double> factor) const {
  Response response = classes_response(labels, n_classes, {}, n_threads_);
  require(response.weight.empty() && labels.size() == factor_.size(), "y: one class for each row");
  Units all = units(factor, 32, 45);
  response.weight = std::move(all.weight);
  response.weight_unit = all.unit;
  response.total_weight = all.total;
  return response;
}

Response BoostWeights::targets(std::span<const double> targets, std::int32_t n_targets) const {
  // Integers below 2^24 stay as they are in targets_response; a sum below 2^32 leaves the targets 30 bits.
  const Units all = units({}, 24, 32);
  const std::vector<double> weight(all.weight.begin(), all.weight.end());
  Response response = targets_response(targets, n_targets, weight, n_threads_);
  response.weight_unit *= all.unit;
  return response;
}

std::vector<double> BoostWeights::values() const {
  std::vector<double> out(factor_);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] *= sample_.empty() ? 1.0 : static_cast<double>(sample_[i]) * sample_unit_;
  return out;
}

std::vector<std::uint32_t> BoostWeights::units() const { return units({}, 32, 45).weight; }

double BoostWeights::total() const { return static_cast<double>(sample_total_) * sample_unit_; }

}  // namespace pygbt
