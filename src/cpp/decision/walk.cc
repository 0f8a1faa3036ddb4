// SPDX-License-Identifier: Apache-2.0
#include "decision/walk.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/pool.h"

namespace pygbt {
namespace {

constexpr std::int64_t kChunk = 256;  // rows read at a time

struct Part {
  NodeId node;
  double share;
};

class Walker {
 public:
  Walker(const DecisionTree& tree, const double* row) : tree_(tree), row_(row) {}

  // Calls visit(node, share) for every node that answers; the shares sum to 1.
  template <class Visit>
  void run(std::vector<Part>& stack, Visit&& visit) const {
    stack.assign(1, {0, 1.0});
    while (!stack.empty()) {
      Part part = stack.back();
      stack.pop_back();
      while (true) {
        const auto i = static_cast<std::size_t>(part.node);
        if (tree_.first_child[i] < 0) break;
        const std::int32_t child = child_of(i);
        if (child == kStays) break;
        if (child == kShared) {
          share(i, part.share, stack);
          part = stack.back();
          stack.pop_back();
          continue;
        }
        part.node = tree_.first_child[i] + child;
      }
      visit(part.node, part.share);
    }
  }

 private:
  std::int32_t child_of(std::size_t node) const {
    const std::int32_t begin = tree_.question_begin[node];
    for (std::int32_t q = begin; q <= begin + tree_.n_surrogates[node]; ++q) {
      const auto at = static_cast<std::size_t>(q);
      const std::int32_t child = answer(tree_.questions, at, row_[tree_.questions.feature[at]]);
      if (child >= 0) return child;
    }
    return tree_.fallback[node];
  }

  // All branches, in parts of their weights; the first one is on top. Branches without weight share alike if all are.
  void share(std::size_t node, double of, std::vector<Part>& stack) const {
    const std::int32_t first = tree_.first_child[node], k = tree_.n_children[node];
    double total = 0.0;
    for (std::int32_t c = 0; c < k; ++c) total += tree_.weight[static_cast<std::size_t>(first + c)];
    const std::size_t before = stack.size();
    for (std::int32_t c = k; c-- > 0;) {
      const double weight = tree_.weight[static_cast<std::size_t>(first + c)];
      const double part = total > 0.0 ? weight / total : 1.0 / k;
      if (part > 0.0) stack.push_back({first + c, of * part});
    }
    require(stack.size() > before, "decision tree: weights of branches are not finite");
  }

  const DecisionTree& tree_;
  const double* row_;  // [feature]
};

// Shares of the classes in a node, added to out times `share`; an empty node answers with its label.
void add_shares(const DecisionTree& tree, NodeId node, double share, double* out) {
  const auto width = static_cast<std::size_t>(tree.n_values);
  const double* value = tree.value.data() + static_cast<std::size_t>(node) * width;
  if (!tree.classifier) {
    for (std::size_t k = 0; k < width; ++k) out[k] += share * value[k];
    return;
  }
  double total = 0.0;
  for (std::size_t k = 0; k < width; ++k) total += value[k] * tree.class_factor[k];
  if (!(total > 0.0)) {
    out[tree.label[static_cast<std::size_t>(node)]] += share;
    return;
  }
  for (std::size_t k = 0; k < width; ++k) out[k] += share * (value[k] * tree.class_factor[k] / total);
}

// Label of the answering node; of a shared row the class of the largest share. shares: scratch.
std::int32_t label_of(const DecisionTree& tree, const Walker& walker, std::vector<Part>& stack,
                      std::vector<double>& shares) {
  NodeId last = -1;
  bool one = true;
  double last_share = 0.0;
  walker.run(stack, [&](NodeId node, double share) {
    if (last >= 0) {
      if (one) {
        shares.assign(static_cast<std::size_t>(tree.n_values), 0.0);
        add_shares(tree, last, last_share, shares.data());
      }
      one = false;
      add_shares(tree, node, share, shares.data());
    }
    last = node;
    last_share = share;
  });
  if (one) return tree.label[static_cast<std::size_t>(last)];
  return static_cast<std::int32_t>(std::max_element(shares.begin(), shares.end()) - shares.begin());
}

// Calls use(row, t, Walker of tree t, stack) for all rows and trees, a row's trees in order, on the threads of the call.
template <class Use>
void each_row(std::span<const DecisionTree* const> trees, const WalkRows& rows, const Use& use) {
  const std::size_t m = rows.columns.size();
  require(rows.wide.size() == m, "wide: one mark for each column");
  std::vector<std::uint8_t> asked(m, 0);
  for (const DecisionTree* tree : trees) {
    for (const std::int32_t feature : tree->questions.feature) {
      require(static_cast<std::size_t>(feature) < m, "X has fewer columns than the tree was trained on");
      asked[static_cast<std::size_t>(feature)] = 1;
    }
  }
  parallel_ranges(resolve_threads(rows.n_threads), rows.n_rows, kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    std::vector<double> values(static_cast<std::size_t>(kChunk) * m, 0.0);
    std::vector<Part> stack;
    for (std::int64_t first = begin; first < end; first += kChunk) {
      const std::int64_t last = std::min(end, first + kChunk);
      for (std::size_t f = 0; f < m; ++f) {
        if (asked[f] == 0) continue;
        read_column(rows.columns[f], first, last, rows.wide[f] != 0, values.data() + f, static_cast<std::int64_t>(m));
      }
      for (std::size_t t = 0; t < trees.size(); ++t)
        for (std::int64_t row = first; row < last; ++row)
          use(row, t, Walker(*trees[t], values.data() + static_cast<std::size_t>(row - first) * m), stack);
    }
  });
}

template <class Use>
void each_row(const DecisionTree& tree, const WalkRows& rows, const Use& use) {
  const DecisionTree* one[] = {&tree};
  each_row(one, rows, [&](std::int64_t row, std::size_t, const Walker& walker, std::vector<Part>& stack) {
    use(row, walker, stack);
  });
}

}  // namespace

