// SPDX-License-Identifier: Apache-2.0
#include "c45/grow.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/pool.h"
#include "c45/candidate.h"
#include "c45/grown_node.h"
#include "c45/prune.h"

namespace pygbt {
namespace {

constexpr double kCollapseSlack = 1e-3;      // errors
constexpr std::size_t kTaskCases = 1 << 12;  // a sub-tree of fewer cases is one task

// A node whose attributes all threads judge together, or the root of a sub-tree that is one task.
struct TopNode {
  GrownNode* node = nullptr;
  std::span<Case> cases;
  Division division;
  std::vector<TopNode> below;
  std::int64_t wrong = 0;  // training errors of the sub-tree as grown and collapsed
};

class Grower {
 public:
  Grower(const C45Problem& problem, int n_threads, Progress& progress)
      : problem_(problem),
        pruning_(problem),
        progress_(progress),
        counts_(static_cast<std::size_t>(n_threads)),
        divide_(counts_.size()) {}

  GrownNode run(std::span<Case> cases) {
    GrownNode root;
    summarise(problem_, cases, 0, root);
    const std::size_t n_threads = counts_.size();
    if (n_threads == 1 || cases.size() < kTaskCases) {
      whole(root, cases, 0, 0);
      return root;
    }
    task_cases_ = std::max(kTaskCases, cases.size() / (8 * n_threads));
    TopNode top{&root, cases, {}, {}, 0};
    grow_top(top, 0);
    std::stable_sort(tasks_.begin(), tasks_.end(),
                     [](const Task& a, const Task& b) { return a.top->cases.size() > b.top->cases.size(); });
    parallel_for(
        static_cast<int>(n_threads), static_cast<std::int64_t>(tasks_.size()), [&](std::int64_t t, int worker) {
          const Task& task = tasks_[static_cast<std::size_t>(t)];
          task.top->wrong = whole(*task.top->node, task.top->cases, task.depth, static_cast<std::size_t>(worker));
        });
    finish_top(top);
    return root;
  }

 private:
  struct Task {
    TopNode* top;
    int depth;
  };

  // Gives the node a test and its children, with their counts; false: a leaf.
  bool expand(GrownNode& node, std::span<Case> cases, int depth, std::span<CodeCounts> counts, DivideScratch& scratch,
              Division& division) const {
    const double total = problem_.weight(node.total);
    if (node.wrong() == 0 || !at_least(total, 2.0 * problem_.settings.min_obj) || depth >= kDeepest) return false;
    const Choice choice = choose_test(problem_, {cases, node.counts, total}, counts);
    if (choice.feature < 0) return false;
    const Candidate& best = choice.candidates[static_cast<std::size_t>(choice.feature)];
    node.test = make_test(problem_, choice.feature, best);
    node.gain = best.gain;
    division = divide(problem_, node.test, cases, scratch);
    node.children.resize(division.branches.size());
    for (std::size_t b = 0; b < node.children.size(); ++b)
      summarise(problem_, division.branches[b], node.label, node.children[b]);
    return true;
  }

  // A leaf, as far as growth goes. Returns its training errors.
  std::int64_t end(GrownNode& node, std::span<const Case> cases) const {
    pruning_.estimate_leaf(node);
    progress_.advance(static_cast<std::int64_t>(cases.size()));
    return node.wrong();
  }

  // Collapses or prunes a node whose sub-trees are done. Returns the training errors as grown and collapsed.
  std::int64_t finish(GrownNode& node, std::span<Case> cases, std::int64_t wrong_below, DivideScratch& scratch) const {
    const double below = problem_.weight(wrong_below), here = problem_.weight(node.wrong());
    if (problem_.settings.collapse && below >= here - kCollapseSlack) {
      make_leaf(node);
      pruning_.estimate_leaf(node);
      return node.wrong();
    }
    if (problem_.settings.prune) pruning_.prune(node, cases, scratch);
    return wrong_below;
  }

  // The sub-tree, by one thread.
  std::int64_t whole(GrownNode& node, std::span<Case> cases, int depth, std::size_t worker) {
    Division division;
    if (!expand(node, cases, depth, std::span(&counts_[worker], 1), divide_[worker], division)) return end(node, cases);
    progress_.advance();
    std::int64_t wrong = 0;
    for (std::size_t b = 0; b < node.children.size(); ++b)
      wrong += whole(node.children[b], division.branches[b], depth + 1, worker);
    return finish(node, cases, wrong, divide_[worker]);
  }

  // The large nodes, by all threads; the others become tasks.
  void grow_top(TopNode& top, int depth) {
    if (top.cases.size() < task_cases_) {
      tasks_.push_back({&top, depth});
      return;
    }
    if (!expand(*top.node, top.cases, depth, counts_, divide_[0], top.division)) {
      top.wrong = end(*top.node, top.cases);
      return;
    }
    progress_.advance();
    top.below.resize(top.node->children.size());
    for (std::size_t b = 0; b < top.below.size(); ++b) {
      top.below[b].node = &top.node->children[b];
      top.below[b].cases = top.division.branches[b];
      grow_top(top.below[b], depth + 1);
    }
  }

  void finish_top(TopNode& top) {
    if (top.below.empty()) return;
    std::int64_t wrong = 0;
    for (TopNode& below : top.below) {
      finish_top(below);
      wrong += below.wrong;
    }
    top.wrong = finish(*top.node, top.cases, wrong, divide_[0]);
  }

  const C45Problem& problem_;
  ErrorBasedPruning pruning_;
  Progress& progress_;
  std::vector<CodeCounts> counts_;     // [worker]
  std::vector<DivideScratch> divide_;  // [worker]
  std::size_t task_cases_ = 0;
  std::vector<Task> tasks_;
};

}  // namespace

DecisionTree grow_c45(const CodedTable& table, const Response& response, const C45Settings& settings,
                      Progress& progress) {
  std::vector<Case> cases;
  const C45Problem problem = make_problem(table, response, settings, cases);
  return flatten(problem, Grower(problem, resolve_threads(settings.n_threads), progress).run(cases));
}

}  // namespace pygbt
