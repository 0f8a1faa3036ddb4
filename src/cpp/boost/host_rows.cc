// SPDX-License-Identifier: Apache-2.0
#include "boost/host_rows.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "boost/exact_sum.h"

namespace pygbt {
namespace {

// The softmax of a row, in memory of the thread.
const float* softmax_values(const float* margins, std::int32_t n_targets) {
  thread_local std::vector<float> values;
  values.assign(margins, margins + n_targets);
  apply_link(Link::kSoftmax, values.data(), n_targets);
  return values.data();
}

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
    rows[i].key = static_cast<std::uint32_t>(packed[2 * i] >> 17);
    rows[i].weight = static_cast<std::uint32_t>(packed[2 * i + 1]);
    rows[i].label = static_cast<std::uint32_t>(packed[2 * i] & 0x1ffff);
  }
  return rows;
}

}  // namespace

ExactLimbs HostRows::sum(const MetricTermSpec& spec) {
  const bool softmax = reads_softmax(spec);
  Solo solo;  // the caller adds up workers
  return visit_term(spec, spec.levels.data(), [&](const auto& term) {
    const auto sums = exact_sums(data_.n_rows, 1, solo, n_threads_, [&](std::int64_t row, ExactSum* sum) {
      MetricRow at = row_at(spec.shape, row, nullptr);
      if (softmax) at.values = softmax_values(at.margins, spec.shape.n_targets);
      sum->add(contribution(term, at), data_.weight(row));
    });
    return sums[0].limbs();
  });
}

RankSums HostRows::rank_sums(const RowShape& shape, std::int32_t target, RankCurve curve) {
  std::vector<RankedRow> ranked;
  ranked.reserve(static_cast<std::size_t>(data_.n_rows));
  std::int64_t bad[2] = {0, 0};
  for (std::int64_t row = 0; row < data_.n_rows; ++row) {
    MetricRow at = row_at(shape, row, nullptr);
    if (shape.link == Link::kSoftmax) at.values = softmax_values(at.margins, shape.n_targets);
    const RankedRow found = ranked_row(shape, at, target, data_.weight(row));
    bad[0] += found.bad_label ? 1 : 0;
    bad[1] += found.bad_score ? 1 : 0;
    if (found.weight > 0) ranked.push_back(found);
  }
  comm_.allreduce_sum(bad);
  RankSums sums;
  sums.bad_labels = bad[0];
  sums.bad_scores = bad[1];
  if (bad[0] + bad[1] > 0) return sums;
  ranked = gather(ranked, comm_);
  sort_by_key(ranked);
  for (const RankedRow& row : ranked) sums.all.add(row.weight, row.label);
  RankWeights before;
  ExactSum precision;
  for (std::size_t i = 0; i < ranked.size();) {
    RankWeights group;
    const std::uint32_t key = ranked[i].key;
    for (; i < ranked.size() && ranked[i].key == key; ++i) group.add(ranked[i].weight, ranked[i].label);
    if (curve == RankCurve::kRoc)
      sums.ordered += ordered_pairs(group, before);
    else
      precision.add(precision_gain(group, before, sums.all), 1);
    before += group;
  }
  sums.precision = precision.limbs();
  return sums;
}

}  // namespace pygbt
