// SPDX-License-Identifier: Apache-2.0
#include "ensemble/forest.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/pool.h"
#include "cart/grow_cart.h"

namespace pygbt {
namespace {

constexpr double kFactorUnit = 0x1p-20;  // of weights that have factors of classes in them

// Leaves vote: 1 for their label.
void make_votes(Tree& tree, const std::vector<std::int32_t>& labels) {
  std::fill(tree.leaf_value.begin(), tree.leaf_value.end(), 0.0f);
  for (std::size_t leaf = 0; leaf < labels.size(); ++leaf)
    tree.leaf_value[leaf * static_cast<std::size_t>(tree.width) + static_cast<std::size_t>(labels[leaf])] = 1.0f;
}

// Of gains, which to_model_tree leaves in the integers of a regression's targets.
double unit_of_gain(const Response& response, CartCriterion criterion) {
  const double unit = response.n_targets > 0 ? response.target_unit[0] : 1.0;
  return criterion == CartCriterion::kSquaredError    ? unit * unit
         : criterion == CartCriterion::kAbsoluteError ? unit
                                                      : 1.0;
}

// What the trees may be asked: columns with nothing but their kinds, since thresholds stand in the trees.
CutsPtr kinds_of(const CodedTable& table) {
  auto cuts = std::make_shared<Cuts>();
  for (const CodedColumn& column : table.columns) {
    FeatureCuts& feature = cuts->features.emplace_back();
    feature.categorical = column.nominal;
    feature.wide = column.wide;
    feature.n_bins = column.nominal ? column.n_codes : std::min(column.n_codes, 2);
  }
  return cuts;
}

}  // namespace

ForestTrainer::ForestTrainer(const CodedTable& table, const Response& response, ForestOptions options, int n_threads,
                             const Model* start)
    : table_(table),
      options_(std::move(options)),
      n_threads_(n_threads),
      bootstrap_(
          options_.bootstrap ? row_hashes(table, response, n_threads) : std::vector<std::uint64_t>(),
          options_.bootstrap ? std::span<const std::uint32_t>(response.weight) : std::span<const std::uint32_t>()),
      response_(response) {
  gain_unit_ = unit_of_gain(response, options_.tree.criterion);
  require(!options_.balanced || response.n_classes > 0, "class weights: there are no classes in a regression");
  if (start != nullptr) {
    require(start->n_features() == table.n_features() && start->n_outputs() == n_outputs(),
            "the forest to go on with has other columns or outputs");
    trees_ = start->trees();
  }
  if (options_.n_draws == 0) options_.n_draws = natural_draws(response);
  rows_ = make_row_codes(table, n_threads);
  if (!options_.bootstrap) return;
  response_.weight.clear();  // a row weighs as often as it was drawn
  response_.weight_unit = options_.least_share > 0.0 && response.n_classes > 0 ? kFactorUnit : 1.0;
  response_.total_weight = options_.n_draws;
}

void ForestTrainer::counts(std::int32_t index, std::vector<std::uint32_t>& out) const {
  if (options_.bootstrap)
    bootstrap_.counts(options_.tree.seed, static_cast<std::uint32_t>(index), options_.n_draws, out);
  else
    out = response_.weight;
}

// n / (classes x rows of the class), by drawn rows; 1 for classes that were not drawn.
std::vector<double> ForestTrainer::balanced_factors(std::span<const std::uint32_t> drawn) const {
  std::vector<std::uint64_t> of_class(static_cast<std::size_t>(response_.n_classes), 0);
  std::uint64_t total = 0;
  for (std::size_t row = 0; row < response_.label.size(); ++row) {
    const std::uint64_t weight = drawn.empty() ? 1 : drawn[row];
    of_class[static_cast<std::size_t>(response_.label[row])] += weight;
    total += weight;
  }
  const auto present = static_cast<double>(of_class.size()) -
                       static_cast<double>(std::count(of_class.begin(), of_class.end(), std::uint64_t{0}));
  std::vector<double> factors;
  for (const std::uint64_t weight : of_class)
    factors.push_back(weight == 0 ? 1.0 : static_cast<double>(total) / (present * static_cast<double>(weight)));
  return factors;
}

// Drawn rows times the factors of their classes, the largest of which is 1 / kFactorUnit units.
void ForestTrainer::weigh_by_class(const std::vector<double>& factors, std::vector<std::uint32_t>& drawn) const {
  const double most = *std::max_element(factors.begin(), factors.end());
  std::vector<std::uint64_t> units;
  for (const double factor : factors)
    units.push_back(std::max(std::uint64_t{1}, static_cast<std::uint64_t>(std::llround(factor / most / kFactorUnit))));
  for (std::size_t row = 0; row < drawn.size(); ++row) {
    const std::uint64_t weight = drawn[row] * units[static_cast<std::size_t>(response_.label[row])];
    drawn[row] = static_cast<std::uint32_t>(std::min(weight, std::uint64_t{std::numeric_limits<std::uint32_t>::max()}));
  }
}

ForestTrainer::Sample ForestTrainer::sample(std::int32_t index) const {
  Sample made{options_.tree, {}};
  counts(index, made.weights);
  if (options_.balanced) made.options.class_factor = made.options.split_factor = balanced_factors(made.weights);
  if (options_.least_share <= 0.0) return made;
  if (options_.bootstrap && response_.n_classes > 0) {
    std::vector<double> factors = std::move(made.options.class_factor);
    factors.resize(static_cast<std::size_t>(response_.n_classes), 1.0);
    weigh_by_class(factors, made.weights);
    made.options.class_factor.clear();
    made.options.split_factor.clear();
  }
  std::uint64_t total = made.weights.empty() ? static_cast<std::uint64_t>(response_.n_rows) : 0;
  for (const std::uint32_t weight : made.weights) total += weight;
  made.options.min_bucket = options_.least_share * static_cast<double>(total) * response_.weight_unit;
  made.options.min_split = 0.0;
  made.options.count_rows = false;
  return made;
}

void ForestTrainer::grow(std::int32_t n_trees) {
  const std::size_t first = trees_.size();
  std::vector<TreePtr> grown(static_cast<std::size_t>(n_trees));
  const auto take = [&](std::int32_t index, const CartTree& tree, const CartOptions& options) {
    std::vector<std::int32_t> labels;
    Tree made = to_model_tree(tree, table_, response_, options, options_.votes ? &labels : nullptr);
    if (options_.votes) make_votes(made, labels);
    for (float& gain : made.gain) gain = static_cast<float>(gain * gain_unit_);
    grown[static_cast<std::size_t>(index) - first] = make_model_tree(std::move(made));
  };
  const auto begin = static_cast<std::int32_t>(first);
  if (!options_.balanced && options_.least_share <= 0.0) {
    const auto weights = [&](std::int32_t index, std::vector<std::uint32_t>& out) { counts(index, out); };
    grow_forest(table_, rows_, response_, options_.tree, begin, n_trees, response_.total_weight, n_threads_, weights,
                take);
  } else {  // every tree has options of its own
    const int threads = resolve_threads(n_threads_);
    const bool by_tree = n_trees >= threads;
    parallel_for(by_tree ? threads : 1, n_trees, [&](std::int64_t i, int) {
      const std::int32_t index = begin + static_cast<std::int32_t>(i);
      Sample own = sample(index);
      std::uint64_t total = own.weights.empty() ? response_.total_weight : 0;
      for (const std::uint32_t weight : own.weights) total += weight;
      const auto weights = [&](std::int32_t, std::vector<std::uint32_t>& out) { out = std::move(own.weights); };
      grow_forest(table_, rows_, response_, own.options, index, 1, total, by_tree ? 1 : threads, weights, take);
    });
  }
  std::move(grown.begin(), grown.end(), std::back_inserter(trees_));
}

Model ForestTrainer::model() const {
  ModelParts parts;
  parts.cuts = kinds_of(table_);
  parts.loss.n_targets = n_outputs();
  parts.base_score.assign(static_cast<std::size_t>(n_outputs()), 0.0f);
  parts.trees = trees_;
  return Model(std::move(parts));
}

}  // namespace pygbt
