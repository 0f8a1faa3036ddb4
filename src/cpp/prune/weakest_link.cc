// SPDX-License-Identifier: Apache-2.0
// As a function of alpha, the best cost of a sub-tree is concave and piecewise linear: it bends where a link breaks. A
// node starts with all links below it broken and takes them back, the strongest first, while its own is no stronger.
// Links that it takes back are swallowed for good, so every link is pushed once and popped once.
#include "prune/weakest_link.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>

#include "base/error.h"

namespace pygbt {
namespace {

constexpr double kRounding = 1e-12;  // of the root's cost: links closer than this are equal
constexpr std::int32_t kNone = -1;

// Leftist heaps of nodes, the strongest link on top; one forest of them, merged as children are.
class LinkHeaps {
 public:
  explicit LinkHeaps(std::size_t n) : strength(n), left_(n, kNone), right_(n, kNone), rank_(n, 1) {}

  std::int32_t merge(std::int32_t a, std::int32_t b) {  // at most 2 log2(n) deep
    if (a == kNone) return b;
    if (b == kNone) return a;
    if (strength[at(a)] < strength[at(b)]) std::swap(a, b);
    right_[at(a)] = merge(right_[at(a)], b);
    if (rank(left_[at(a)]) < rank(right_[at(a)])) std::swap(left_[at(a)], right_[at(a)]);
    rank_[at(a)] = rank(right_[at(a)]) + 1;
    return a;
  }
  std::int32_t pop(std::int32_t top) { return merge(left_[at(top)], right_[at(top)]); }

  std::vector<double> strength;

 private:
  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }
  std::int32_t rank(std::int32_t i) const { return i == kNone ? 0 : rank_[at(i)]; }
  std::vector<std::int32_t> left_, right_, rank_;
};

// Sums of numbers that each count in a range of places: exact for integers, else rounded about once (Neumaier).
class RunningSums {
 public:
  explicit RunningSums(std::size_t n) : change_(n + 1, 0.0), infinite_(n + 1, 0) {}

  void add(double x, std::size_t begin, std::size_t end) {
    if (begin >= end || x == 0.0) return;
    if (std::isfinite(x)) {
      change_[begin] += x;
      change_[end] -= x;
    } else {
      ++infinite_[begin];
      --infinite_[end];
    }
  }

  std::vector<double> values() const {
    std::vector<double> out(change_.size() - 1);
    double sum = 0.0, lost = 0.0;
    std::int64_t infinite = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double x = change_[i], next = sum + x;
      lost += std::abs(sum) >= std::abs(x) ? (sum - next) + x : (x - next) + sum;
      sum = next;
      infinite += infinite_[i];
      out[i] = infinite > 0 ? std::numeric_limits<double>::infinity() : sum + lost;
    }
    return out;
  }

 private:
  std::vector<double> change_;
  std::vector<std::int64_t> infinite_;
};

}  // namespace

