// SPDX-License-Identifier: Apache-2.0
#include "boost/sharing.h"

#include <algorithm>

namespace pygbt {

std::vector<TreePlan> plain_plan(std::int32_t n_targets, std::int32_t width) {
  std::vector<TreePlan> plan;
  for (std::int32_t first = 0; first < n_targets; first += width) {
    TreePlan tree;
    tree.first_target = first;
    tree.width = width;
    tree.new_gradients = first == 0;
    plan.push_back(tree);
  }
  return plan;
}

std::vector<TreePlan> shared_plan(const std::vector<TaskLoss>& tasks, std::int32_t n_targets, const Sharing& sharing) {
  std::vector<TreePlan> plan;
  if (sharing.share != Share::kNone) {
    TreePlan together;
    together.width = n_targets;
    together.new_gradients = true;
    together.stem = sharing.share == Share::kStem;
    plan.push_back(together);
  }
  if (sharing.share == Share::kTree) return plan;
  for (const TaskLoss& task : tasks) {
    // Click and conversion share nothing under kNone, as in ESMM-NS.
    const bool apart = sharing.share == Share::kNone && task.objective == Objective::kEntireSpace;
    const std::int32_t width = apart ? 1 : task.n_targets;
    for (std::int32_t first = 0; first < task.n_targets; first += width) {
      TreePlan tree;
      tree.first_target = task.first_target + first;
      tree.width = width;
      tree.new_gradients = tree.first_target == 0 && sharing.share != Share::kStem;
      tree.own = sharing.share != Share::kNone;
      tree.on_stem = sharing.share == Share::kStem;
      plan.push_back(tree);
    }
  }
  return plan;
}

std::int32_t trees_in_model(const std::vector<TreePlan>& plan) {
  return static_cast<std::int32_t>(
      std::count_if(plan.begin(), plan.end(), [](const TreePlan& tree) { return !tree.stem; }));
}

}  // namespace pygbt
