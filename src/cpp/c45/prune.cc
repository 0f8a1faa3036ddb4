// SPDX-License-Identifier: Apache-2.0
#include "c45/prune.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace pygbt {
namespace {

constexpr double kErrorSlack = 0.1;  // errors: what a simpler tree may cost

// The branch with the most cases, the last of equal ones.
std::size_t largest_branch(const GrownNode& node) {
  std::size_t largest = 0;
  for (std::size_t b = 1; b < node.children.size(); ++b)
    if (node.children[b].total >= node.children[largest].total) largest = b;
  return largest;
}

}  // namespace

double ErrorBasedPruning::leaf_errors(std::int64_t total, std::int64_t wrong) const {
  const double e = problem_.weight(wrong);
  return e + added_(problem_.weight(total), e);
}

void ErrorBasedPruning::estimate_leaf(GrownNode& node) const { node.estimate = leaf_errors(node.total, node.wrong()); }

void ErrorBasedPruning::prune(GrownNode& node, std::span<Case> cases, DivideScratch& scratch) const {
  double as_tree = 0.0;
  for (const GrownNode& child : node.children) as_tree += child.estimate;
  const double as_leaf = leaf_errors(node.total, node.wrong());
  const std::size_t largest = largest_branch(node);
  double as_branch = std::numeric_limits<double>::infinity();
  if (problem_.settings.raise) as_branch = estimate(node.children[largest], cases, scratch);
  if (as_leaf <= as_branch + kErrorSlack && as_leaf <= as_tree + kErrorSlack) {
    make_leaf(node);
    node.estimate = as_leaf;
  } else if (as_branch <= as_tree + kErrorSlack) {
    const std::int32_t label = node.label;
    GrownNode raised = std::move(node.children[largest]);
    node = std::move(raised);
    reroute(node, cases, label, scratch);
  } else {
    node.estimate = as_tree;
  }
}

double ErrorBasedPruning::estimate(const GrownNode& node, std::span<Case> cases, DivideScratch& scratch) const {
  if (cases.empty()) return 0.0;
  if (node.is_leaf()) {
    std::vector<std::int64_t> counts(problem_.n_classes);
    const std::int64_t total = count_classes(cases, counts);
    return leaf_errors(total, total - *std::max_element(counts.begin(), counts.end()));
  }
  const Division division = divide(problem_, node.test, cases, scratch);
  double sum = 0.0;
  for (std::size_t b = 0; b < node.children.size(); ++b)
    sum += estimate(node.children[b], division.branches[b], scratch);
  return sum;
}

void ErrorBasedPruning::reroute(GrownNode& node, std::span<Case> cases, std::int32_t parent_label,
                                DivideScratch& scratch) const {
  summarise(problem_, cases, parent_label, node);
  if (node.is_leaf()) return estimate_leaf(node);
  const Division division = divide(problem_, node.test, cases, scratch);
  for (std::size_t b = 0; b < node.children.size(); ++b)
    reroute(node.children[b], division.branches[b], node.label, scratch);
  prune(node, cases, scratch);
}

}  // namespace pygbt
