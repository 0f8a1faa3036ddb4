// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include <string>
#include <utility>

#include "base/error.h"

namespace pygbt {

Model::Model(ModelParts parts) : parts_(std::move(parts)) {
  require(parts_.cuts != nullptr, "a model needs the edges its trees were grown on");
  require(!parts_.base_score.empty(), "a model needs at least one output");
  require(parts_.loss.n_targets == n_outputs(), "base_score must have one value for each output of the objective");
  require(parts_.trees_per_iteration >= 1, "trees_per_iteration must be at least 1");
  require(parts_.trees.size() % static_cast<std::size_t>(parts_.trees_per_iteration) == 0,
          "the last iteration of the model is incomplete");
}

Model Model::slice(std::int32_t begin, std::int32_t end, std::int32_t step) const {
  require(step >= 1, "step must be at least 1, got " + std::to_string(step));
  require(begin >= 0 && begin <= end && end <= n_iterations(), "iterations " + std::to_string(begin) + " to " +
                                                                   std::to_string(end) + " lie outside 0 to " +
                                                                   std::to_string(n_iterations()));
  ModelParts parts{parts_.cuts, parts_.loss, parts_.base_score, parts_.trees_per_iteration, {}};
  for (std::int64_t i = begin; i < end; i += step) {
    const auto first = parts_.trees.begin() + i * trees_per_iteration();
    parts.trees.insert(parts.trees.end(), first, first + trees_per_iteration());
  }
  return Model(std::move(parts));
}

std::vector<double> Model::feature_importance(Importance kind) const {
  const auto n = static_cast<std::size_t>(n_features());
  std::vector<double> sum(n, 0.0), splits(n, 0.0);
  for (const TreePtr& each : parts_.trees) {
    const Tree& tree = each->tree;
    for (std::size_t i = 0; i < tree.left.size(); ++i) {
      if (tree.left[i] < 0) continue;
      const auto f = static_cast<std::size_t>(tree.feature[i]);
      splits[f] += 1.0;
      const bool cover = kind == Importance::kCover || kind == Importance::kTotalCover;
      sum[f] += cover ? tree.cover[i] : static_cast<double>(tree.gain[i]);
    }
  }
  if (kind == Importance::kSplitCount) return splits;
  if (kind == Importance::kGain || kind == Importance::kCover) {
    for (std::size_t f = 0; f < n; ++f) sum[f] = splits[f] > 0.0 ? sum[f] / splits[f] : 0.0;
  }
  return sum;
}

Importance parse_importance(std::string_view name) {
  if (name == "gain") return Importance::kGain;
  if (name == "total_gain") return Importance::kTotalGain;
  if (name == "cover") return Importance::kCover;
  if (name == "total_cover") return Importance::kTotalCover;
  if (name == "split_count") return Importance::kSplitCount;
  throw InvalidArgument("kind must be gain, total_gain, cover, total_cover or split_count, got '" + std::string(name) +
                        "'");
}

}  // namespace pygbt
