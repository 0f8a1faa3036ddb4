// SPDX-License-Identifier: Apache-2.0
#include "decision/decision_tree.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"

namespace pygbt {
namespace {

void sound(bool condition, const char* what) {
  if (!condition) throw CorruptModel(std::string("decision tree: ") + what);
}

template <class T>
bool finite(const std::vector<T>& values) {
  return std::all_of(values.begin(), values.end(), [](T x) { return std::isfinite(x); });
}

// Appends question q of `from`.
void copy_question(const Questions& from, std::size_t q, Questions& to) {
  to.feature.push_back(from.feature[q]);
  to.threshold.push_back(from.threshold[q]);
  to.lower.push_back(from.lower[q]);
  to.upper.push_back(from.upper[q]);
  to.low_child.push_back(from.low_child[q]);
  to.improvement.push_back(from.improvement[q]);
  to.agreement.push_back(from.agreement[q]);
  to.adjusted.push_back(from.adjusted[q]);
  to.n_branches.push_back(from.n_branches[q]);
  const bool nominal = from.branch_begin[q] >= 0;
  to.branch_begin.push_back(nominal ? static_cast<std::int32_t>(to.branches.size()) : -1);
  if (!nominal) return;
  const auto first = from.branches.begin() + from.branch_begin[q];
  to.branches.insert(to.branches.end(), first, first + from.n_branches[q]);
}

struct Check {
  const DecisionTree& tree;
  std::int32_t n_features;

  void lengths() const {
    const std::size_t n = tree.first_child.size();
    const std::size_t q = tree.questions.size();
    const Questions& all = tree.questions;
    sound(n >= 1 && n < (std::size_t{1} << 31), "a tree has at least one node");
    sound(tree.n_values >= 1, "nodes have no values");
    sound(tree.n_children.size() == n && tree.question_begin.size() == n + 1 && tree.n_surrogates.size() == n &&
              tree.fallback.size() == n && tree.count.size() == n && tree.weight.size() == n &&
              tree.value.size() == n * static_cast<std::size_t>(tree.n_values) && tree.label.size() == n &&
              tree.risk.size() == n && tree.impurity.size() == n,
          "arrays of nodes differ in length");
    sound(all.threshold.size() == q && all.lower.size() == q && all.upper.size() == q && all.low_child.size() == q &&
              all.branch_begin.size() == q && all.n_branches.size() == q && all.improvement.size() == q &&
              all.agreement.size() == q && all.adjusted.size() == q,
          "arrays of questions differ in length");
    const std::size_t factors = tree.classifier ? static_cast<std::size_t>(tree.n_values) : 0;
    sound(tree.class_factor.size() == factors, "class factors do not match the classes");
  }

  void shape() const {
    const std::int32_t n = tree.n_nodes();
    std::int32_t next = 1;  // children of earlier parents come first or later, each once
    std::vector<bool> has_parent(static_cast<std::size_t>(n), false);
    for (std::int32_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int32_t first = tree.first_child[at], k = tree.n_children[at];
      if (first < 0) {
        sound(first == -1 && k == 0, "a leaf has children");
        continue;
      }
      sound(k >= 2 && first > i && first <= n - k, "a child does not follow its parent");
      for (std::int32_t c = first; c < first + k; ++c) {
        sound(!has_parent[static_cast<std::size_t>(c)], "a node has two parents");
        has_parent[static_cast<std::size_t>(c)] = true;
      }
      next += k;
    }
    sound(next == n, "a node has no parent");
  }

  void question(std::size_t q, std::int32_t n_children) const {
    const Questions& all = tree.questions;
    sound(all.feature[q] >= 0 && all.feature[q] < n_features, "a question asks for a feature that does not exist");
    const std::int64_t begin = all.branch_begin[q], n = all.n_branches[q];
    if (begin < 0) {
      sound(begin == -1 && n == 0 && !std::isnan(all.threshold[q]), "a numeric question has no threshold");
      sound(all.low_child[q] <= 1 && n_children == 2, "a numeric question has two children");
      return;
    }
    sound(n >= 0 && begin + n <= static_cast<std::int64_t>(all.branches.size()), "categories are out of range");
    for (std::int64_t b = begin; b < begin + n; ++b) {
      const std::int32_t child = all.branches[static_cast<std::size_t>(b)];
      sound(child >= -1 && child < n_children, "a category leads to a child that does not exist");
    }
  }

