// SPDX-License-Identifier: Apache-2.0
#include "prune/pruning.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace pygbt {

Pruning::Pruning(const DecisionTree& tree)
    : verdict(tree.first_child.size(), Verdict::kSplit),
      as_leaf(tree.first_child.size(), std::numeric_limits<double>::quiet_NaN()),
      with_split(as_leaf) {
  for (std::size_t i = 0; i < verdict.size(); ++i)
    if (tree.first_child[i] < 0) verdict[i] = Verdict::kLeaf;
}

Pruning prune_bottom_up(const DecisionTree& tree, std::span<const double> as_leaf, std::span<const double> stays,
                        double slack) {
  const std::size_t n = tree.first_child.size();
  require(as_leaf.size() == n && (stays.empty() || stays.size() == n), "costs: one for each node");
  Pruning out(tree);
  std::vector<double> best(n, 0.0);
  for (std::size_t i = n; i-- > 0;) {  // children come first
    require(!std::isnan(as_leaf[i]), "costs of nodes must not be NaN");
    best[i] = out.as_leaf[i] = out.with_split[i] = as_leaf[i];
    if (tree.first_child[i] < 0) continue;
    double split = stays.empty() ? 0.0 : stays[i];
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c)
      split += best[static_cast<std::size_t>(tree.first_child[i] + c)];
    out.with_split[i] = split;
    if (as_leaf[i] <= split + slack)
      out.verdict[i] = Verdict::kNoWorse;
    else
      best[i] = split;
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (out.verdict[i] == Verdict::kSplit || out.verdict[i] == Verdict::kLeaf) continue;
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c)
      out.verdict[static_cast<std::size_t>(tree.first_child[i] + c)] = Verdict::kBelow;
  }
  return out;
}

}  // namespace pygbt
