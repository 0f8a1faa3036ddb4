// SPDX-License-Identifier: Apache-2.0
// The oracle's search for cuts: write down every candidate of every feature, value each from scratch, take the best.
#include <algorithm>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "backend/naive_backend.h"
#include "math/gain.h"
#include "math/layout.h"

namespace pygbt {

namespace {

using Node = NaiveBackend::Node;

constexpr Bin kRare = 0;  // in an order of categories, where the missing bin never is

// A query with its histogram.
struct View {
  const SplitQuery* query;
  const Node* node;
};

// What all the candidate cuts of one feature are made of.
struct FeatureCandidates {
  FeatureId feature = 0;
  std::int64_t offset = 0;     // first bin in the histogram
  std::int32_t n_bins = 0;
  bool categorical = false;
  bool one_hot = false;
  bool missing = false;        // a node has missing rows
  std::vector<Bin> order;      // value bins: ascending, occupied categories, or categories by gradient
  std::vector<Bin> rare;       // categories too rare to be judged: all together they are entry kRare of the order
  LeafRule rule;
};

// A cut: bins order[begin .. end) go left, and bin 0 if missing_left.
struct Candidate {
  std::size_t list = 0;  // index of its FeatureCandidates
  std::size_t begin = 0, end = 0;
  Bin bin = 0;           // for ties
  bool missing_left = false;
  double gain = 0.0;
};

class Search {
 public:
  Search(const SplitRules& rules, const Cuts& cuts, const std::vector<std::int64_t>& bin_offset,
         const std::vector<CellUnits>& units, std::vector<View> views, bool shared)
      : rules_(rules), cuts_(cuts), bin_offset_(bin_offset), units_(units), views_(std::move(views)), shared_(shared) {}

  // One Split for each view: all the same cut.
  void run(Split* out) {
    for (const FeatureId f : views_[0].query->features) list_feature(f);
    const Candidate* best = nullptr;
    for (const Candidate& c : candidates_) {
      if (best == nullptr || better(c.gain, lists_[c.list].feature, c.bin, c.missing_left, best->gain,
                                    lists_[best->list].feature, best->bin, best->missing_left))
        best = &c;
    }
    for (std::size_t q = 0; q < views_.size(); ++q) out[q] = best == nullptr ? Split{} : as_split(*best, q);
  }

 private:
  // Children and parent of one node under one cut.
  struct Value {
    bool allowed = true;
    double children = 0.0;
    double parent = 0.0;
  };

  Cell cell(const View& view, const FeatureCandidates& list, Bin bin, std::size_t k) const {
    const auto width = static_cast<std::int32_t>(units_.size());
    return view.node
        ->cells[static_cast<std::size_t>(cell_index(list.offset, bin, width, static_cast<std::int32_t>(k)))];
  }
  std::int64_t count(const View& view, const FeatureCandidates& list, Bin bin) const {
    return view.node->counts.empty() ? 0 : view.node->counts[static_cast<std::size_t>(list.offset + bin)];
  }
  double real_g(const Cell& sum, std::size_t k) const { return static_cast<double>(sum.g) * units_[k].g; }
  double real_h(const Cell& sum, std::size_t k) const { return static_cast<double>(sum.h) * units_[k].h; }

  bool occupied(const FeatureCandidates& list, Bin bin) const {
    for (const View& view : views_) {
      if (count(view, list, bin) != 0) return true;
      for (std::size_t k = 0; k < units_.size(); ++k)
        if (cell(view, list, bin, k) != Cell{}) return true;
    }
    return false;
  }

  // The bins behind an entry of the order.
  static std::span<const Bin> bins_of(const FeatureCandidates& list, const Bin& entry) {
    if (list.categorical && entry == kRare) return list.rare;
    return {&entry, 1};
  }

  // An entry's cell summed over the nodes.
  Cell pooled(const FeatureCandidates& list, const Bin& entry, std::size_t k) const {
    Cell sum;
    for (const View& view : views_)
      for (const Bin bin : bins_of(list, entry)) sum += cell(view, list, bin, k);
    return sum;
  }

  bool is_rare(const FeatureCandidates& list, Bin bin) const {
    double h = 0.0;
    for (std::size_t k = 0; k < units_.size(); ++k) h += real_h(pooled(list, bin, k), k);
    return h < rules_.min_category_hessian;
  }

