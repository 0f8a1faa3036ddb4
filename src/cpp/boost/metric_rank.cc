// SPDX-License-Identifier: Apache-2.0
// Areas under the ROC and precision-recall curves by integer counting over groups of equal scores. With several
// targets: each target against the rest, mean over targets. Labels may lie in [0, 1]: a soft label counts as
// positive and negative weight, in steps of 2^-16.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "boost/metric_rows.h"
#include "data/keys.h"

namespace pygbt {
namespace {

constexpr std::uint64_t kLabelUnits = 65536;

struct RankedRow {
  std::uint32_t key;     // order-preserving key of the score
  std::uint32_t weight;  // fixed point
  std::uint32_t label;   // in 1 / kLabelUnits
};

// Positive and negative weight of the rows of one score, in 1 / kLabelUnits; sums stay below 2^62.
struct ScoreGroup {
  std::uint64_t positive = 0;
  std::uint64_t negative = 0;
};

// Stable radix sort by key, ascending.
void sort_by_key(std::vector<RankedRow>& rows) {
  constexpr int kBits = 11;
  constexpr std::size_t kDigits = std::size_t{1} << kBits;
  std::vector<RankedRow> other(rows.size());
  for (int shift = 0; shift < 32; shift += kBits) {
    std::vector<std::size_t> begin(kDigits + 1);
    for (const RankedRow& row : rows) ++begin[((row.key >> shift) & (kDigits - 1)) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    for (const RankedRow& row : rows) other[begin[(row.key >> shift) & (kDigits - 1)]++] = row;
    rows.swap(other);
  }
}

// The rows of all workers, on every worker: each fills its own stretch of zeros, and the sum is the whole.
std::vector<RankedRow> gather(const std::vector<RankedRow>& mine, Communicator& comm) {
  if (comm.size() == 1) return mine;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()));
  const auto rank = static_cast<std::size_t>(comm.rank());
  counts[rank] = static_cast<std::int64_t>(mine.size());
  comm.allreduce_sum(counts);
  const auto before =
      static_cast<std::size_t>(std::accumulate(counts.begin(), counts.begin() + comm.rank(), std::int64_t{0}));
  const auto all = static_cast<std::size_t>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  std::vector<std::int64_t> packed(2 * all);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    packed[2 * (before + i)] = (static_cast<std::int64_t>(mine[i].key) << 17) | mine[i].label;
    packed[2 * (before + i) + 1] = mine[i].weight;
  }
  comm.allreduce_sum(packed);
  std::vector<RankedRow> rows(all);
  for (std::size_t i = 0; i < all; ++i) {
    rows[i] = {static_cast<std::uint32_t>(packed[2 * i] >> 17), static_cast<std::uint32_t>(packed[2 * i + 1]),
               static_cast<std::uint32_t>(packed[2 * i] & 0x1ffff)};
  }
  return rows;
}

// Groups of equal score of one target, ascending; empty if a score is not finite.
std::vector<ScoreGroup> score_groups(const MetricRows& rows, std::int32_t target) {
  std::vector<RankedRow> ranked;
  ranked.reserve(static_cast<std::size_t>(rows.data.n_rows));
  const bool softmax = link_of(rows.spec.objective) == Link::kSoftmax;
  std::vector<float> values(static_cast<std::size_t>(rows.n_targets()));
  std::int64_t bad_label = 0;
  std::int64_t bad_score = 0;
  for (std::int64_t row = 0; row < rows.data.n_rows; ++row) {
    const std::uint32_t weight = rows.data.weight(row);
    if (weight == 0) continue;
    const float* margins = rows.margins_of(row);
    float score = margins[target];
    if (softmax) {  // margins of a class compare only within a row, probabilities also between rows
      std::copy(margins, margins + rows.n_targets(), values.begin());
      apply_link(Link::kSoftmax, values.data(), rows.n_targets());
      score = values[static_cast<std::size_t>(target)];
    }
    const double label = rows.label(row, target);
    if (!(label >= 0.0 && label <= 1.0)) ++bad_label;
    if (!std::isfinite(score)) ++bad_score;
    if (bad_label + bad_score > 0) continue;
    ranked.push_back(
        {key_of(score), weight, static_cast<std::uint32_t>(label * static_cast<double>(kLabelUnits) + 0.5)});
  }
  agree_on_argument(rows.comm, bad_label > 0 ? "label: auc and aucpr need labels in [0, 1]" : "");
  rows.comm.allreduce_sum(std::span<std::int64_t>(&bad_score, 1));
  if (bad_score > 0) return {};
  ranked = gather(ranked, rows.comm);
  sort_by_key(ranked);
  std::vector<ScoreGroup> groups;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    if (i == 0 || ranked[i].key != ranked[i - 1].key) groups.emplace_back();
    groups.back().positive += std::uint64_t{ranked[i].weight} * ranked[i].label;
    groups.back().negative += std::uint64_t{ranked[i].weight} * (kLabelUnits - ranked[i].label);
  }
  return groups;
}

double not_a_number() { return std::numeric_limits<double>::quiet_NaN(); }

// Probability that a positive scores above a negative, ties one half.
double roc_area(const std::vector<ScoreGroup>& groups) {
  UInt128 doubled = 0;  // twice the weight of well-ordered pairs, < 2^126
  std::uint64_t positive = 0, negative = 0;
  for (const ScoreGroup& group : groups) {
    doubled += static_cast<UInt128>(group.positive) * (2 * negative + group.negative);
    positive += group.positive;
    negative += group.negative;
  }
  if (positive == 0 || negative == 0) return not_a_number();
  return static_cast<double>(doubled) / (2.0 * static_cast<double>(positive) * static_cast<double>(negative));
}

// Average precision: the sum over descending scores of precision times the recall gained, without interpolation.
double average_precision(const std::vector<ScoreGroup>& groups) {
  std::uint64_t positive = 0;
  for (const ScoreGroup& group : groups) positive += group.positive;
  if (positive == 0) return not_a_number();
  std::uint64_t taken = 0, taken_positive = 0;
  double area = 0.0;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    taken += group->positive + group->negative;
    taken_positive += group->positive;
    if (group->positive == 0) continue;
    const double precision = static_cast<double>(taken_positive) / static_cast<double>(taken);
    area += precision * (static_cast<double>(group->positive) / static_cast<double>(positive));
  }
  return area;
}

template <class Area>
double mean_over_targets(const MetricRows& rows, Area&& area) {
  double sum = 0.0;
  for (std::int32_t k = 0; k < rows.n_targets(); ++k) sum += area(score_groups(rows, k));
  return sum / rows.n_targets();
}

}  // namespace

double metric_auc(const MetricRows& rows) { return mean_over_targets(rows, roc_area); }

double metric_aucpr(const MetricRows& rows) { return mean_over_targets(rows, average_precision); }

}  // namespace pygbt
