// SPDX-License-Identifier: Apache-2.0
// The tests of a nominal attribute: a branch for each category, for each group of categories, or for one of them.
#include <algorithm>
#include <limits>
#include <numeric>

#include "c45/candidate.h"
#include "math/information.h"

namespace pygbt {
namespace {

// Split information below this is none: a test that hardly divides has no ratio.
constexpr double kLeastSplitInfo = 1e-3;

// A partition of the known cases into branches: what is added up to judge it.
struct Partition {
  double inside = 0.0;   // sum of the branches' information, bits x cases
  double sizes = 0.0;    // sum of n log n over the branches
  int n_full = 0;        // branches of at least min_obj cases
};

struct NodeTotals {
  double base = 0.0;     // information of the known cases, bits x cases
  double all = 0.0;      // weight
  double unknown = 0.0;  // weight

  double gain(const Partition& p) const { return (base - p.inside) / all; }
  double split_info(const Partition& p) const { return (n_log2_n(all) - n_log2_n(unknown) - p.sizes) / all; }
  double ratio(const Partition& p) const {
    const double info = split_info(p);
    return info > kLeastSplitInfo ? gain(p) / info : 0.0;
  }
};

struct Branch {
  double n = 0.0;
  double inside = 0.0;
};

bool is_full(const C45Problem& problem, double n) { return n > 0.0 && at_least(n, problem.settings.min_obj); }

void add(const C45Problem& problem, const Branch& branch, Partition& p) {
  p.inside += branch.inside;
  p.sizes += n_log2_n(branch.n);
  p.n_full += is_full(problem, branch.n) ? 1 : 0;
}

Branch branch_of(const C45Problem& problem, const std::int64_t* counts) {
  const std::int64_t n = std::accumulate(counts, counts + problem.n_classes, std::int64_t{0});
  return {problem.weight(n), information(counts, problem.n_classes, problem.unit)};
}

void judge(const NodeTotals& totals, const Partition& p, Candidate& out) {
  out.usable = p.n_full >= 2;
  out.gain = totals.gain(p);
  out.split_info = totals.split_info(p);
  out.ratio = totals.ratio(p);
}

// One category against the others: the largest ratio, the first of equal ones (as J48 with binary splits).
void best_against_rest(const C45Problem& problem, const NodeTotals& totals, const CodeCounts& counts, Candidate& out) {
  const std::size_t width = problem.n_classes;
  std::vector<std::int64_t> rest(width);
  for (std::size_t i = 0; i < counts.codes.size(); ++i) {
    const std::int64_t* one = counts.cells.data() + i * width;
    for (std::size_t k = 0; k < width; ++k) rest[k] = counts.known[k] - one[k];
    Partition p;
    add(problem, branch_of(problem, one), p);
    add(problem, branch_of(problem, rest.data()), p);
    if (p.n_full < 2 || (out.usable && !(totals.ratio(p) > out.ratio + kEqualCriteria))) continue;
    judge(totals, p, out);
    out.category = counts.codes[i];
  }
}

// Merges the pair of groups that makes the largest ratio, first pair of equal ones, while the ratio does not fall or
// fewer than two groups have min_obj cases; two groups stay.
class Grouping {
 public:
  Grouping(const C45Problem& problem, const NodeTotals& totals, const CodeCounts& counts)
      : problem_(problem), totals_(totals), width_(problem.n_classes), cells_(counts.cells), merged_(width_) {
    const std::size_t n = counts.codes.size();
    cells_.resize(n * width_);
    for (std::size_t g = 0; g < n; ++g) {
      groups_.push_back(branch_of(problem, &cells_[g * width_]));
      members_.push_back({counts.codes[g]});
    }
    n_ = n;
    pairs_.resize(n * n);
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = a + 1; b < n; ++b) set_pair(a, b);
  }