  // Categories by G / (H + smooth) of the target on which they differ most.
  void sort_categories(FeatureCandidates& list) const {
    const auto smoothed = [&](const Cell& sum, std::size_t k) { return real_h(sum, k) + rules_.cat_smooth + 1e-16; };
    std::size_t target = 0;
    double most = 0.0;
    for (std::size_t k = 0; k < units_.size(); ++k) {
      double energy = 0.0;
      for (const Bin bin : list.order) {
        const Cell sum = pooled(list, bin, k);
        energy += real_g(sum, k) * real_g(sum, k) / smoothed(sum, k);
      }
      if (energy > most) {
        most = energy;
        target = k;
      }
    }
    std::stable_sort(list.order.begin(), list.order.end(), [&](Bin a, Bin b) {
      const Cell sum_a = pooled(list, a, target), sum_b = pooled(list, b, target);
      return real_g(sum_a, target) / smoothed(sum_a, target) < real_g(sum_b, target) / smoothed(sum_b, target);
    });
  }

  void list_feature(FeatureId f) {
    const FeatureCuts& cuts = cuts_.features[static_cast<std::size_t>(f)];
    FeatureCandidates list;
    list.feature = f;
    list.offset = bin_offset_[static_cast<std::size_t>(f)];
    list.n_bins = cuts.n_bins;
    list.categorical = cuts.categorical;
    list.one_hot = cuts.categorical && cuts.n_bins - 1 <= rules_.max_cat_to_onehot;
    list.missing = occupied(list, kMissingBin);
    list.rule = {rules_.reg_lambda, rules_.reg_alpha, rules_.max_delta_step};
    const bool ordered = list.categorical && !list.one_hot;
    if (ordered) list.rule.lambda += rules_.cat_l2;
    for (std::int32_t b = 1; b < cuts.n_bins; ++b) {
      const auto bin = static_cast<Bin>(b);
      if (list.categorical && !occupied(list, bin)) continue;
      (ordered && is_rare(list, bin) ? list.rare : list.order).push_back(bin);
    }
    if (!list.rare.empty()) list.order.insert(list.order.begin(), kRare);
    if (ordered) sort_categories(list);
    lists_.push_back(list);

    const std::size_t n = list.order.size();
    for (std::size_t step = 1; step <= n; ++step) {
      Candidate c;
      c.list = lists_.size() - 1;
      c.begin = list.one_hot ? step - 1 : 0;
      c.end = step;
      c.bin = list.one_hot ? list.order[step - 1] : static_cast<Bin>(step);
      if (ordered && static_cast<std::int64_t>(std::min(step, n - step)) > rules_.max_cat_threshold) continue;
      const bool some_value_right = c.end - c.begin < n;
      if (list.missing && some_value_right) {
        c.missing_left = true;
        consider(c);
      }
      if (list.missing || some_value_right) {
        c.missing_left = false;
        consider(c);
      }
    }
  }

  // Sums of the left child of one node.
  std::vector<Cell> left_sums(const Candidate& c, const View& view) const {
    const FeatureCandidates& list = lists_[c.list];
    std::vector<Cell> sums(units_.size());
    for (std::size_t k = 0; k < units_.size(); ++k) {
      for (std::size_t i = c.begin; i < c.end; ++i)
        for (const Bin bin : bins_of(list, list.order[i])) sums[k] += cell(view, list, bin, k);
      if (c.missing_left) sums[k] += cell(view, list, kMissingBin, k);
    }
    return sums;
  }
  std::int64_t left_count(const Candidate& c, const View& view) const {
    const FeatureCandidates& list = lists_[c.list];
    std::int64_t sum = c.missing_left ? count(view, list, kMissingBin) : 0;
    for (std::size_t i = c.begin; i < c.end; ++i)
      for (const Bin bin : bins_of(list, list.order[i])) sum += count(view, list, bin);
    return sum;
  }

  double value_of(const Cell& sum, std::size_t k, const SplitQuery& query, const LeafRule& rule) const {
    const double w = leaf_weight(real_g(sum, k), real_h(sum, k), rule);
    return query.lower.empty() ? w : clamp(w, query.lower[k], query.upper[k]);
  }

  // Twice the loss removed by a node with these sums.
  double gain_of(const std::vector<Cell>& sums, const SplitQuery& query, const LeafRule& rule) const {
    double gain = 0.0;
    for (std::size_t k = 0; k < sums.size(); ++k) {
      const double g = real_g(sums[k], k), h = real_h(sums[k], k);
      gain += query.lower.empty() && rule.max_step == 0.0 ? gain_free(g, h, rule)
                                                          : gain_at(g, h, value_of(sums[k], k, query, rule), rule);
    }
    return gain;
  }

  bool heavy_enough(const std::vector<Cell>& sums) const {
    double most = 0.0;
    for (std::size_t k = 0; k < sums.size(); ++k) most = std::max(most, real_h(sums[k], k));
    return most >= rules_.min_child_weight;
  }

