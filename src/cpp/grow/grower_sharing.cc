// SPDX-License-Identifier: Apache-2.0
// What several tasks in one model ask of the grow loop: cuts that a tree begins with, a price on new features, and the
// account of what a shared cut is worth to each task.
#include <deque>

#include "grow/grower.h"
#include "math/gain.h"

namespace pygbt {

// A cut on a feature that no tree has used gives way to the best one on those in use, unless it gains the penalty on top.
void Grower::charge_new_features(Backend& backend, std::span<const SplitQuery> queries, std::span<Split> splits) const {
  std::deque<std::vector<FeatureId>> lists;
  std::vector<SplitQuery> again;
  std::vector<std::size_t> which;
  std::vector<PricedCut> fresh;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (!splits[i].valid() || (*used_features_)[static_cast<std::size_t>(splits[i].feature)] != 0) continue;
    const PricedCut priced(splits[i].gain, feature_penalty_, rules_.min_split_gain);
    splits[i].gain = priced.gain;
    if (!priced.valid) splits[i] = Split{};
    auto& known = lists.emplace_back();
    for (const FeatureId feature : queries[i].features)
      if ((*used_features_)[static_cast<std::size_t>(feature)] != 0) known.push_back(feature);
    if (known.empty()) continue;
    again.push_back(queries[i]);
    again.back().features = known;
    which.push_back(i);
    fresh.push_back(priced);
  }
  if (again.empty()) return;
  std::vector<Split> found(again.size());
  backend.best_splits(rules_, again, false, found);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (fresh[i].gives_way(found[i].valid(), found[i].gain)) splits[which[i]] = std::move(found[i]);
}

// What each task gains from the cuts, and what its own best ones would bring.
void Grower::testify(Backend& backend, std::span<const SplitQuery> queries, std::span<const Split> splits) {
  const auto gain = [&](const std::vector<CellUnits>& task, std::span<const Cell> sums) {
    double sum = 0.0;
    for (std::size_t k = 0; k < sums.size(); ++k) {
      if (task[k].g == 0.0) continue;
      sum += gain_free(static_cast<double>(sums[k].g) * root_.units[k].g * task[k].g,
                       static_cast<double>(sums[k].h) * root_.units[k].h * task[k].h, leaf_rule_);
    }
    return sum;
  };
  SplitRules alone = rules_;
  std::vector<Split> own(queries.size());
  for (std::size_t t = 0; t < witness_->tasks().size(); ++t) {
    alone.target_factors = witness_->tasks()[t];
    backend.best_splits(alone, queries, false, own);
    for (std::size_t i = 0; i < queries.size(); ++i) {
      if (!splits[i].valid()) continue;
      std::vector<Cell> right(queries[i].sums.begin(), queries[i].sums.end());
      for (std::size_t k = 0; k < right.size(); ++k) right[k] = right[k] - splits[i].left[k];
      const double shared = gain(alone.target_factors, splits[i].left) + gain(alone.target_factors, right) -
                            gain(alone.target_factors, queries[i].sums);
      witness_->see(t, shared, own[i].valid() ? own[i].gain : 0.0);
    }
  }
}

// Makes the nodes of the stem and looks for cuts where it ends.
void Grower::grow_stem(Backend& backend, std::vector<NodeId>& frontier) {
  std::vector<std::int32_t> place = {0};  // [node] in the stem
  std::vector<NodeId> level = {0}, ends;
  while (!level.empty()) {
    std::vector<NodeId> cut;
    for (const NodeId id : level) {
      const Stem::Cut& of_stem = stem_->cuts[static_cast<std::size_t>(place[static_cast<std::size_t>(id)])];
      if (!of_stem.split.valid()) {
        ends.push_back(id);
        continue;
      }
      Split& split = node(id).split;
      split = of_stem.split;
      const auto first = of_stem.split.left.begin() + first_of_stem_;
      split.left.assign(first, first + static_cast<std::ptrdiff_t>(node(id).sums.size()));
      cut.push_back(id);
    }
    if (cut.empty()) break;
    partition(backend, cut, false);
    place.resize(nodes_.size());
    level.clear();
    for (const NodeId id : cut) {
      const std::int32_t left = stem_->cuts[static_cast<std::size_t>(place[static_cast<std::size_t>(id)])].left;
      for (const NodeId side : {0, 1}) {
        place[static_cast<std::size_t>(node(id).left + side)] = left + side;
        level.push_back(node(id).left + side);
      }
    }
    std::vector<NodeId> children;
    adopt(cut, children);
  }
  std::vector<NodeId> open;
  for (const NodeId id : ends)
    if (can_split(node(id))) open.push_back(id);
  if (open.empty()) return;
  evaluate(backend, {open, {}, false}, open);
  for (const NodeId id : open)
    if (node(id).split.valid()) frontier.push_back(id);
}

Stem Grower::stem() const {
  Stem stem;
  for (const NodeId id : in_tree_order_) {
    const Node& from = node(id);
    Stem::Cut cut;
    if (from.expanded() && node(from.left).in_tree > 0) {
      cut.split = from.split;
      cut.left = node(from.left).in_tree;
    }
    stem.cuts.push_back(std::move(cut));
  }
  return stem;
}

}  // namespace pygbt
