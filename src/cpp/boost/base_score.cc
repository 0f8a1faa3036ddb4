// SPDX-License-Identifier: Apache-2.0
#include "boost/base_score.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "boost/exact_sum.h"
#include "boost/labels.h"
#include "data/keys.h"
#include "math/links.h"
#include "math/weighted_quantile.h"

namespace pygbt {
namespace {

std::int64_t total_weight(const Dataset& data, Communicator& comm) {
  auto total = static_cast<std::int64_t>(data.total_weight);
  comm.allreduce_sum(std::span<std::int64_t>(&total, 1));
  return total;
}

// Weighted sums [n_targets] of the targets' labels, in units of weight_unit.
std::vector<double> label_sums(const LossSpec& spec, const Dataset& data, Communicator& comm, int n_threads) {
  std::vector<double> sums(static_cast<std::size_t>(spec.n_targets));
  if (has_class_ids(spec, data)) {
    std::vector<std::int64_t> counts(sums.size());
    for (std::int64_t row = 0; row < data.n_rows; ++row) {
      counts[static_cast<std::size_t>(data.labels[static_cast<std::size_t>(row)])] += data.weight(row);
    }
    comm.allreduce_sum(counts);
    std::transform(counts.begin(), counts.end(), sums.begin(), [](std::int64_t n) { return static_cast<double>(n); });
    return sums;
  }
  const auto exact = exact_sums(data.n_rows, spec.n_targets, comm, n_threads, [&](std::int64_t row, ExactSum* sum) {
    const float* labels = data.labels.data() + row * data.n_labels;
    for (std::int32_t k = 0; k < spec.n_targets; ++k) {
      sum[k].add(static_cast<double>(elementwise_label(labels, data.n_labels, k, false)), data.weight(row));
    }
  });
  std::transform(exact.begin(), exact.end(), sums.begin(), [](const ExactSum& sum) { return sum.value(); });
  return sums;
}

float user_margin(const LossSpec& spec, double user) {
  const Link link = link_of(spec.objective);
  const std::string name = objective_name(spec.objective);
  require(std::abs(user) <= static_cast<double>(kLargestLabel), "base_score must lie between -1e30 and 1e30");
  if (link == Link::kSoftmax) return 0.0f;  // one constant shifts all classes alike: nothing changes
  if (link == Link::kSigmoid) {
    require(user > 0.0 && user < 1.0,
            "base_score is a probability for " + name + ": it must lie between 0 and 1, exclusive");
  }
  if (link == Link::kExp) require(user > 0.0, "base_score is a mean for " + name + ": it must be above 0");
  return static_cast<float>(inverse_link(link, user));
}

}  // namespace

double mean_margin(Objective objective, float scale_pos_weight, double sum, double total) {
  const double mean = sum / total;
  switch (link_of(objective)) {
    case Link::kIdentity:
      return mean;
    case Link::kExp:
      return log_f64(mean);
    case Link::kSoftmax:
      return log_f64(std::max(mean, kLeastShare));
    default:
      break;
  }
  const double positive = std::max(mean, kLeastShare);
  const double negative = std::max((total - sum) / total, kLeastShare);
  return log_f64(static_cast<double>(scale_pos_weight)) + (log_f64(positive) - log_f64(negative));
}

float label_quantile(const Dataset& data, const LabelColumn& column, double alpha, Communicator& comm) {
  constexpr std::size_t kCounters = 65536;
  std::int64_t total = 0;
  for (std::int64_t row = 0; row < data.n_rows; ++row) total += std::isnan(column.at(row)) ? 0 : data.weight(row);
  comm.allreduce_sum({&total, 1});
  if (total == 0) return 0.0f;
  const auto rank = static_cast<std::int64_t>(quantile_rank(quantile_level(alpha), static_cast<std::uint64_t>(total)));
  // The high half of the key first, then the low half of the keys that share it.
  std::int64_t below = 0;
  std::uint32_t high = 0;
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<std::int64_t> counts(kCounters);
    for (std::int64_t row = 0; row < data.n_rows; ++row) {
      const float label = column.at(row);
      if (std::isnan(label)) continue;
      const std::uint32_t key = key_of(label);
      if (pass == 0) {
        counts[key >> 16] += data.weight(row);
      } else if (key >> 16 == high) {
        counts[key & 0xffff] += data.weight(row);
      }
    }
    comm.allreduce_sum(counts);
    std::uint32_t digit = 0;
    while (digit + 1 < kCounters && below + counts[digit] < rank) below += counts[digit++];
    if (pass == 1) return static_cast<float>(value_of((high << 16) | digit));
    high = digit;
  }
  return 0.0f;
}

std::vector<float> base_scores(const LossSpec& spec, const Dataset& data, std::optional<double> user,
                               Communicator& comm, int n_threads) {
  const auto k_targets = static_cast<std::size_t>(spec.n_targets);
  if (user) return std::vector<float>(k_targets, user_margin(spec, *user));
  std::vector<float> margins(k_targets, 0.0f);
  if (spec.objective == Objective::kCustom || is_ranking(spec.objective)) return margins;
  const double level = spec.objective == Objective::kHuber ? 0.5 : leaf_quantile_level(spec, 0);
  if (level >= 0.0) {
    for (std::int32_t k = 0; k < spec.n_targets; ++k) {
      const double alpha = spec.objective == Objective::kQuantile ? leaf_quantile_level(spec, k) : level;
      const LabelColumn column{data.labels, data.n_labels, data.n_labels == 1 ? 0 : k};
      margins[static_cast<std::size_t>(k)] = label_quantile(data, column, alpha, comm);
    }
    return margins;
  }
  const auto total = static_cast<double>(total_weight(data, comm));
  const std::vector<double> sums = label_sums(spec, data, comm, n_threads);
  for (std::size_t k = 0; k < k_targets; ++k)
    margins[k] = static_cast<float>(mean_margin(spec.objective, spec.scale_pos_weight, sums[k], total));
  return margins;
}

}  // namespace pygbt
