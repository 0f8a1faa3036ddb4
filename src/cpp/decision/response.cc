// SPDX-License-Identifier: Apache-2.0
#include "decision/response.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "base/error.h"
#include "data/weights.h"

namespace pygbt {
namespace {

constexpr int kSumBits = 62;  // of a sum of weight x target

// Weights of the rows that count; `counts(row)` false: weight 0.
template <class Counts>
void set_weights(Response& response, std::span<const double> weights, int n_threads, const Counts& counts) {
  const auto n = static_cast<std::size_t>(response.n_rows);
  require(weights.empty() || weights.size() == n, "weight: one for each row");
  std::size_t left_out = 0;
  for (std::size_t i = 0; i < n; ++i) left_out += counts(i) ? 0u : 1u;
  require(left_out < n, "y is missing in every row");
  if (weights.empty() && left_out == 0) {
    response.total_weight = n;
    return;
  }
  std::vector<double> own(n, 1.0);
  if (!weights.empty()) std::copy(weights.begin(), weights.end(), own.begin());
  for (std::size_t i = 0; i < n; ++i)
    if (!counts(i)) own[i] = 0.0;
  FixedWeights fixed = fix_weights(own, n_threads);
  response.weight = std::move(fixed.values);
  response.weight_unit = fixed.unit;
  response.total_weight = fixed.total;
}

}  // namespace

Response classes_response(std::span<const std::int32_t> labels, std::int32_t n_classes, std::span<const double> weights,
                          int n_threads) {
  require(n_classes >= 1, "y has no classes");
  Response response;
  response.n_rows = static_cast<std::int64_t>(labels.size());
  response.n_classes = n_classes;
  response.label.assign(labels.begin(), labels.end());
  for (std::int32_t& label : response.label) {
    require(label < n_classes, "y: a label lies outside the classes");
    label = std::max(label, -1);
  }
  set_weights(response, weights, n_threads, [&](std::size_t i) { return response.label[i] >= 0; });
  for (std::int32_t& label : response.label) label = std::max(label, 0);  // of rows that do not count
  return response;
}

Response targets_response(std::span<const double> targets, std::int32_t n_targets, std::span<const double> weights,
                          int n_threads) {
  require(n_targets >= 1 && targets.size() % static_cast<std::size_t>(n_targets) == 0, "y must be [row][target]");
  const auto width = static_cast<std::size_t>(n_targets);
  Response response;
  response.n_rows = static_cast<std::int64_t>(targets.size() / width);
  response.n_targets = n_targets;
  const auto given = [&](std::size_t row) {
    return std::none_of(&targets[row * width], &targets[row * width] + width, [](double y) { return std::isnan(y); });
  };
  set_weights(response, weights, n_threads, given);
  // Targets of rows that do not count stay 0: they may lie beyond what the unit, which is that of the others, can hold.
  const auto counts = [&](std::size_t row) {
    return response.weight.empty() ? given(row) : response.weight[row] > 0 && given(row);
  };
  response.target.assign(targets.size(), 0);
  for (std::size_t t = 0; t < width; ++t) {
    double largest = 0.0;
    for (std::size_t i = t; i < targets.size(); i += width) {
      require(!std::isinf(targets[i]), "y holds infinite values");
      if (counts(i / width)) largest = std::max(largest, std::abs(targets[i]));
    }
    int exponent = 0;
    std::frexp(largest, &exponent);  // largest < 2^exponent
    const int bits = kSumBits - static_cast<int>(std::bit_width(response.total_weight));
    const int shift = std::clamp(bits - exponent, -1000, 1000);
    response.target_unit.push_back(std::ldexp(1.0, -shift));
    for (std::size_t i = t; i < targets.size(); i += width)
      if (counts(i / width))
        response.target[i] = static_cast<std::int64_t>(std::nearbyint(std::ldexp(targets[i], shift)));
  }
  return response;
}

}  // namespace pygbt