  Value value(const Candidate& c, const View& view) const {
    const FeatureCandidates& list = lists_[c.list];
    const std::vector<Cell> left = left_sums(c, view);
    const std::vector<Cell> parent(view.query->sums.begin(), view.query->sums.end());
    std::vector<Cell> right(parent);
    for (std::size_t k = 0; k < left.size(); ++k) right[k] -= left[k];
    const std::int64_t n_left = left_count(c, view);
    const std::int64_t n_right = view.query->count - n_left;
    Value v;
    v.parent = gain_of(parent, *view.query, list.rule);
    if (!heavy_enough(left) || !heavy_enough(right) ||
        (rules_.counts_needed() && std::min(n_left, n_right) < rules_.min_child_samples)) {
      v.allowed = shared_;
      v.children = v.parent;  // in a shared cut: this node gains nothing
      return v;
    }
    const int monotone = rules_.monotone_of(list.feature);
    for (std::size_t k = 0; k < left.size() && monotone != 0; ++k) {
      const double wl = value_of(left[k], k, *view.query, list.rule);
      const double wr = value_of(right[k], k, *view.query, list.rule);
      if (monotone > 0 ? wl > wr : wl < wr) v.allowed = false;
    }
    v.children = gain_of(left, *view.query, list.rule) + gain_of(right, *view.query, list.rule);
    return v;
  }

  // Adds the cut to the list if it is allowed everywhere and gains enough.
  void consider(Candidate c) {
    double children = 0.0;
    for (const View& view : views_) {
      const Value v = value(c, view);
      if (!v.allowed) return;
      children += v.children;
      c.gain += v.children - v.parent;
    }
    if (c.gain > rules_.min_split_gain && c.gain > kRelativeGainFloor * children) candidates_.push_back(c);
  }

  // Where missing rows go at prediction when training saw none: to the heavier child.
  bool heavier_left(const Candidate& c) const {
    double left = 0.0, all = 0.0;
    for (const View& view : views_) {
      const std::vector<Cell> sums = left_sums(c, view);
      for (std::size_t k = 0; k < units_.size(); ++k) {
        left += real_h(sums[k], k);
        all += real_h(view.query->sums[k], k);
      }
    }
    return left >= all - left;
  }

  Split as_split(const Candidate& c, std::size_t q) const {
    const FeatureCandidates& list = lists_[c.list];
    const Value v = value(c, views_[q]);
    Split split;
    split.gain = v.children - v.parent;
    split.feature = list.feature;
    split.bin = c.bin;
    split.missing_left = list.missing ? c.missing_left : heavier_left(c);
    split.categorical = list.categorical;
    split.left = left_sums(c, views_[q]);
    if (!list.categorical) return split;
    split.left_bins.assign(static_cast<std::size_t>((list.n_bins + 31) / 32), 0u);
    for (std::int32_t b = 0; b < list.n_bins; ++b) {
      const bool rare = std::find(list.rare.begin(), list.rare.end(), b) != list.rare.end();
      const std::int32_t entry = rare ? std::int32_t{kRare} : b == kMissingBin ? -1 : b;
      const auto at = std::find(list.order.begin(), list.order.end(), entry) - list.order.begin();
      const auto i = static_cast<std::size_t>(at);
      const bool known = i < list.order.size();
      if (known ? i >= c.begin && i < c.end : split.missing_left)
        split.left_bins[static_cast<std::size_t>(b / 32)] |= 1u << (b % 32);
    }
    return split;
  }

  const SplitRules& rules_;
  const Cuts& cuts_;
  const std::vector<std::int64_t>& bin_offset_;
  const std::vector<CellUnits>& units_;
  const std::vector<View> views_;
  const bool shared_;
  std::vector<FeatureCandidates> lists_;
  std::vector<Candidate> candidates_;
};

}  // namespace

void NaiveBackend::best_splits(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                               std::span<Split> out) {
  if (rules.counts_needed() && !request_.count_rows) throw std::logic_error("min_child_samples needs count_rows");
  std::vector<CellUnits> units;
  for (const Quantiser& q : quantisers_) units.push_back(rules.units_of(units.size(), q.units));
  std::vector<View> views;
  for (const SplitQuery& query : queries) views.push_back({&query, &with_histogram(query.node)});
  const auto search = [&](std::vector<View> some, Split* splits) {
    if (!some.empty()) Search(rules, *data_->cuts, bin_offset_, units, std::move(some), shared).run(splits);
  };
  if (shared) return search(views, out.data());
  for (std::size_t i = 0; i < views.size(); ++i) search({views[i]}, &out[i]);
}

}  // namespace pygbt