std::int32_t answer(const Questions& questions, std::size_t q, double x) {
  if (x != x) return -1;
  const std::int32_t begin = questions.branch_begin[q];
  if (begin < 0) return x <= questions.threshold[q] ? questions.low_child[q] : 1 - questions.low_child[q];
  if (x < 0.0 || x >= static_cast<double>(questions.n_branches[q])) return -1;
  return questions.branches[static_cast<std::size_t>(begin) + static_cast<std::size_t>(x)];
}

void walk_values(const DecisionTree& tree, const WalkRows& rows, std::span<double> out) {
  const auto width = static_cast<std::size_t>(tree.n_values);
  require(out.size() == static_cast<std::size_t>(rows.n_rows) * width, "out must be [row][value]");
  each_row(tree, rows, [&](std::int64_t row, const Walker& walker, std::vector<Part>& stack) {
    double* own = out.data() + static_cast<std::size_t>(row) * width;
    std::fill_n(own, width, 0.0);
    walker.run(stack, [&](NodeId node, double share) { add_shares(tree, node, share, own); });
  });
}

void walk_leaves(const DecisionTree& tree, const WalkRows& rows, std::span<std::int32_t> out) {
  require(out.size() == static_cast<std::size_t>(rows.n_rows), "out must be [row]");
  each_row(tree, rows, [&](std::int64_t row, const Walker& walker, std::vector<Part>& stack) {
    double most = -1.0;
    walker.run(stack, [&](NodeId node, double share) {
      if (share <= most) return;
      most = share;
      out[static_cast<std::size_t>(row)] = node;
    });
  });
}

void walk_labels(const DecisionTree& tree, const WalkRows& rows, std::span<std::int32_t> out) {
  require(tree.classifier, "labels are those of a classifier");
  require(out.size() == static_cast<std::size_t>(rows.n_rows), "out must be [row]");
  each_row(tree, rows, [&](std::int64_t row, const Walker& walker, std::vector<Part>& stack) {
    std::vector<double> shares;
    out[static_cast<std::size_t>(row)] = label_of(tree, walker, stack, shares);
  });
}

void walk_votes(std::span<const DecisionTree* const> trees, std::span<const double> vote, const WalkRows& rows,
                std::int32_t width, std::span<double> out) {
  const auto k = static_cast<std::size_t>(width);
  require(out.size() == static_cast<std::size_t>(rows.n_rows) * k, "out must be [row][class]");
  require(vote.size() == trees.size(), "vote: one for each tree");
  for (const DecisionTree* tree : trees)
    require(tree->classifier && tree->n_values == width, "votes are those of classifiers of the same classes");
  each_row(trees, rows, [&](std::int64_t row, std::size_t t, const Walker& walker, std::vector<Part>& stack) {
    std::vector<double> shares;
    const auto label = static_cast<std::size_t>(label_of(*trees[t], walker, stack, shares));
    out[static_cast<std::size_t>(row) * k + label] += vote[t];
  });
}

void walk_sums(std::span<const DecisionTree* const> trees, std::span<const double> factor,
               std::span<const std::int32_t> column, const WalkRows& rows, std::int32_t width, std::span<double> out) {
  const auto k = static_cast<std::size_t>(width);
  require(out.size() == static_cast<std::size_t>(rows.n_rows) * k, "out must be [row][value]");
  require(factor.size() == trees.size() && column.size() == trees.size(), "factor, column: one for each tree");
  for (std::size_t t = 0; t < trees.size(); ++t)
    require(column[t] >= 0 && column[t] + trees[t]->n_values <= width, "the values of a tree do not fit");
  each_row(trees, rows, [&](std::int64_t row, std::size_t t, const Walker& walker, std::vector<Part>& stack) {
    double* own = out.data() + static_cast<std::size_t>(row) * k + static_cast<std::size_t>(column[t]);
    walker.run(stack, [&](NodeId node, double share) { add_shares(*trees[t], node, share * factor[t], own); });
  });
}

RowParts walk_parts(const DecisionTree& tree, const WalkRows& rows, std::span<const std::uint32_t> weight) {
  const auto n = static_cast<std::size_t>(rows.n_rows);
  require(weight.empty() || weight.size() == n, "weight: one for each row");
  const auto counts = [&](std::int64_t row) { return weight.empty() || weight[static_cast<std::size_t>(row)] > 0; };
  RowParts parts;
  parts.begin.assign(n + 1, 0);
  each_row(tree, rows, [&](std::int64_t row, const Walker& walker, std::vector<Part>& stack) {
    std::int64_t own = 0;
    if (counts(row)) walker.run(stack, [&](NodeId, double) { ++own; });
    parts.begin[static_cast<std::size_t>(row) + 1] = own;
  });
  for (std::size_t i = 0; i < n; ++i) parts.begin[i + 1] += parts.begin[i];
  parts.node.resize(static_cast<std::size_t>(parts.begin.back()));
  parts.share.resize(parts.node.size());
  each_row(tree, rows, [&](std::int64_t row, const Walker& walker, std::vector<Part>& stack) {
    if (!counts(row)) return;
    auto at = static_cast<std::size_t>(parts.begin[static_cast<std::size_t>(row)]);
    walker.run(stack, [&](NodeId node, double share) {
      parts.node[at] = node;
      parts.share[at++] = share;
    });
  });
  return parts;
}

}  // namespace pygbt
