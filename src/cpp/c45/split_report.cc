// SPDX-License-Identifier: Apache-2.0
#include "c45/split_report.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/pool.h"

namespace pygbt {
namespace {

// The test of a node, on the codes of this table.
NodeTest test_of(const CodedTable& table, const DecisionTree& tree, NodeId node) {
  const Questions& questions = tree.questions;
  const auto q = static_cast<std::size_t>(tree.question_begin[static_cast<std::size_t>(node)]);
  NodeTest test;
  test.feature = questions.feature[q];
  require(test.feature < table.n_features(), "X has fewer columns than the tree was trained on");
  test.n_branches = tree.n_children[static_cast<std::size_t>(node)];
  const CodedColumn& column = table.columns[static_cast<std::size_t>(test.feature)];
  require(column.nominal == (questions.branch_begin[q] >= 0),
          "X: columns are not of the kinds the tree was trained on");
  if (column.nominal) {
    const auto first = questions.branches.begin() + questions.branch_begin[q];
    test.branch_of.assign(first, first + questions.n_branches[q]);
    test.branch_of.resize(static_cast<std::size_t>(column.n_codes - 1), -1);
    return test;
  }
  test.cut = static_cast<Code>(column.value.count_up_to(questions.threshold[q]));
  if (test.cut == 0) test.branch_of.assign(static_cast<std::size_t>(column.n_codes), 1);  // all values are high
  return test;
}

}  // namespace

SplitReport report_split(const CodedTable& table, const Response& response, const C45Settings& settings,
                         const DecisionTree& tree, NodeId node) {
  require(node >= 0 && node < tree.n_nodes(), "node: the tree has no such node");
  require(response.n_classes == tree.n_values, "y does not have the classes the tree was trained on");
  std::vector<Case> all;
  const C45Problem problem = make_problem(table, response, settings, all);
  std::vector<std::pair<NodeId, std::size_t>> path;  // parent, branch; from the node upwards
  NodeId at = node;
  for (NodeId parent = node; parent-- > 0;) {
    const auto i = static_cast<std::size_t>(parent);
    if (tree.first_child[i] < 0 || at < tree.first_child[i] || at >= tree.first_child[i] + tree.n_children[i]) continue;
    path.emplace_back(parent, static_cast<std::size_t>(at - tree.first_child[i]));
    at = parent;
  }
  DivideScratch scratch;
  for (; !path.empty(); path.pop_back()) {
    const Division division = divide(problem, test_of(table, tree, path.back().first), all, scratch);
    const std::span<Case> branch = division.branches[path.back().second];
    all = std::vector<Case>(branch.begin(), branch.end());
  }
  SplitReport report;
  std::vector<std::int64_t> counts(problem.n_classes);
  report.weight = problem.weight(count_classes(all, counts));
  report.tests.resize(table.columns.size());
  report.choice.candidates.resize(table.columns.size());
  if (all.empty()) return report;
  std::vector<CodeCounts> threads(static_cast<std::size_t>(resolve_threads(settings.n_threads)));
  report.choice = choose_test(problem, {all, counts, report.weight}, threads);
  for (std::size_t f = 0; f < report.tests.size(); ++f) {
    const Candidate& candidate = report.choice.candidates[f];
    const bool cut = candidate.n_cuts > 0 || table.columns[f].nominal;
    if (cut && (candidate.usable || candidate.n_cuts > 0))
      report.tests[f] = make_test(problem, static_cast<FeatureId>(f), candidate);
  }
  return report;
}

}  // namespace pygbt
