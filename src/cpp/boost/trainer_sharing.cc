// SPDX-License-Identifier: Apache-2.0
// The part of the trainer that several tasks in one model need: settings of shared and own trees, task balance, sketches,
// penalties on new features, and what the transfer report is made of.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "boost/exact_sum.h"
#include "boost/trainer.h"
#include "math/sketch.h"
#include "math/task_loss.h"

namespace pygbt {

namespace {

bool rates_of_impressions(const TaskLoss& task) { return task.objective == Objective::kEntireSpace; }

// Adds up the gains of shared trees by task.
class TaskWitness final : public CutWitness {
 public:
  TaskWitness(const std::vector<TaskLoss>& tasks, std::int32_t n_targets, CutGains& sums) : sums_(sums) {
    sums.shared.assign(tasks.size(), 0.0);
    sums.own.assign(tasks.size(), 0.0);
    for (const TaskLoss& task : tasks) {
      std::vector<CellUnits> of_task(static_cast<std::size_t>(n_targets), CellUnits{0.0, 0.0});
      std::fill_n(of_task.begin() + task.first_target, task.n_targets, CellUnits{1.0, 1.0});
      tasks_.push_back(std::move(of_task));
    }
  }
  const std::vector<std::vector<CellUnits>>& tasks() const override { return tasks_; }
  void see(std::size_t task, double shared_gain, double own_gain) override {
    sums_.shared[task] += shared_gain;
    sums_.own[task] += own_gain;
    if (task == 0) ++sums_.n_nodes;
  }

