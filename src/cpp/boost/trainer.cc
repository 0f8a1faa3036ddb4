// SPDX-License-Identifier: Apache-2.0
#include "boost/trainer.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "base/pool.h"
#include "boost/base_score.h"
#include "boost/full_leaves.h"
#include "boost/host_rows.h"
#include "boost/labels.h"
#include "boost/metric.h"
#include "boost/queries.h"
#include "boost/task_targets.h"
#include "math/links.h"
#include "math/quantise.h"
#include "math/sketch.h"
#include "tree/binned_tree.h"

namespace pygbt {

LossSpec loss_of(const Params& params) {
  LossSpec loss;
  loss.objective = params.objective;
  loss.hessian = params.softmax_hessian;
  loss.huber_delta = static_cast<float>(params.huber_delta);
  loss.tweedie_power = static_cast<float>(params.tweedie_variance_power);
  loss.scale_pos_weight = static_cast<float>(params.scale_pos_weight);
  loss.quantile_alpha.assign(params.quantile_alpha.begin(), params.quantile_alpha.end());
  loss.rank = rank_spec(params);
  return loss;
}

namespace {

void check_init(const Model& init, const LossSpec& loss, const Dataset& data, std::int32_t trees_per_iteration) {
  require(init.n_features() == data.n_features(), "init_model was trained on " + std::to_string(init.n_features()) +
                                                      " features, the data has " + std::to_string(data.n_features()));
  require(init.loss().objective == loss.objective && init.n_outputs() == loss.n_targets,
          "init_model has objective " + objective_name(init.loss().objective) + " with " +
              std::to_string(init.n_outputs()) + " outputs, the parameters ask for " + objective_name(loss.objective) +
              " with " + std::to_string(loss.n_targets) + "; continue with the same objective and classes");
  require(init.n_trees() == 0 || init.trees_per_iteration() == trees_per_iteration,
          "init_model was grown with another multi_strategy; continue with the same one");
}

}  // namespace

Trainer::Trainer(Params params, DatasetPtr data, const Model* init, std::shared_ptr<Communicator> comm)
    : Trainer(std::move(params), {}, Sharing{}, std::move(data), init, std::move(comm)) {}

Trainer::Trainer(Params params, std::vector<TaskLoss> tasks, const Sharing& sharing, DatasetPtr data, const Model* init,
                 std::shared_ptr<Communicator> comm)
    : params_(std::move(params)), data_(std::move(data)), comm_(std::move(comm)), sharing_(sharing) {
  validate(params_);
  validate_features(params_, data_->n_features());
  check_queries(params_.objective, *data_);
  require(data_->n_labels + data_->n_teacher > 0 || params_.objective == Objective::kCustom,
          "the training Dataset has no label");
  require_bins_on(*data_, std::string(to_string(params_.device)), params_.device_ordinal);
  LossSpec loss = loss_of(params_);
  loss.tasks = std::move(tasks);
  loss_ = resolve_labels(std::move(loss), params_.n_classes, *data_, *comm_);
  if (needs_tasks(loss_, *data_)) {
    if (loss_.tasks.empty()) loss_.tasks = tasks_of(loss_, params_, *data_);
    check_teacher(loss_.tasks, *data_, loss_.n_targets);
    target_columns_ = make_target_columns(loss_.tasks, *data_, loss_.n_targets, params_.n_threads);
  }
  plan_ = loss_.objective == Objective::kTasks
              ? shared_plan(loss_.tasks, loss_.n_targets, sharing_)
              : plain_plan(loss_.n_targets, params_.multi_strategy == MultiStrategy::kVectorLeaf ? loss_.n_targets : 1);
  trees_per_iteration_ = trees_in_model(plan_);
  if (init != nullptr) {
    check_init(*init, loss_, *data_, trees_per_iteration_);
    base_score_ = init->base_score();
    trees_ = init->trees();
  } else {
    base_score_ = loss_.tasks.empty() || params_.base_score
                      ? base_scores(loss_, *data_, params_.base_score, *comm_, params_.n_threads)
                      : task_base_scores(loss_.tasks, target_columns_.view(*data_), *data_, loss_.n_targets, *comm_,
                                         params_.n_threads);
  }
  backend_ = make_backend(std::string(to_string(params_.device)), params_.device_ordinal);
  backend_->load(*data_, loss_.n_targets, *comm_, params_.n_threads);
  if (!loss_.tasks.empty()) backend_->set_task_targets(target_columns_.view(*data_));
  if (data_->n_margins == 0 && trees_.empty())
    backend_->start_scores(base_score_);
  else
    backend_->set_scores(start_scores(data_));
  train_.data = data_;
  train_.device = backend_->training_rows();
  grower_ = std::make_unique<Grower>(params_, *data_->cuts);
  guessed_wide_.assign(plan_.size(), 0);
  if (loss_.objective == Objective::kTasks) prepare_sharing(init);
  independent_ = plan_.size() > 1 && plan_[0].width == 1 && quantile_levels(plan_[0]).empty() &&
                 loss_.objective != Objective::kTasks;
  if (params_.leaf_solve == LeafSolve::kFull) prepare_full_leaves();
  for (const TreePlan& plan : plan_) kinds_.push_back(kind_of(plan));
  queues_ =
      std::all_of(kinds_.begin(), kinds_.end(), [&](const TreeKind& kind) { return backend_->grows_trees(kind); });
}

// What the trees of a plan have in common, for a backend that grows them by itself.
TreeKind Trainer::kind_of(const TreePlan& plan) const {
  TreeKind kind = grower_of(plan).kind(plan.width);
  if (plan.stem || plan.on_stem) {
    kind.stem = plan.stem ? StemUse::kMakes : StemUse::kGrowsOn;
    kind.stem_depth = stem_params_.max_depth;
  }
  if (plan.width == loss_.n_targets) kind.balance = balanced_;
  if (sharing_.sketch == 0) return kind;
  kind.sketch = kind.width = sharing_.sketch;
  kind.sketch_kind = sharing_.sketch_kind;
  kind.leaf_width = loss_.n_targets;
  return kind;
}

void Trainer::prepare_full_leaves() {
  require(loss_.objective == Objective::kSoftmax && params_.multi_strategy == MultiStrategy::kVectorLeaf,
          "leaf_solve \"full\" needs objective \"softmax\" and multi_strategy \"vector_leaf\"");
  require(params_.reg_lambda > 0.0, "leaf_solve \"full\" needs reg_lambda above 0: the curvature alone is singular");
  require(params_.reg_alpha == 0.0 && resolved_max_delta_step(params_) == 0.0 && params_.monotone_constraints.empty(),
          "leaf_solve \"full\" does not go with reg_alpha, max_delta_step or monotone_constraints");
  require(comm_->size() == 1, "leaf_solve \"full\" works in one process");
  const std::vector<TaskLoss> tasks = loss_.tasks.empty() ? tasks_of(loss_, params_, *data_) : loss_.tasks;
  require(tasks[0].match == TeacherMatch::kLoss || target_columns_.soft.empty(),
          "leaf_solve \"full\" needs teacher_match \"loss\"");
  leaf_solver_ = std::make_unique<FullSoftmaxLeaves>(tasks[0], target_columns_.view(*data_), *data_, params_.reg_lambda,
                                                     params_.n_threads);
  grower_->set_leaf_solver(leaf_solver_.get());
}

// Base score or base margin, then every tree in order, in float32: what n iterations in one run leave behind.
std::vector<float> Trainer::start_scores(const DatasetPtr& table) const {
  const Dataset& data = *table;
  const auto n_outputs = static_cast<std::size_t>(loss_.n_targets);
  const std::size_t cells = static_cast<std::size_t>(data.n_rows) * n_outputs;
  std::vector<float> scores(cells);
  if (data.n_margins > 0) {
    require(data.n_margins == loss_.n_targets, "base_margin has " + std::to_string(data.n_margins) +
                                                   " columns, the model has " + std::to_string(n_outputs) + " outputs");
    std::copy(data.base_margin.begin(), data.base_margin.end(), scores.begin());
  } else {
    fill_rows(base_score_, scores);
  }
  if (trees_.empty()) return scores;
  const DatasetPtr here = with_host_columns(table);
  for (const TreePtr& tree : trees_)
    add_tree_scores(to_bins(tree->tree, *data.cuts), *here, scores, loss_.n_targets, params_.n_threads);
  return scores;
}

std::int32_t Trainer::add_valid(DatasetPtr data) {
  require(data->cuts == data_->cuts,
          "an evaluation set must share the edges of the training set: build it with reference=");
  check_labels(loss_, *data);
  check_queries(params_.objective, *data);
  require_bins_on(*data, std::string(to_string(params_.device)), params_.device_ordinal);
  EvaluationSet valid;
  valid.scores = start_scores(data);
  valid.device = backend_->add_evaluation_set(*data, valid.scores);
  valid.data = std::move(data);
  valids_.push_back(std::move(valid));
  return static_cast<std::int32_t>(valids_.size()) - 1;
}

// One tree has one precision: wide if any of its targets needs it.
bool Trainer::wide_needed(std::int32_t first_target, std::int32_t width) {
  if (params_.histogram_precision != HistogramPrecision::kAuto)
    return params_.histogram_precision == HistogramPrecision::kWide;
  std::int64_t total = static_cast<std::int64_t>(data_->total_weight);
  comm_->allreduce_sum({&total, 1});
  for (std::int32_t k = 0; k < width; ++k) {
    const LossTotals totals = backend_->totals(first_target + k);
    if (!narrow_is_enough(totals.max_g, totals.spread_g, totals.max_h, totals.mean_h,
                          static_cast<std::uint64_t>(total)))
      return true;
  }
  return false;
}

TreeRequest Trainer::request_of(const Order& order) const {
  const TreePlan& plan = plan_of(order);
  TreeRequest request;
  request.first_target = plan.first_target;
  request.width = plan.width;
  request.seed = params_.seed;
  request.iteration = order.iteration;
  request.subsample = params_.subsample;
  const bool alike = loss_.objective != Objective::kTasks && plan.width == 1;
  request.trees_after = alike ? static_cast<std::int32_t>(plan_.size()) - 1 - order.number : 0;
  return request;
}

std::uint32_t Trainer::tree_number(const Order& order) const {
  return order.iteration * static_cast<std::uint32_t>(plan_.size()) + static_cast<std::uint32_t>(order.number);
}

// Of the residuals, where they set the leaf values of a tree; else empty.
std::vector<double> Trainer::quantile_levels(const TreePlan& plan) const {
  std::vector<double> levels;
  for (std::int32_t k = 0; k < plan.width; ++k) levels.push_back(leaf_quantile_level(loss_, plan.first_target + k));
  if (std::all_of(levels.begin(), levels.end(), [](double level) { return level < 0.0; })) levels.clear();
  return levels;
}

std::vector<Trainer::Order> Trainer::orders_of(std::span<const double> learning_rates) const {
  std::vector<Order> orders;
  auto iteration = static_cast<std::uint32_t>(n_iterations());
  for (const double rate : learning_rates) {
    require(std::isfinite(rate) && rate > 0.0, "learning_rate must be a positive finite number");
    for (std::size_t number = 0; number < plan_.size(); ++number)
      orders.push_back({iteration, static_cast<std::int32_t>(number), rate});
    ++iteration;
  }
  return orders;
}

// The tree, its leaf values added to the scores; those of a stem are not.
BinnedTree Trainer::grow(const Order& order) {
  const TreePlan& plan = plan_of(order);
  TreeRequest request = request_of(order);
  if (loss_.objective == Objective::kTasks) prepare_tree(order, request);
  // What grows on a stem reads its sums: they must be of the same integers.
  const bool of_all = plan.stem || plan.on_stem;
  request.wide = of_all ? wide_needed(0, loss_.n_targets) : wide_needed(request.first_target, request.width);
  Grower& grower = grower_of(plan);
  GrownTree grown = grower.grow(*backend_, request, tree_number(order), order.learning_rate, quantile_levels(plan));
  if (plan.stem)
    stem_ = grower.stem();
  else
    backend_->add_scores(grown.tree, grown.leaf_nodes);
  return std::move(grown.tree);
}

// The trees of a round, at the same time if the backend has others beside it.
std::vector<BinnedTree> Trainer::grow_round(std::span<const Order> orders) {
  std::vector<TreeRequest> requests;
  for (const Order& order : orders) {
    TreeRequest& request = requests.emplace_back(request_of(order));
    request.count_rows = grower_->counts_rows();
  }
  std::vector<Backend*> backends;
  if (params_.histogram_precision != HistogramPrecision::kWide) backends = backend_->beside(requests[0]);
  const auto is_wide = [&](const TreeRequest& request) { return wide_needed(request.first_target, request.width); };
  std::vector<BinnedTree> trees(orders.size());
  if (backends.empty() || std::any_of(requests.begin(), requests.end(), is_wide)) {
    for (std::size_t i = 0; i < orders.size(); ++i) trees[i] = grow(orders[i]);
    return trees;
  }
  while (growers_beside_.size() < backends.size())
    growers_beside_.push_back(std::make_unique<Grower>(params_, *data_->cuts));
  parallel_for(static_cast<int>(backends.size()), static_cast<std::int64_t>(orders.size()),
               [&](std::int64_t tree, int worker) {
                 const auto at = static_cast<std::size_t>(tree);
                 Backend& backend = *backends[static_cast<std::size_t>(worker)];
                 GrownTree grown = growers_beside_[static_cast<std::size_t>(worker)]->grow(
                     backend, requests[at], tree_number(orders[at]), orders[at].learning_rate, {});
                 backend.add_scores(grown.tree, grown.leaf_nodes);
                 trees[at] = std::move(grown.tree);
               });
  return trees;
}

// What `grow` asks of the grow loop, for a backend that needs none.
TreeOrder Trainer::queued_order(const Order& order) const {
  const TreePlan& plan = plan_of(order);
  TreeRequest request = request_of(order);
  const bool guessed = params_.histogram_precision == HistogramPrecision::kAuto;
  // What grows on a stem reads its sums: they must be of the same integers. The stem is the first of its iteration.
  const std::size_t decides = plan.on_stem ? 0 : static_cast<std::size_t>(order.number);
  request.wide = guessed ? guessed_wide_[decides] != 0 : params_.histogram_precision == HistogramPrecision::kWide;
  if (sharing_.sketch > 0) take_sketches(request);
  TreeOrder queued = grower_of(plan).order(kinds_[static_cast<std::size_t>(order.number)], request, tree_number(order),
                                           order.learning_rate, quantile_levels(plan));
  queued.guessed = guessed && !plan.on_stem;
  return queued;
}

// Trees as `grow` makes them, queued. Where a tree's precision was guessed wrong it is queued again, with those after it.
template <class Gradients>
std::vector<BinnedTree> Trainer::grow_queued(const std::vector<Order>& orders, Gradients&& gradients) {
  std::vector<BinnedTree> trees;
  bool again = false;
  while (trees.size() < orders.size()) {
    for (std::size_t i = trees.size(); i < orders.size(); ++i) {
      const Order& order = orders[i];
      if (plan_of(order).new_gradients && !(again && i == trees.size())) gradients(order.iteration);
      TreeOrder queued = queued_order(order);
      SketchFactors projection;
      if (queued.kind.sketch > 0 && queued.kind.sketch_kind == SketchKind::kRandomProjection)
        queued.sketch_factors = projection =
            random_projection(params_.seed, order.iteration, sharing_.sketch, loss_.n_targets);
      backend_->queue_tree(queued);
    }
    for (OrderedTree& tree : backend_->finish_trees()) trees.push_back(Grower::finished(std::move(tree)));
    if (trees.size() < orders.size()) guessed_wide_[static_cast<std::size_t>(orders[trees.size()].number)] ^= 1;
    again = true;
  }
  return trees;
}

// Trees of the iterations to come. All trees of an iteration are kept, or none.
template <class Gradients>
bool Trainer::add_trees(std::span<const double> learning_rates, Gradients&& gradients) {
  const std::vector<Order> orders = orders_of(learning_rates);
  std::vector<BinnedTree> grown;
  if (queues_) {
    std::vector<BinnedTree> queued = grow_queued(orders, gradients);
    for (std::size_t i = 0; i < orders.size(); ++i)
      if (!plan_of(orders[i]).stem) grown.push_back(std::move(queued[i]));
  } else {
    const std::size_t together = independent_ ? plan_.size() : 1;
    for (std::size_t i = 0; i < orders.size(); i += together) {
      const Order& order = orders[i];
      if (plan_of(order).new_gradients) gradients(order.iteration);
      if (independent_) {
        std::vector<BinnedTree> round = grow_round({orders.data() + i, together});
        std::move(round.begin(), round.end(), std::back_inserter(grown));
        continue;
      }
      BinnedTree tree = grow(order);
      if (!plan_of(order).stem) grown.push_back(std::move(tree));
    }
  }
  std::vector<TreePtr> trees;
  bool found = false;
  for (const BinnedTree& tree : grown) {
    trees.push_back(make_model_tree(to_tree(tree, *data_->cuts)));
    found = found || tree.nodes.size() > 1;
  }
  for (const BinnedTree& tree : grown) {
    backend_->add_to_evaluation_sets(tree);
    for (EvaluationSet& valid : valids_)
      if (valid.device == nullptr) add_tree_scores(tree, *valid.data, valid.scores, loss_.n_targets, params_.n_threads);
  }
  trees_.insert(trees_.end(), trees.begin(), trees.end());
  return found;
}

bool Trainer::steps(std::span<const double> learning_rates) {
  return add_trees(learning_rates, [&](std::uint32_t iteration) {
    loss_.rank.iteration = iteration;
    backend_->gradients(loss_);
  });
}

std::vector<double> Trainer::scored_steps(std::span<const double> learning_rates, std::span<const SetMetric> metrics) {
  std::vector<double> values;
  for (const double& rate : learning_rates) {
    steps({&rate, 1});
    for (const SetMetric& of : metrics) values.push_back(metric(of.name, of.set));
  }
  return values;
}

bool Trainer::step_custom(double learning_rate, std::span<const float> g, std::span<const float> h) {
  const auto finite = [](float x) { return std::isfinite(x); };
  require(std::all_of(g.begin(), g.end(), finite),
          "objective: the callable returned a gradient that is NaN or infinite");
  require(std::all_of(h.begin(), h.end(), [](float x) { return std::isfinite(x) && x >= 0.0f; }),
          "objective: the callable returned a hessian that is negative, NaN or infinite");
  return add_trees({&learning_rate, 1}, [&](std::uint32_t) { backend_->set_gradients(g, h); });
}

bool Trainer::step_custom(double learning_rate, const DeviceMatrix& g, const DeviceMatrix& h) {
  return add_trees({&learning_rate, 1}, [&](std::uint32_t) {
    const GradientFaults faults = backend_->set_device_gradients(g, h);
    require(!faults.gradient_not_finite, "objective: the gradient must be finite");
    require(!faults.hessian_not_finite, "objective: the hessian must be finite");
    require(!faults.hessian_negative, "objective: the hessian must not be negative");
  });
}

DeviceScoredRows* Trainer::device_rows(std::int32_t set) const {
  return set < 0 ? train_.device : valids_.at(static_cast<std::size_t>(set)).device;
}

std::span<const float> Trainer::scores(std::int32_t set) {
  if (set < 0) return backend_->scores();
  EvaluationSet& valid = set_at(set);
  if (valid.device != nullptr) valid.device->scores(valid.scores);
  return valid.scores;
}

std::vector<float> Trainer::values(std::int32_t set) {
  const auto margins = scores(set);
  std::vector<float> values(margins.begin(), margins.end());
  const Link link = link_of(loss_.objective);
  for (std::size_t at = 0; at < values.size(); at += base_score_.size())
    apply_link(link, values.data() + at, loss_.n_targets);
  return values;
}

double Trainer::metric(const std::string& name, std::int32_t set) {
  EvaluationSet& of = set_at(set);
  if (!of.known_metrics.contains(name)) check_metric_labels(name, loss_, *of.data, *comm_);
  of.known_metrics.insert(name);
  if (of.device != nullptr) return metric_value(name, loss_, *of.device, *of.data, *comm_, params_.n_threads);
  HostRows rows(scores(set), *of.data, *comm_, params_.n_threads);
  return metric_value(name, loss_, rows, *of.data, *comm_, params_.n_threads);
}

Model Trainer::model() const {
  ModelParts parts;
  parts.cuts = data_->cuts;
  parts.loss = loss_;
  parts.base_score = base_score_;
  parts.trees_per_iteration = trees_per_iteration_;
  parts.trees = trees_;
  return Model(std::move(parts));
}

}  // namespace pygbt
