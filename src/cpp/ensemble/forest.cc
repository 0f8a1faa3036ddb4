// SPDX-License-Identifier: Apache-2.0
#include "ensemble/forest.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "cart/grow_cart.h"

namespace pygbt {
namespace {

// Leaves vote: 1 for their label.
void make_votes(Tree& tree, const std::vector<std::int32_t>& labels) {
  std::fill(tree.leaf_value.begin(), tree.leaf_value.end(), 0.0f);
  for (std::size_t leaf = 0; leaf < labels.size(); ++leaf)
    tree.leaf_value[leaf * static_cast<std::size_t>(tree.width) + static_cast<std::size_t>(labels[leaf])] = 1.0f;
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

ForestTrainer::ForestTrainer(const CodedTable& table, const Response& response, ForestOptions options, int n_threads)
    : table_(table),
      options_(std::move(options)),
      n_threads_(n_threads),
      bootstrap_(
          options_.bootstrap ? row_hashes(table, response, n_threads) : std::vector<std::uint64_t>(),
          options_.bootstrap ? std::span<const std::uint32_t>(response.weight) : std::span<const std::uint32_t>()),
      response_(response) {
  if (options_.n_draws == 0) options_.n_draws = natural_draws(response);
  rows_ = make_row_codes(table, n_threads);
  if (!options_.bootstrap) return;
  response_.weight.clear();  // a row weighs as often as it was drawn
  response_.weight_unit = 1.0;
  response_.total_weight = options_.n_draws;
}

void ForestTrainer::counts(std::int32_t index, std::vector<std::uint32_t>& out) const {
  if (options_.bootstrap)
    bootstrap_.counts(options_.tree.seed, static_cast<std::uint32_t>(index), options_.n_draws, out);
  else
    out = response_.weight;
}

void ForestTrainer::grow(std::int32_t n_trees) {
  const std::size_t first = trees_.size();
  std::vector<TreePtr> grown(static_cast<std::size_t>(n_trees));
  grow_forest(
      table_, rows_, response_, options_.tree, static_cast<std::int32_t>(first), n_trees, n_threads_,
      [&](std::int32_t index, std::vector<std::uint32_t>& out) { counts(index, out); },
      [&](std::int32_t index, const CartTree& tree, const CartOptions& options) {
        std::vector<std::int32_t> labels;
        Tree made = to_model_tree(tree, table_, response_, options, options_.votes ? &labels : nullptr);
        if (options_.votes) make_votes(made, labels);
        grown[static_cast<std::size_t>(index) - first] = make_model_tree(std::move(made));
      });
  std::move(grown.begin(), grown.end(), std::back_inserter(trees_));
}

Model ForestTrainer::model() const {
  ModelParts parts;
  parts.cuts = kinds_of(table_);
  const std::int32_t width = response_.n_classes > 0 ? response_.n_classes : response_.n_targets;
  parts.loss.n_targets = width;
  parts.base_score.assign(static_cast<std::size_t>(width), 0.0f);
  parts.trees = trees_;
  return Model(std::move(parts));
}

}  // namespace pygbt
