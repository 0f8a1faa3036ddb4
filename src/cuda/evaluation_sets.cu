// SPDX-License-Identifier: Apache-2.0
#include "evaluation_sets.h"

#include <algorithm>

#include "walk_rows.h"

namespace pygbt::device {

DeviceScoredRows* EvaluationSets::add(const Dataset& data, std::span<const float> scores) {
  auto set = std::make_unique<Set>(device_);
  set->table.load(data, false);
  set->scores.put(scores);
  sets_.push_back(std::move(set));
  return &sets_.back()->rows;
}

void EvaluationSets::add_tree(const BinnedTree& tree) {
  if (sets_.empty()) return;
  Buffer<BinnedNode> nodes(device_);
  Buffer<std::uint32_t> cat_bits(device_);
  Buffer<float> values(device_);
  nodes.put(tree.nodes);
  cat_bits.put(tree.cat_bits);
  values.put(tree.leaf_value);
  Buffer<TreeArguments> arguments(device_);
  TreeArguments of_tree;
  of_tree.first_leaf_target = tree.target;
  arguments.put(std::span(&of_tree, 1));
  const Policy& policy = device_.policy();
  for (const auto& set : sets_) {
    const std::int64_t n = set->table.n_rows();
    const auto n_targets = static_cast<std::int32_t>(static_cast<std::int64_t>(set->scores.size()) / n);
    device_.launch(std::min(policy.n_blocks, (n + policy.n_threads - 1) / policy.n_threads), policy.n_threads,
                   WalkKernel{nullptr, nullptr, n, nodes.data(), cat_bits.data(), set->table.columns(), values.data(),
                              set->scores.data(), arguments.data(), tree.width, n_targets});
  }
}

}  // namespace pygbt::device
