// SPDX-License-Identifier: Apache-2.0
// Draws of columns by node and interaction sets: what the device is told of them, and their launch.
#include <algorithm>
#include <vector>

#include "cuda_backend.h"
#include "device.h"
#include "node_columns.h"

namespace pygbt::device {

// Memory and what is the same for all trees of a training; nothing where all nodes of a level may have the same cuts.
void CudaBackend::make_node_columns(GrowthKind& kind, const TreeOrder& order, std::int64_t n_sets) {
  NodeColumnMemory& memory = kind.columns;
  NodeColumns& columns = memory.columns = {};
  memory.sent.clear();
  const bool draws = !order.draws.levels.empty();
  if (!draws && order.interactions.empty()) return;
  const std::int32_t n_features = columns.n_features = table_.n_features();
  columns.allowed = memory.allowed.make(n_sets * n_features);
  if (draws) {
    columns.seed = order.request.seed;
    columns.n_units = *std::max_element(order.draws.unit_of.begin(), order.draws.unit_of.end()) + 1;
    columns.unit_of = memory.unit_of.put(order.draws.unit_of);
    columns.weights = order.draws.weights.empty() ? nullptr : memory.weights.put(order.draws.weights);
    columns.levels = memory.levels.make(order.draws.levels.size());
    columns.clocks = memory.clocks.make(n_sets * columns.n_units);
    columns.drawn = memory.drawn.make(n_sets * columns.n_units);
  }
  if (order.interactions.empty()) return;
  const auto n_words = static_cast<std::size_t>(kind.tree.n_path_words);
  std::vector<std::uint32_t> members;
  for (const std::vector<char>& set : order.interactions) {
    const std::size_t first = members.size();
    members.resize(first + n_words);
    for (std::size_t f = 0; f < set.size(); ++f)
      if (set[f] != 0) members[first + f / 32] |= std::uint32_t{1} << (f % 32);
  }
  columns.n_interactions = static_cast<std::int32_t>(order.interactions.size());
  columns.members = memory.members.put(members);
  columns.holds = memory.holds.make(n_sets * columns.n_interactions);
}

// Recorded launches read the lists by their heads, which stay where they are.
void CudaBackend::send_units(const std::vector<NodeDraws::Level>& levels) {
  NodeColumnMemory& memory = growth_.now->columns;
  if (memory.sent == levels) return;
  memory.sent = levels;
  std::vector<std::int32_t> units;
  for (const NodeDraws::Level& level : levels) units.insert(units.end(), level.units.begin(), level.units.end());
  const std::int32_t* at = memory.units.put(units);
  std::vector<UnitList> heads;
  for (const NodeDraws::Level& level : levels) {
    heads.push_back({at, static_cast<std::int32_t>(level.units.size()), level.n_drawn});
    at += level.units.size();
  }
  memory.levels.put(heads);
}

// What a search of so many sets may choose from: [set][feature], nullptr = all of the lists.
const std::uint8_t* CudaBackend::launch_node_columns(std::int64_t n_sets) {
  NodeColumns columns = growth_.now->columns.columns;
  if (columns.allowed == nullptr) return nullptr;
  columns.lists = growth_.now->list_heads.data();
  device_.launch(n_sets, device_.policy().n_threads, NodeColumnsKernel{columns, growth_.now->tree, tree_.data()},
                 NodeColumnsKernel::shared_bytes(warps()));
  return columns.allowed;
}

}  // namespace pygbt::device
