// SPDX-License-Identifier: Apache-2.0
#include "ensemble/coded_rows.h"

#include <algorithm>
#include <cstddef>

#include "base/error.h"
#include "base/pool.h"

namespace pygbt {
namespace {

constexpr std::int64_t kGrain = 4096;  // rows a task

class CodedWalk {
 public:
  CodedWalk(const DecisionTree& tree, const CodedTable& table) : tree_(tree), table_(table) {
    const Questions& all = tree.questions;
    cut_.resize(all.size(), 0);
    for (std::size_t q = 0; q < all.size(); ++q) {
      require(all.feature[q] >= 0 && all.feature[q] < table.n_features(), "X has fewer columns than the tree asks for");
      if (all.branch_begin[q] >= 0) continue;
      const CodeValues& value = table.columns[static_cast<std::size_t>(all.feature[q])].value;
      cut_[q] = static_cast<Code>(value.count_up_to(all.threshold[q]));
    }
  }

  // Calls visit(node, share) for every node that answers for the row; the shares sum to 1.
  template <class Visit>
  void run(std::int64_t row, Visit&& visit) const {
    down(row, 0, 1.0, visit);
  }

 private:
  template <class Visit>
  void down(std::int64_t row, NodeId node, double part, Visit&& visit) const {
    while (true) {
      const auto i = static_cast<std::size_t>(node);
      const std::int32_t child = tree_.first_child[i] < 0 ? kStays : child_of(row, i);
      if (child == kStays) return visit(node, part);
      if (child == kShared) return share(row, i, part, visit);
      node = tree_.first_child[i] + child;
    }
  }

  // All branches, in parts of their weights; alike if none has any.
  template <class Visit>
  void share(std::int64_t row, std::size_t node, double part, Visit&& visit) const {
    const std::int32_t first = tree_.first_child[node], k = tree_.n_children[node];
    double total = 0.0;
    for (std::int32_t c = first; c < first + k; ++c) total += tree_.weight[static_cast<std::size_t>(c)];
    for (std::int32_t c = first; c < first + k; ++c) {
      const double own = total > 0.0 ? tree_.weight[static_cast<std::size_t>(c)] / total : 1.0 / k;
      if (own > 0.0) down(row, c, part * own, visit);
    }
  }

  std::int32_t child_of(std::int64_t row, std::size_t node) const {
    const std::int32_t begin = tree_.question_begin[node], end = begin + tree_.n_surrogates[node];
    for (std::int32_t q = begin; q <= end; ++q) {
      const std::int32_t child = answer(row, static_cast<std::size_t>(q));
      if (child >= 0) return child;
    }
    return tree_.fallback[node];
  }

  std::int32_t answer(std::int64_t row, std::size_t q) const {
    const Questions& all = tree_.questions;
    const Code code = table_.columns[static_cast<std::size_t>(all.feature[q])].at(row);
    if (code == kMissingCode) return -1;
    if (all.branch_begin[q] < 0) return code <= cut_[q] ? all.low_child[q] : 1 - all.low_child[q];
    if (code > static_cast<Code>(all.n_branches[q])) return -1;
    return all.branches[static_cast<std::size_t>(all.branch_begin[q]) + code - 1];
  }

  const DecisionTree& tree_;
  const CodedTable& table_;
  std::vector<Code> cut_;  // [question] codes <= cut are low
};

// Shares of the classes in a node, times `part`, added to out; a node without weight answers its label.
void add_values(const DecisionTree& tree, NodeId node, double part, double* out) {
  const auto width = static_cast<std::size_t>(tree.n_values);
  const double* value = tree.value.data() + static_cast<std::size_t>(node) * width;
  if (!tree.classifier) {
    for (std::size_t k = 0; k < width; ++k) out[k] += part * value[k];
    return;
  }
  double total = 0.0;
  for (std::size_t k = 0; k < width; ++k) total += value[k] * tree.class_factor[k];
  if (!(total > 0.0)) {
    out[tree.label[static_cast<std::size_t>(node)]] += part;
    return;
  }
  for (std::size_t k = 0; k < width; ++k) out[k] += part * (value[k] * tree.class_factor[k] / total);
}

template <class Use>
void each_row(const CodedTable& table, int n_threads, const Use& use) {
  parallel_ranges(resolve_threads(n_threads), table.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) use(row);
  });
}

}  // namespace

void coded_leaves(const DecisionTree& tree, const CodedTable& table, int n_threads, std::span<std::int32_t> out) {
  require(out.size() == static_cast<std::size_t>(table.n_rows), "out must be [row]");
  const CodedWalk walk(tree, table);
  each_row(table, n_threads, [&](std::int64_t row) {
    double most = -1.0;
    walk.run(row, [&](NodeId node, double part) {
      if (part <= most) return;
      most = part;
      out[static_cast<std::size_t>(row)] = node;
    });
  });
}

void coded_labels(const DecisionTree& tree, const CodedTable& table, int n_threads, std::span<std::int32_t> out) {
  require(tree.classifier, "labels are those of a classifier");
  require(out.size() == static_cast<std::size_t>(table.n_rows), "out must be [row]");
  const CodedWalk walk(tree, table);
  each_row(table, n_threads, [&](std::int64_t row) {
    std::vector<double> shares;  // of a shared row
    NodeId last = -1;
    double last_part = 0.0;
    walk.run(row, [&](NodeId node, double part) {
      if (last >= 0) {
        if (shares.empty()) {
          shares.assign(static_cast<std::size_t>(tree.n_values), 0.0);
          add_values(tree, last, last_part, shares.data());
        }
        add_values(tree, node, part, shares.data());
      }
      last = node;
      last_part = part;
    });
    out[static_cast<std::size_t>(row)] =
        shares.empty() ? tree.label[static_cast<std::size_t>(last)]
                       : static_cast<std::int32_t>(std::max_element(shares.begin(), shares.end()) - shares.begin());
  });
}

void coded_values(const DecisionTree& tree, const CodedTable& table, int n_threads, std::span<double> out) {
  const auto width = static_cast<std::size_t>(tree.n_values);
  require(out.size() == static_cast<std::size_t>(table.n_rows) * width, "out must be [row][value]");
  const CodedWalk walk(tree, table);
  each_row(table, n_threads, [&](std::int64_t row) {
    double* own = out.data() + static_cast<std::size_t>(row) * width;
    std::fill_n(own, width, 0.0);
    walk.run(row, [&](NodeId node, double part) { add_values(tree, node, part, own); });
  });
}

}  // namespace pygbt