  void nodes() const {
    const auto n_questions = static_cast<std::int64_t>(tree.questions.size());
    sound(tree.question_begin.front() == 0 && tree.question_begin.back() == n_questions, "questions are out of range");
    for (std::size_t i = 0; i < tree.first_child.size(); ++i) {
      const std::int32_t begin = tree.question_begin[i], end = tree.question_begin[i + 1], k = tree.n_children[i];
      sound(begin <= end && end <= n_questions, "questions are out of range");
      sound(k == 0 ? begin == end && tree.n_surrogates[i] == 0
                   : tree.n_surrogates[i] >= 0 && tree.n_surrogates[i] < end - begin,
            "a node has the wrong number of questions");
      for (std::int32_t q = begin; q < end; ++q) question(static_cast<std::size_t>(q), k);
      sound(tree.fallback[i] >= kShared && tree.fallback[i] < std::max(k, 0), "a fallback leads nowhere");
      sound(k > 0 || tree.fallback[i] == kStays, "a leaf has a fallback");
      sound(tree.count[i] >= 0 && tree.weight[i] >= 0.0, "a node has a negative weight");
      sound(tree.classifier ? tree.label[i] >= 0 && tree.label[i] < tree.n_values : tree.label[i] == -1,
            "a label is out of range");
    }
    sound(finite(tree.weight) && finite(tree.value) && finite(tree.class_factor), "a value is not finite");
  }
};

}  // namespace

std::int32_t DecisionTree::n_leaves() const {
  return static_cast<std::int32_t>(std::count(n_children.begin(), n_children.end(), 0));
}

std::int32_t DecisionTree::depth() const {
  std::vector<std::int32_t> below(first_child.size(), 0);
  std::int32_t deepest = 0;
  for (std::size_t i = 0; i < first_child.size(); ++i) {
    for (std::int32_t c = 0; c < n_children[i]; ++c) below[static_cast<std::size_t>(first_child[i] + c)] = below[i] + 1;
    deepest = std::max(deepest, below[i]);
  }
  return deepest;
}

NodeId add_leaf(DecisionTree& tree) {
  const NodeId node = tree.n_nodes();
  if (tree.question_begin.empty()) tree.question_begin.push_back(0);
  tree.first_child.push_back(-1);
  tree.n_children.push_back(0);
  tree.question_begin.push_back(tree.question_begin.back());
  tree.n_surrogates.push_back(0);
  tree.fallback.push_back(kStays);
  tree.count.push_back(0);
  tree.weight.push_back(0.0);
  tree.value.resize(tree.value.size() + static_cast<std::size_t>(tree.n_values), 0.0);
  tree.label.push_back(tree.classifier ? 0 : -1);
  tree.risk.push_back(0.0);
  tree.impurity.push_back(0.0);
  return node;
}

void reserve(DecisionTree& tree, std::size_t n_nodes, std::size_t n_questions) {
  for (auto* of_node : {&tree.first_child, &tree.n_children, &tree.n_surrogates, &tree.fallback, &tree.label})
    of_node->reserve(n_nodes);
  tree.question_begin.reserve(n_nodes + 1);
  tree.count.reserve(n_nodes);
  for (auto* of_node : {&tree.weight, &tree.risk, &tree.impurity}) of_node->reserve(n_nodes);
  tree.value.reserve(n_nodes * static_cast<std::size_t>(tree.n_values));
  Questions& asked = tree.questions;
  for (auto* of_question : {&asked.feature, &asked.branch_begin, &asked.n_branches}) of_question->reserve(n_questions);
  for (auto* of_question :
       {&asked.threshold, &asked.lower, &asked.upper, &asked.improvement, &asked.agreement, &asked.adjusted})
    of_question->reserve(n_questions);
  asked.low_child.reserve(n_questions);
}

DecisionTree cut_below(const DecisionTree& tree, std::span<const std::uint8_t> cut) {
  require(cut.size() == tree.first_child.size(), "cut: one mark for each node");
  const std::int32_t n = tree.n_nodes();
  std::vector<std::int32_t> place(static_cast<std::size_t>(n), -1);  // in the new tree; -1: gone
  place[0] = 0;
  std::int32_t kept = 0;
  for (std::size_t i = 0; i < place.size(); ++i) {
    if (place[i] < 0) continue;
    place[i] = kept++;
    if (cut[i] != 0) continue;
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c) place[static_cast<std::size_t>(tree.first_child[i] + c)] = 0;
  }
  DecisionTree out;
  out.classifier = tree.classifier;
  out.n_values = tree.n_values;
  out.class_factor = tree.class_factor;
  for (std::size_t i = 0; i < place.size(); ++i) {
    if (place[i] < 0) continue;
    const auto node = static_cast<std::size_t>(add_leaf(out));
    out.count[node] = tree.count[i];
    out.weight[node] = tree.weight[i];
    const auto width = static_cast<std::size_t>(tree.n_values);
    std::copy_n(tree.value.begin() + static_cast<std::ptrdiff_t>(i * width), width,
                out.value.begin() + static_cast<std::ptrdiff_t>(node * width));
    out.label[node] = tree.label[i];
    out.risk[node] = tree.risk[i];
    out.impurity[node] = tree.impurity[i];
    if (cut[i] != 0 || tree.is_leaf(static_cast<NodeId>(i))) continue;
    out.first_child[node] = place[static_cast<std::size_t>(tree.first_child[i])];
    out.n_children[node] = tree.n_children[i];
    out.n_surrogates[node] = tree.n_surrogates[i];
    out.fallback[node] = tree.fallback[i];
    for (std::int32_t q = tree.question_begin[i]; q < tree.question_begin[i + 1]; ++q)
      copy_question(tree.questions, static_cast<std::size_t>(q), out.questions);
    out.question_begin.back() = static_cast<std::int32_t>(out.questions.size());
  }
  return out;
}

void validate_decision_tree(const DecisionTree& tree, std::int32_t n_features) {
  const Check check{tree, n_features};
  check.lengths();
  check.shape();
  check.nodes();
}

}  // namespace pygbt