  void run(std::int32_t n_categories, Candidate& out) {
    Partition now = partition();
    while (groups_.size() > 2) {
      std::size_t best_a = 0, best_b = 0;
      Partition best;
      double best_ratio = -std::numeric_limits<double>::infinity();
      for (std::size_t a = 0; a < groups_.size(); ++a) {
        for (std::size_t b = a + 1; b < groups_.size(); ++b) {
          const Partition p = without(now, a, b);
          if (now.n_full >= 2 && p.n_full < 2) continue;
          const double ratio = totals_.ratio(p);
          if (!(ratio > best_ratio + kEqualCriteria)) continue;
          best_ratio = ratio;
          best_a = a;
          best_b = b;
        }
      }
      if (best_b == 0 || (now.n_full >= 2 && best_ratio < totals_.ratio(now) - kEqualCriteria)) break;
      merge(best_a, best_b);
      now = partition();
    }
    judge(totals_, now, out);
    out.group_of.assign(static_cast<std::size_t>(n_categories), -1);
    for (std::size_t g = 0; g < groups_.size(); ++g)
      for (const Code code : members_[g]) out.group_of[code - 1] = static_cast<std::int32_t>(g);
  }

 private:
  Partition partition() const {
    Partition p;
    for (const Branch& group : groups_) add(problem_, group, p);
    return p;
  }

  // The partition after a merge of a and b.
  Partition without(Partition p, std::size_t a, std::size_t b) const {
    const Branch &first = groups_[a], &second = groups_[b];
    const double n = first.n + second.n;
    p.inside += pairs_[place_[a] * n_ + place_[b]] - first.inside - second.inside;
    p.sizes += n_log2_n(n) - n_log2_n(first.n) - n_log2_n(second.n);
    p.n_full += int{is_full(problem_, n)} - int{is_full(problem_, first.n)} - int{is_full(problem_, second.n)};
    return p;
  }

  void set_pair(std::size_t a, std::size_t b) {
    while (place_.size() < groups_.size()) place_.push_back(place_.size());
    const std::int64_t *first = &cells_[place_[a] * width_], *second = &cells_[place_[b] * width_];
    for (std::size_t k = 0; k < width_; ++k) merged_[k] = first[k] + second[k];
    pairs_[place_[a] * n_ + place_[b]] = information(merged_.data(), width_, problem_.unit);
  }

  // a < b: the groups keep their order, by first category.
  void merge(std::size_t a, std::size_t b) {
    for (std::size_t k = 0; k < width_; ++k) cells_[place_[a] * width_ + k] += cells_[place_[b] * width_ + k];
    groups_[a] = branch_of(problem_, &cells_[place_[a] * width_]);
    members_[a].insert(members_[a].end(), members_[b].begin(), members_[b].end());
    const auto at = static_cast<std::ptrdiff_t>(b);
    groups_.erase(groups_.begin() + at);
    members_.erase(members_.begin() + at);
    place_.erase(place_.begin() + at);
    for (std::size_t g = 0; g < groups_.size(); ++g)
      if (g != a) set_pair(std::min(a, g), std::max(a, g));
  }

  const C45Problem& problem_;
  const NodeTotals& totals_;
  std::size_t width_, n_ = 0;
  std::vector<std::int64_t> cells_;  // [place][class]
  std::vector<std::int64_t> merged_;
  std::vector<Branch> groups_;
  std::vector<std::vector<Code>> members_;
  std::vector<std::size_t> place_;  // [group] of its cells; ascending
  std::vector<double> pairs_;       // [place][place] information of the two together
};

}  // namespace

Candidate nominal_candidate(const C45Problem& problem, FeatureId feature, const NodeCases& node, CodeCounts& scratch) {
  count_codes(problem, feature, node, scratch);
  Candidate out;
  if (scratch.codes.size() < 2) return out;
  const Branch known = branch_of(problem, scratch.known.data());
  const NodeTotals totals{known.inside, node.total, node.total - known.n};
  if (problem.settings.nominal == NominalTest::one_vs_rest) {
    best_against_rest(problem, totals, scratch, out);
  } else if (problem.settings.nominal == NominalTest::grouped) {
    const CodedColumn& column = problem.table.columns[static_cast<std::size_t>(feature)];
    Grouping(problem, totals, scratch).run(column.n_codes - 1, out);
  } else {
    Partition p;
    for (std::size_t i = 0; i < scratch.codes.size(); ++i)
      add(problem, branch_of(problem, scratch.cells.data() + i * problem.n_classes), p);
    judge(totals, p, out);
  }
  return out;
}

}  // namespace pygbt