std::vector<double> link_strength(const DecisionTree& tree, std::span<const double> cost) {
  const std::size_t n = tree.first_child.size();
  require(cost.size() == n, "costs: one for each node");
  for (const double c : cost) require(std::isfinite(c), "costs of nodes must be finite numbers");
  const double tie = kRounding * std::abs(cost[0]);
  LinkHeaps heaps(n);
  std::vector<std::int32_t> top(n, kNone), lost(n, 0);  // leaves that a broken link costs
  std::vector<double> gain(n, 0.0);                     // cost that it adds
  for (std::size_t i = n; i-- > 0;) {
    heaps.strength[i] = -std::numeric_limits<double>::infinity();
    if (tree.first_child[i] < 0) continue;
    double below = 0.0;
    std::int32_t leaves = 0, heap = kNone;
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c) {
      const auto child = static_cast<std::size_t>(tree.first_child[i] + c);
      below += cost[child];
      ++leaves;
      heap = heaps.merge(heap, top[child]);
    }
    double own = (cost[i] - below) / (leaves - 1);
    while (heap != kNone && own <= heaps.strength[static_cast<std::size_t>(heap)] + tie) {
      below -= gain[static_cast<std::size_t>(heap)];
      leaves += lost[static_cast<std::size_t>(heap)];
      own = (cost[i] - below) / (leaves - 1);
      heap = heaps.pop(heap);
    }
    heaps.strength[i] = own;
    gain[i] = cost[i] - below;
    lost[i] = leaves - 1;
    top[i] = heaps.merge(heap, static_cast<std::int32_t>(i));
  }
  std::vector<double>& strength = heaps.strength;
  std::vector<std::size_t> inner;
  for (std::size_t i = 0; i < n; ++i) {
    if (tree.first_child[i] < 0) continue;
    inner.push_back(i);
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c) {
      double& child = strength[static_cast<std::size_t>(tree.first_child[i] + c)];
      child = std::min(child, strength[i]);
    }
  }
  std::stable_sort(inner.begin(), inner.end(), [&](std::size_t a, std::size_t b) { return strength[a] > strength[b]; });
  for (std::size_t i = 1; i < inner.size(); ++i) {
    const double stronger = strength[inner[i - 1]];
    if (stronger - strength[inner[i]] <= tie) strength[inner[i]] = stronger;
  }
  for (const std::size_t i : inner)
    if (std::abs(strength[i]) <= tie) strength[i] = 0.0;
  return std::move(heaps.strength);
}

Pruning prune_by_strength(const DecisionTree& tree, std::span<const double> cost, std::span<const double> strength,
                          double alpha) {
  const std::size_t n = tree.first_child.size();
  require(cost.size() == n && strength.size() == n, "path: one number for each node");
  require(!std::isnan(alpha), "alpha must be a number");
  std::vector<double> best(n, 0.0), split(n, 0.0);
  for (std::size_t i = n; i-- > 0;) {
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c)
      split[i] += best[static_cast<std::size_t>(tree.first_child[i] + c)];
    best[i] = strength[i] <= alpha ? cost[i] + alpha : split[i];
  }
  return prune_top_down(tree, [&](NodeId node, Pruning& out) {
    const auto i = static_cast<std::size_t>(node);
    out.as_leaf[i] = cost[i] + alpha;
    out.with_split[i] = split[i];
    return strength[i] <= alpha ? Verdict::kNoWorse : Verdict::kSplit;
  });
}

std::vector<double> path_alphas(const DecisionTree& tree, std::span<const double> strength) {
  std::vector<double> alphas;
  for (std::size_t i = 0; i < strength.size(); ++i)
    if (tree.first_child[i] >= 0) alphas.push_back(strength[i]);
  std::sort(alphas.begin(), alphas.end(), std::greater<>());
  alphas.erase(std::unique(alphas.begin(), alphas.end()), alphas.end());
  return alphas;
}

std::vector<double> path_sums(const DecisionTree& tree, std::span<const double> strength,
                              std::span<const double> alphas, std::span<const double> as_leaf,
                              std::span<const double> stays) {
  const std::size_t n = tree.first_child.size();
  require(strength.size() == n && as_leaf.size() == n && (stays.empty() || stays.size() == n),
          "path: one number for each node");
  require(std::is_sorted(alphas.begin(), alphas.end(), std::greater<>()), "alphas must descend");
  // The first alpha below a strength: from there on the node is split.
  const auto first_below = [&](double x) {
    return static_cast<std::size_t>(
        std::partition_point(alphas.begin(), alphas.end(), [&](double alpha) { return alpha >= x; }) - alphas.begin());
  };
  std::vector<std::size_t> reached(n, 0);  // the first alpha at which the node is in the tree
  RunningSums sums(alphas.size());
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t split = first_below(strength[i]);
    sums.add(as_leaf[i], reached[i], split);
    if (!stays.empty()) sums.add(stays[i], split, alphas.size());
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c)
      reached[static_cast<std::size_t>(tree.first_child[i] + c)] = std::max(reached[i], split);
  }
  return sums.values();
}

}  // namespace pygbt
