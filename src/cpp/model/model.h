// SPDX-License-Identifier: Apache-2.0
// A trained model: trees, the edges they were grown on, the loss and the starting margins. Immutable and cheap to
// copy (trees are shared), so any number of threads may predict with one Model at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "data/cuts.h"
#include "math/losses.h"
#include "model/device_models.h"
#include "model/forest.h"
#include "model/model_tree.h"

namespace pygbt {

// What a Model is made of.
struct ModelParts {
  CutsPtr cuts;
  LossSpec loss;
  std::vector<float> base_score;          // [n_outputs] margins before the first tree
  std::int32_t trees_per_iteration = 1;   // 1 for vector leaves or one output, else usually n_outputs
  std::vector<TreePtr> trees;             // in the order in which they are added
};

enum class Importance : std::uint8_t { kGain, kTotalGain, kCover, kTotalCover, kSplitCount };

class Model {
 public:
  // Throws InvalidArgument where the parts do not fit together (the trees themselves are trusted).
  explicit Model(ModelParts parts);

  const Cuts& cuts() const { return *parts_.cuts; }
  const CutsPtr& shared_cuts() const { return parts_.cuts; }
  const LossSpec& loss() const { return parts_.loss; }
  const std::vector<float>& base_score() const { return parts_.base_score; }
  const std::vector<TreePtr>& trees() const { return parts_.trees; }
  const Tree& tree(std::int32_t index) const { return parts_.trees[static_cast<std::size_t>(index)]->tree; }

  std::int32_t n_features() const { return parts_.cuts->n_features(); }
  std::int32_t n_outputs() const { return static_cast<std::int32_t>(parts_.base_score.size()); }
  std::int32_t n_trees() const { return static_cast<std::int32_t>(parts_.trees.size()); }
  std::int32_t trees_per_iteration() const { return parts_.trees_per_iteration; }
  std::int32_t n_iterations() const { return n_trees() / trees_per_iteration(); }

  // All trees packed for many rows, or nullptr while fewer rows were predicted than pay for it (or if they do not fit).
  const Forest* forest(std::int64_t n_rows) const { return forest_->after_rows(n_rows, cuts(), trees()); }

  // The model on devices, see model/device_predict.
  DeviceModels& on_devices() const { return *on_devices_; }

  // Iterations begin, begin + step, ... below end. Throws InvalidArgument outside 0 .. n_iterations.
  Model slice(std::int32_t begin, std::int32_t end, std::int32_t step = 1) const;

  // One number a feature: mean or sum of the gains or covers of its splits, or their number.
  std::vector<double> feature_importance(Importance kind) const;

 private:
  ModelParts parts_;
  std::shared_ptr<LazyForest> forest_ = std::make_shared<LazyForest>();
  std::shared_ptr<DeviceModels> on_devices_ = std::make_shared<DeviceModels>();
};

// "gain", "total_gain", "cover", "total_cover", "split_count"; throws InvalidArgument for others.
Importance parse_importance(std::string_view name);

}  // namespace pygbt
