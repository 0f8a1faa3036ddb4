// SPDX-License-Identifier: Apache-2.0
// The boosting loop, one iteration a call: gradients -> trees -> scores of the training and evaluation rows.
// Callbacks, early stopping and custom objectives live in Python between the calls.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "boost/sharing.h"
#include "boost/task_targets.h"
#include "comm/communicator.h"
#include "data/dataset.h"
#include "grow/grower.h"
#include "math/losses.h"
#include "model/model.h"
#include "params/params.h"

namespace pygbt {

using DatasetPtr = std::shared_ptr<const Dataset>;

// The loss that parameters ask for; how many targets it has follows from the labels (boost/labels.h).
LossSpec loss_of(const Params& params);

// A metric of the training rows (-1) or an evaluation set.
struct SetMetric {
  std::int32_t set = -1;
  std::string name;
};

class Trainer {
 public:
  // Continues `init` if given: its trees come first and iterations are numbered on from it, so that k iterations, a
  // file and n - k iterations are n iterations, byte for byte. `data` must be binned with the edges of `init`.
  Trainer(Params params, DatasetPtr data, const Model* init, std::shared_ptr<Communicator> comm);
  // The same with several losses; `tasks` cover the targets and label columns in order (objective kTasks).
  Trainer(Params params, std::vector<TaskLoss> tasks, const Sharing& sharing, DatasetPtr data, const Model* init,
          std::shared_ptr<Communicator> comm);

  // An evaluation set that shares the edges of the training set. Returns its index.
  std::int32_t add_valid(DatasetPtr data);

  // One iteration. False when no tree found a cut (the trees are added all the same).
  bool step(double learning_rate) { return steps({&learning_rate, 1}); }
  // One a learning rate. A device that grows whole trees by itself is waited for once.
  bool steps(std::span<const double> learning_rates);
  // The same round by round, each followed by metrics of evaluation sets: values [round][metric].
  std::vector<double> scored_steps(std::span<const double> learning_rates, std::span<const SetMetric> metrics);
  // One round with given gradients and hessians [row][n_outputs], unweighted; finite, hessians >= 0.
  bool step_custom(double learning_rate, std::span<const float> g, std::span<const float> h);
  // ... where they lie in the memory of the backend's device.
  bool step_custom(double learning_rate, const DeviceMatrix& g, const DeviceMatrix& h);

  // Margins [row][n_outputs] of the training rows (-1) or an evaluation set.
  std::span<const float> scores(std::int32_t set);
  // The same as values: the link of the objective applied.
  std::vector<float> values(std::int32_t set);
  // Its rows where they are on a device, else nullptr.
  DeviceScoredRows* device_rows(std::int32_t set) const;
  double metric(const std::string& name, std::int32_t set);
  Model model() const;

  std::int32_t n_iterations() const { return static_cast<std::int32_t>(trees_.size()) / trees_per_iteration_; }
  std::int32_t n_outputs() const { return loss_.n_targets; }
  const LossSpec& loss() const { return loss_; }
  CutGains transfer() { return queues_ ? backend_->cut_gains() : transfer_; }  // where Sharing::report asks for it

 private:
  struct EvaluationSet {
    DatasetPtr data;
    std::vector<float> scores;
    DeviceScoredRows* device = nullptr;   // of the backend: it keeps the scores, and these are a copy
    std::set<std::string> known_metrics;  // whose labels have been checked
  };
  std::vector<float> start_scores(const DatasetPtr& table) const;
  EvaluationSet& set_at(std::int32_t set) { return set < 0 ? train_ : valids_.at(static_cast<std::size_t>(set)); }
  bool wide_needed(std::int32_t first_target, std::int32_t width);
  // A tree of an iteration to come.
  struct Order {
    std::uint32_t iteration = 0;
    std::int32_t number = 0;  // in the plan
    double learning_rate = 0.0;
  };
  const TreePlan& plan_of(const Order& order) const { return plan_[static_cast<std::size_t>(order.number)]; }
  TreeRequest request_of(const Order& order) const;
  std::uint32_t tree_number(const Order& order) const;
  std::vector<double> quantile_levels(const TreePlan& plan) const;
  std::vector<Order> orders_of(std::span<const double> learning_rates) const;
  void prepare_sharing(const Model* init);
  void prepare_full_leaves();
  void prepare_tree(const Order& order, TreeRequest& request);
  void sketch_targets(const Order& order, TreeRequest& request);
  void take_sketches(TreeRequest& request) const;
  std::vector<CellUnits> balance_factors();
  template <class Gradients>
  bool add_trees(std::span<const double> learning_rates, Gradients&& gradients);
  BinnedTree grow(const Order& order);
  std::vector<BinnedTree> grow_round(std::span<const Order> orders);
  template <class Gradients>
  std::vector<BinnedTree> grow_queued(const std::vector<Order>& orders, Gradients&& gradients);
  Grower& grower_of(const TreePlan& plan) const { return plan.own && own_grower_ ? *own_grower_ : *grower_; }
  TreeKind kind_of(const TreePlan& plan) const;
  TreeOrder queued_order(const Order& order) const;

  Params params_;
  DatasetPtr data_;
  EvaluationSet train_;  // the backend keeps its scores
  std::shared_ptr<Communicator> comm_;
  LossSpec loss_;
  TargetColumns target_columns_;  // of loss_.tasks; the backend reads them
  std::vector<float> base_score_;
  Sharing sharing_;
  std::vector<TreePlan> plan_;              // of an iteration
  std::int32_t trees_per_iteration_ = 1;    // those that stay in the model
  std::vector<TreePtr> trees_;
  std::unique_ptr<Backend> backend_;
  Params own_params_, stem_params_;     // growers refer to theirs
  std::unique_ptr<Grower> grower_;
  std::unique_ptr<Grower> own_grower_;  // of trees that belong to one task under a stem or beside a shared tree
  Stem stem_;
  std::vector<char> used_features_;     // [feature] by any tree of the model
  std::vector<BalancedTargets> balanced_;  // where Sharing::balance asks for it
  CutGains transfer_;
  std::unique_ptr<CutWitness> witness_;  // fills transfer_
  std::unique_ptr<LeafSolver> leaf_solver_;
  bool queues_ = false;  // the backend grows whole trees
  std::vector<TreeKind> kinds_;  // [number in the plan] of them
  bool independent_ = false;  // the trees of a round have a target each and nothing else to share
  std::vector<std::unique_ptr<Grower>> growers_beside_;  // see Backend::beside
  std::vector<char> guessed_wide_;  // [number in the iteration] precision of the last such tree
  std::vector<EvaluationSet> valids_;
};

}  // namespace pygbt
