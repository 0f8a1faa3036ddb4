// SPDX-License-Identifier: Apache-2.0
#include "data/sparse_edges.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/pool.h"
#include "data/few_values.h"
#include "data/keys.h"
#include "data/quantiles.h"
#include "data/radix_search.h"

namespace pygbt {
namespace {

constexpr std::int64_t kChunk = 512;  // stored values turned into keys at a time

// Edges of a column given as its (key, weight) items.
template <ValueKey Key>
void edges_of_items(std::vector<std::pair<Key, std::int64_t>> items, std::int32_t bins, FeatureCuts& cuts) {
  std::erase_if(items, [](const auto& item) { return item.first == kMissingKey || item.second == 0; });
  std::sort(items.begin(), items.end());
  std::vector<Mass> values;
  std::int64_t total = 0;
  for (const auto& [key, weight] : items) {
    if (values.empty() || values.back().key != key) values.push_back({key, total, 0});
    values.back().weight += weight;
    total += weight;
  }
  cuts.wide = sizeof(Key) == 8;
  cuts.edges.clear();
  if (!values.empty()) {
    for (const std::uint64_t key : edges_of_values(values, bins)) cuts.edges.push_back(value_of(static_cast<Key>(key)));
  }
  cuts.n_bins = values.empty() ? 1 : static_cast<std::int32_t>(cuts.edges.size()) + 2;
}

// A sparse column of few values; false if it has many. `total` = weight of all rows.
template <ValueKey Key>
bool count_edges(const ColumnView& column, std::span<const std::uint32_t> weights, std::int64_t total,
                 std::int32_t bins, FeatureCuts& cuts) {
  FewValues<Key> values;
  std::array<Key, kChunk> keys;
  std::int64_t rest = total;
  for (std::int64_t begin = 0; begin < column.n_stored; begin += kChunk) {
    const std::int64_t end = std::min(column.n_stored, begin + kChunk);
    read_keys(column, begin, end, keys.data());
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t weight = weights.empty() ? 1 : weights[static_cast<std::size_t>(column.sparse_rows[i])];
      if (!values.add(keys[static_cast<std::size_t>(i - begin)], weight)) return false;
      rest -= weight;
    }
  }
  auto items = values.items();
  items.emplace_back(key_as<Key>(column.fill), rest);
  edges_of_items(std::move(items), bins, cuts);
  return true;
}

}  // namespace

std::vector<char> count_sparse_edges(std::span<const ColumnView> columns, std::int64_t n_rows,
                                     std::span<const std::uint32_t> weights, std::int32_t bins, int threads,
                                     std::span<FeatureCuts> out) {
  std::vector<char> done(columns.size(), 0);
  std::int64_t total = weights.empty() ? n_rows : 0;
  for (const std::uint32_t w : weights) total += w;
  parallel_for(threads, static_cast<std::int64_t>(columns.size()), [&](std::int64_t task, int) {
    const auto f = static_cast<std::size_t>(task);
    if (columns[f].categorical || columns[f].sparse_rows == nullptr) return;
    done[f] = needs_float64(columns[f].type) ? count_edges<std::uint64_t>(columns[f], weights, total, bins, out[f])
                                             : count_edges<std::uint32_t>(columns[f], weights, total, bins, out[f]);
  });
  return done;
}

}  // namespace pygbt
