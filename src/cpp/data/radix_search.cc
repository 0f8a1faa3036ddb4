// SPDX-License-Identifier: Apache-2.0
#include "data/radix_search.h"

#include <algorithm>
#include <utility>

namespace pygbt {
namespace {

// The value of every rank; both ascend, and each rank has its value in the list.
std::vector<Mass> values_at(std::span<const std::int64_t> ranks, std::span<const Mass> values) {
  std::vector<Mass> found;
  found.reserve(ranks.size());
  std::size_t at = 0;
  for (const std::int64_t rank : ranks) {
    while (values[at].before + values[at].weight < rank) ++at;
    found.push_back(values[at]);
  }
  return found;
}

// Tells, for prefixes in ascending order, which of them hold a rank.
class RankWalk {
 public:
  explicit RankWalk(std::span<const std::int64_t> ranks) : ranks_(ranks) {}
  bool holds_rank(const Mass& mass) {
    while (at_ < ranks_.size() && ranks_[at_] <= mass.before) ++at_;
    return at_ < ranks_.size() && ranks_[at_] <= mass.before + mass.weight;
  }

 private:
  std::span<const std::int64_t> ranks_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::uint64_t> edges_of_values(std::span<const Mass> values, std::int32_t bins) {
  if (values.size() <= static_cast<std::size_t>(bins)) {
    std::vector<std::uint64_t> edges;
    for (std::size_t i = 0; i + 1 < values.size(); ++i) edges.push_back(values[i].key);
    return edges;
  }
  QuantilePlan plan(values.back().before + values.back().weight, bins);
  while (plan.advance(values_at(plan.ranks(), values))) {
  }
  return plan.edges();
}

template <ValueKey Key>
void RadixSearch<Key>::count_one(Key key, std::int64_t weight, std::span<std::int64_t> cells) const {
  const int shift = kKeyBits<Key> - kTopBits;
  if (depth_ > 0) {
    cells[slot_of(key, depth_) * kDigits + ((key >> (shift - 8 * depth_)) & 255u)] += weight;
    return;
  }
  cells[static_cast<std::size_t>(key >> shift)] += weight;
  record_used(used_bits(key), cells);
}

template <ValueKey Key>
void RadixSearch<Key>::advance(std::span<const std::int64_t> cells) {
  if (depth_ > 0) return descend(cells);
  int unused = 0;
  while (unused < kKeyBits<Key> && cells[kTopCells + static_cast<std::size_t>(unused)] == 0) ++unused;
  n_depths_ = std::max(0, (kKeyBits<Key> - kTopBits - unused + 7) / 8);
  for (std::uint32_t prefix = 1; prefix < kTopCells; ++prefix) {  // prefix 0 holds the missing values only
    const std::int64_t weight = cells[prefix];
    if (weight == 0) continue;
    top_.push_back({{prefix, total_, weight}, prefix});
    total_ += weight;
  }
  if (total_ == 0) return finish({});
  plan_.emplace(total_, bins_);
  all_ = top_.size() <= limit();
  start_round();
}

// From the top prefixes down again, for the ranks of the plan.
template <ValueKey Key>
void RadixSearch<Key>::start_round() {
  depth_ = 0;
  maps_.clear();
  nodes_.clear();
  RankWalk walk(plan_->ranks());
  for (const Node& node : top_) {
    if (all_ || walk.holds_rank(node.mass)) nodes_.push_back(node);
  }
  if (n_depths_ == 0) return end_round();
  build_map(kTopCells);
}

// Gives nodes_ the slots 1, 2, .. of the next pass.
template <ValueKey Key>
void RadixSearch<Key>::build_map(std::size_t cells_above) {
  std::vector<std::uint16_t>& map = maps_.emplace_back(cells_above, std::uint16_t{0});
  for (std::size_t i = 0; i < nodes_.size(); ++i) map[nodes_[i].cell] = static_cast<std::uint16_t>(i + 1);
  ++depth_;
}

template <ValueKey Key>
void RadixSearch<Key>::descend(std::span<const std::int64_t> cells) {
  if (all_) {
    const auto occupied = std::count_if(cells.begin() + kDigits, cells.end(), [](std::int64_t c) { return c != 0; });
    all_ = static_cast<std::size_t>(occupied) <= limit();
  }
  std::vector<Node> below;
  RankWalk walk(plan_->ranks());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    std::int64_t before = nodes_[i].mass.before;
    for (std::size_t digit = 0; digit < kDigits; ++digit) {
      const std::size_t cell = (i + 1) * kDigits + digit;
      if (cells[cell] == 0) continue;
      const Node node{{nodes_[i].mass.key << 8 | digit, before, cells[cell]}, static_cast<std::uint32_t>(cell)};
      before += cells[cell];
      if (all_ || walk.holds_rank(node.mass)) below.push_back(node);
    }
  }
  nodes_ = std::move(below);
  if (depth_ == n_depths_) return end_round();
  build_map(cells.size());
}

// The prefixes are whole values now.
template <ValueKey Key>
void RadixSearch<Key>::end_round() {
  const int equal_bits = kKeyBits<Key> - kTopBits - 8 * n_depths_;  // 0 in positive values, 1 in negative ones
  std::vector<Mass> values;
  values.reserve(nodes_.size());
  for (const Node& node : nodes_) {
    auto key = static_cast<Key>(node.mass.key << equal_bits);
    if (key >> (kKeyBits<Key> - 1) == 0) key |= static_cast<Key>((Key{1} << equal_bits) - 1);
    values.push_back({key, node.mass.before, node.mass.weight});
  }
  if (all_) return finish(edges_of_values(values, bins_));
  if (plan_->advance(values_at(plan_->ranks(), values))) return start_round();
  finish(plan_->edges());
}

template <ValueKey Key>
void RadixSearch<Key>::finish(std::vector<std::uint64_t> edges) {
  edges_ = std::move(edges);
  done_ = true;
  plan_.reset();
  top_ = {};
  nodes_ = {};
  maps_ = {};
}

template class RadixSearch<std::uint32_t>;
template class RadixSearch<std::uint64_t>;

}  // namespace pygbt
