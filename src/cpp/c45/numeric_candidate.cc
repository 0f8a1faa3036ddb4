// SPDX-License-Identifier: Apache-2.0
// The cut of a numeric attribute: largest gain, first of equal ones; then it pays for the number of cuts tried.
#include <algorithm>
#include <numeric>

#include "c45/candidate.h"
#include "math/information.h"

namespace pygbt {
namespace {

constexpr double kCasesPerClass = 0.1;  // a side has at least this share of the known cases a class,
constexpr double kMostMinSplit = 25.0;  // but never needs more

// Cases move from the high to the low side, value by value.
class CutScan {
 public:
  CutScan(const C45Problem& problem, FeatureId feature, const NodeCases& node, CodeCounts& scratch)
      : problem_(problem), column_(problem.table.columns[static_cast<std::size_t>(feature)]), node_(node), s_(scratch) {
    const std::size_t width = problem.n_classes;
    s_.low.assign(width, 0);
    s_.terms.resize(width);
    s_.is_touched.assign(width, 0);
    s_.touched.clear();
    for (std::size_t k = 0; k < width; ++k) s_.terms[k] = term(k);
    known_parts_ = std::accumulate(s_.known.begin(), s_.known.end(), std::int64_t{0});
    known_ = problem.weight(known_parts_);
    base_ = information(s_.known.data(), width, problem.unit);
    const double wanted = kCasesPerClass * known_ / problem.n_classes_seen;
    min_split_ = std::max(problem.settings.min_obj, std::min(wanted, kMostMinSplit));
  }

  void add(std::size_t label, std::int64_t part) {
    s_.low[label] += part;
    low_parts_ += part;
    if (s_.is_touched[label] != 0) return;
    s_.is_touched[label] = 1;
    s_.touched.push_back(static_cast<std::uint32_t>(label));
  }

  // Between two codes that follow each other in the node. False: no later cut leaves enough on the high side.
  bool try_cut(Code low, Code high) {
    const double n_low = problem_.weight(low_parts_), n_high = problem_.weight(known_parts_ - low_parts_);
    if (!at_least(n_low, min_split_)) return true;
    if (!at_least(n_high, min_split_)) return false;
    if (problem_.table.exact && !(column_.value[high - 1] - column_.value[low - 1] > problem_.settings.min_gap))
      return true;
    for (const std::uint32_t k : s_.touched) {
      s_.terms[k] = term(k);
      s_.is_touched[k] = 0;
    }
    s_.touched.clear();
    double terms = 0.0;
    for (const double t : s_.terms) terms += t;
    const double sides = n_log2_n(n_low) + n_log2_n(n_high);
    const double gain = (base_ - (sides - terms)) / node_.total;
    ++best_.n_cuts;
    if (best_.low > 0 && !(gain > best_.gain + kEqualCriteria)) return true;
    best_.gain = gain;
    best_.low = low;
    best_.high = high;
    const double unknown = node_.total - known_;
    best_.split_info = (n_log2_n(node_.total) - n_log2_n(unknown) - sides) / node_.total;
    return true;
  }

  Candidate finish() {
    if (best_.n_cuts == 0) return best_;
    if (problem_.settings.penalty) best_.penalty = log2_of(static_cast<double>(best_.n_cuts)) / node_.total;
    best_.gain -= best_.penalty;
    best_.usable = best_.gain > kEqualCriteria;
    best_.ratio = best_.split_info > 0.0 ? best_.gain / best_.split_info : 0.0;
    return best_;
  }

 private:
  double term(std::size_t k) const {
    return n_log2_n(problem_.weight(s_.low[k])) + n_log2_n(problem_.weight(s_.known[k] - s_.low[k]));
  }

  const C45Problem& problem_;
  const CodedColumn& column_;
  const NodeCases& node_;
  CodeCounts& s_;
  std::int64_t known_parts_ = 0, low_parts_ = 0;
  double known_ = 0.0, base_ = 0.0, min_split_ = 0.0;
  Candidate best_;
};

}  // namespace

Candidate numeric_candidate(const C45Problem& problem, FeatureId feature, const NodeCases& node, CodeCounts& scratch) {
  if (codes_are_few(problem, feature, node.cases.size())) {
    count_codes(problem, feature, node, scratch);
    CutScan scan(problem, feature, node, scratch);
    for (std::size_t i = 0; i + 1 < scratch.codes.size(); ++i) {
      const std::int64_t* cell = scratch.cells.data() + i * problem.n_classes;
      for (std::size_t k = 0; k < problem.n_classes; ++k)
        if (cell[k] != 0) scan.add(k, cell[k]);
      if (!scan.try_cut(scratch.codes[i], scratch.codes[i + 1])) break;
    }
    return scan.finish();
  }
  const WeightedKey<std::uint32_t>* sorted = nullptr;
  const std::size_t n = sort_codes(problem, feature, node, scratch, sorted);
  CutScan scan(problem, feature, node, scratch);
  for (std::size_t i = 0; i + 1 < n; ++i) {
    const Case& one = node.cases[sorted[i].weight];
    scan.add(static_cast<std::size_t>(one.label), one.part);
    if (sorted[i + 1].key != sorted[i].key && !scan.try_cut(sorted[i].key, sorted[i + 1].key)) break;
  }
  return scan.finish();
}

}  // namespace pygbt