 private:
  std::vector<std::vector<CellUnits>> tasks_;
  CutGains& sums_;
};

}  // namespace

void Trainer::prepare_sharing(const Model* init) {
  const bool symmetric = params_.grow_policy == GrowPolicy::kSymmetric;
  require(sharing_.share != Share::kStem || !symmetric,
          "share \"stem\" needs grow_policy \"depthwise\" or \"lossguide\"");
  require(sharing_.share != Share::kStem || sharing_.stem_depth >= 1, "share \"stem:d\" needs d of at least 1");
  require(sharing_.feature_penalty == 0.0 || !symmetric,
          "feature_penalty needs grow_policy \"depthwise\" or \"lossguide\"");
  const bool changed_gains = sharing_.balance || sharing_.sketch > 0;
  require(!changed_gains || params_.monotone_constraints.empty(),
          "balance and sketch change what cuts are judged by and do not go together with monotone_constraints");
  require(sharing_.sketch < loss_.n_targets || sharing_.sketch == 0,
          "sketch must be smaller than the number of targets, " + std::to_string(loss_.n_targets));
  require(sharing_.sketch == 0 || sharing_.share == Share::kTree, "sketch needs share \"tree\"");

  own_params_ = params_;
  if (sharing_.own_reg_lambda) own_params_.reg_lambda = *sharing_.own_reg_lambda;
  own_grower_ = std::make_unique<Grower>(own_params_, *data_->cuts);
  if (sharing_.share == Share::kStem) {  // the stem is a shallow tree of its own
    stem_params_ = params_;
    stem_params_.max_depth =
        params_.max_depth > 0 ? std::min(params_.max_depth, sharing_.stem_depth) : sharing_.stem_depth;
    grower_ = std::make_unique<Grower>(stem_params_, *data_->cuts);
  }
  if (sharing_.feature_penalty > 0.0) {
    used_features_.assign(static_cast<std::size_t>(data_->n_features()), 0);
    if (init != nullptr)
      for (const TreePtr& tree : trees_)
        for (std::size_t i = 0; i < tree->tree.left.size(); ++i)
          if (tree->tree.left[i] >= 0) used_features_[static_cast<std::size_t>(tree->tree.feature[i])] = 1;
    for (Grower* const grower : {grower_.get(), own_grower_.get()})
      grower->set_feature_penalty(sharing_.feature_penalty, &used_features_);
  }
  if (sharing_.report && sharing_.share != Share::kNone && sharing_.sketch == 0) {
    witness_ = std::make_unique<TaskWitness>(loss_.tasks, loss_.n_targets, transfer_);
    grower_->set_witness(witness_.get());
  }
  if (sharing_.balance) {
    const TaskTargets targets = target_columns_.view(*data_);
    const auto live =
        exact_sums(data_->n_rows, loss_.n_targets, *comm_, params_.n_threads, [&](std::int64_t row, ExactSum* sum) {
          const TaskRow of = task_row(targets, loss_.n_targets, row);
          for (const TaskLoss& task : loss_.tasks)
            for (std::int32_t k = 0; k < task.n_targets; ++k)
              // Both rates of the entire space are learnt on every impression with a click label.
              if (blended_target(task, of, rates_of_impressions(task) ? 0 : k).weight > 0.0f)
                sum[task.first_target + k].add(1.0, data_->weight(row));
        });
    auto total = static_cast<std::int64_t>(data_->total_weight);
    comm_->allreduce_sum({&total, 1});
    for (const TaskLoss& task : loss_.tasks) {
      const std::int32_t together = rates_of_impressions(task) ? 1 : task.n_targets;  // targets that share a factor
      for (std::int32_t first = 0; first < task.n_targets; first += together) {
        BalancedTargets& of = balanced_.emplace_back(BalancedTargets{task.first_target + first, together, task.weight});
        for (std::int32_t target = of.first; target < of.first + of.n; ++target)
          of.live += live[static_cast<std::size_t>(target)].value() / static_cast<double>(total);
      }
    }
  }
}

// Of all targets (math/balance.h). Click and conversion are balanced against each other: they are two questions in one loss.
std::vector<CellUnits> Trainer::balance_factors() {
  std::vector<CellUnits> factors(static_cast<std::size_t>(loss_.n_targets));
  for (const BalancedTargets& of : balanced_) {
    double magnitude = 0.0, hessian = 0.0;
    for (std::int32_t target = of.first; target < of.first + of.n; ++target) {
      const LossTotals totals = backend_->totals(target);
      magnitude += totals.mean_g;
      hessian += totals.mean_h;
    }
    const BalanceFactor factor = balance_factor(of, magnitude, hessian);
    std::fill_n(factors.begin() + of.first, of.n, CellUnits{factor.g, factor.h});
  }
  return factors;
}

// The tree is grown on sketches, its leaves are of all targets.
void Trainer::take_sketches(TreeRequest& request) const {
  request.first_leaf_target = 0;
  request.leaf_width = loss_.n_targets;
  request.first_target = loss_.n_targets;
  request.width = sharing_.sketch;
}

void Trainer::sketch_targets(const Order& order, TreeRequest& request) {
  const std::int32_t n = loss_.n_targets;
  std::vector<float> factors;
  if (sharing_.sketch_kind == SketchKind::kRandomProjection) {
    factors = random_projection(params_.seed, order.iteration, sharing_.sketch, n);
  } else {  // the targets of the largest gradients, the lower of equal ones
    std::vector<double> magnitude;
    for (std::int32_t k = 0; k < n; ++k) magnitude.push_back(backend_->totals(k).mean_g);
    std::vector<std::size_t> largest(static_cast<std::size_t>(n));
    std::iota(largest.begin(), largest.end(), std::size_t{0});
    std::stable_sort(largest.begin(), largest.end(),
                     [&](std::size_t a, std::size_t b) { return magnitude[a] > magnitude[b]; });
    factors.assign(static_cast<std::size_t>(sharing_.sketch) * static_cast<std::size_t>(n), 0.0f);
    for (std::size_t j = 0; j < static_cast<std::size_t>(sharing_.sketch); ++j)
      factors[j * static_cast<std::size_t>(n) + largest[j]] = 1.0f;
  }
  if (sharing_.balance) {
    const std::vector<CellUnits> balance = balance_factors();
    for (std::size_t i = 0; i < factors.size(); ++i)
      factors[i] *= static_cast<float>(balance[i % static_cast<std::size_t>(n)].g);
  }
  backend_->sketch(sharing_.sketch, factors);
  take_sketches(request);
}

// Settings of the grower for one tree of the plan.
void Trainer::prepare_tree(const Order& order, TreeRequest& request) {
  const TreePlan& plan = plan_of(order);
  Grower& grower = grower_of(plan);
  const bool together = plan.width == loss_.n_targets;
  if (sharing_.sketch > 0)
    sketch_targets(order, request);
  else if (sharing_.balance && together)
    grower.set_target_factors(balance_factors());
  if (plan.own) grower.set_stem(plan.on_stem ? &stem_ : nullptr, plan.first_target);
}

}  // namespace pygbt
