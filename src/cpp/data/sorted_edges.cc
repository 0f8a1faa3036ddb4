// SPDX-License-Identifier: Apache-2.0
#include "data/sorted_edges.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/huge_pages.h"
#include "base/pool.h"
#include "data/key_sort.h"
#include "data/quantiles.h"
#include "data/radix_search.h"

namespace pygbt {
namespace {

constexpr std::size_t kTileWidth = 16;  // adjacent columns read together: they share the lines of a row-major table
constexpr std::size_t kTileBytes = std::size_t{1} << 22;  // items of a tile, one thread
constexpr std::int64_t kReadRows = 64;  // rows of a tile read at a time: their lines stay in L1
constexpr std::size_t kTaskKeys = 4096;  // keys worth a task of their own

// The distinct value at index i of ascending keys.
template <ValueKey Key>
Mass value_at(std::span<const Key> keys, std::size_t i) {
  const Key key = keys[i];
  std::size_t step = 1;
  std::size_t begin = i;
  while (begin >= step && keys[begin - step] == key) begin -= step, step *= 2;
  begin = static_cast<std::size_t>(
      std::lower_bound(keys.begin() + static_cast<std::ptrdiff_t>(begin - std::min(begin, step)),
                       keys.begin() + static_cast<std::ptrdiff_t>(begin), key) -
      keys.begin());
  step = 1;
  std::size_t end = i + 1;
  while (end + step <= keys.size() && keys[end + step - 1] == key) end += step, step *= 2;
  end = static_cast<std::size_t>(
      std::upper_bound(keys.begin() + static_cast<std::ptrdiff_t>(end),
                       keys.begin() + static_cast<std::ptrdiff_t>(std::min(keys.size(), end + step)), key) -
      keys.begin());
  return {key, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end - begin)};
}

// Every key counts once.
template <ValueKey Key>
std::vector<std::uint64_t> edges_of(std::span<const Key> keys, std::int32_t bins) {
  std::size_t distinct = 1;
  for (std::size_t i = 1; i < keys.size(); ++i) distinct += keys[i] != keys[i - 1] ? 1u : 0u;
  if (distinct <= static_cast<std::size_t>(bins)) {
    std::vector<std::uint64_t> edges(keys.begin(), keys.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    edges.pop_back();
    return edges;
  }
  QuantilePlan plan(static_cast<std::int64_t>(keys.size()), bins);
  std::vector<Mass> found;
  do {
    found.clear();
    for (const std::int64_t rank : plan.ranks()) {
      const bool again = !found.empty() && rank <= found.back().before + found.back().weight;
      found.push_back(again ? found.back() : value_at(keys, static_cast<std::size_t>(rank - 1)));
    }
  } while (plan.advance(found));
  return plan.edges();
}

// Keys of any weight, and `fill_weight` rows more of the key `fill`.
template <ValueKey Key>
std::vector<std::uint64_t> edges_of(std::span<const WeightedKey<Key>> items, Key fill, std::int64_t fill_weight,
                                    std::int32_t bins) {
  std::vector<Mass> values;
  const auto add = [&](Key key, std::int64_t weight) {
    if (key == kMissingKey || weight == 0) return;
    const std::int64_t before = values.empty() ? 0 : values.back().before + values.back().weight;
    if (values.empty() || values.back().key != key) values.push_back({key, before, 0});
    values.back().weight += weight;
  };
  const auto above = std::partition_point(items.begin(), items.end(), [&](auto& item) { return item.key <= fill; });
  for (auto item = items.begin(); item != above; ++item) add(item->key, item->weight);
  add(fill, fill_weight);
  for (auto item = above; item != items.end(); ++item) add(item->key, item->weight);
  if (values.empty()) return {};
  return edges_of_values(values, bins);
}

template <ValueKey Key, class Item>
class TileSorter {
 public:
  static constexpr bool kWeighted = !ValueKey<Item>;

  TileSorter(std::int64_t n_rows, std::span<const std::uint32_t> weights, std::int32_t bins)
      : n_rows_(n_rows), weights_(weights), bins_(bins) {
    total_ = weights.empty() ? n_rows : 0;
    for (const std::uint32_t w : weights) total_ += w;
  }

  void run(std::span<const ColumnView> columns, std::span<const std::size_t> wanted, int n_threads,
           std::span<FeatureCuts> out) const {
    const auto rows = static_cast<std::size_t>(n_rows_);
    const auto threads = static_cast<std::size_t>(n_threads);
    const std::size_t width = std::clamp<std::size_t>(
        std::min(kTileBytes / (rows * sizeof(Item)), (wanted.size() + 2 * threads - 1) / (2 * threads)), 1, kTileWidth);
    struct Scratch {
      HugeVector<Item> tile;  // [column of the tile][row]
      HugeVector<Item> spare;
    };
    std::vector<Scratch> scratch(threads);
    const auto task = [&](std::size_t first, std::size_t last, std::size_t worker) {
      Scratch& own = scratch[worker];
      own.tile.resize(width * rows);
      own.spare.resize(rows);
      const auto tile = wanted.subspan(first, last - first);
      for (std::int64_t begin = 0; begin < n_rows_; begin += kReadRows) {
        const std::int64_t end = std::min(n_rows_, begin + kReadRows);
        for (std::size_t i = 0; i < tile.size(); ++i) {
          read(columns[tile[i]], begin, end, own.tile.data() + i * rows);
        }
      }
      for (std::size_t i = 0; i < tile.size(); ++i) {
        finish(columns[tile[i]], own.tile.data() + i * rows, own.spare.data(), out[tile[i]]);
      }
    };
    const std::size_t n_tiles = (wanted.size() + width - 1) / width;
    const bool serial = wanted.size() * rows < 2 * kTaskKeys;
    parallel_for(serial ? 1 : n_threads, static_cast<std::int64_t>(n_tiles), [&](std::int64_t t, int worker) {
      const std::size_t first = static_cast<std::size_t>(t) * width;
      task(first, std::min(first + width, wanted.size()), static_cast<std::size_t>(worker));
    });
  }

 private:
  static std::int64_t n_items(const ColumnView& column, std::int64_t n_rows) {
    return column.sparse_rows == nullptr ? n_rows : column.n_stored;
  }

  // Items [begin, end) of a column, as far as it has them.
  void read(const ColumnView& column, std::int64_t begin, std::int64_t end, Item* out) const {
    end = std::min(end, n_items(column, n_rows_));
    if (begin >= end) return;
    if constexpr (!kWeighted) {
      read_keys(column, begin, end, out + begin);
    } else {
      std::array<Key, kReadRows> keys;
      read_keys(column, begin, end, keys.data());
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = column.sparse_rows == nullptr ? i : column.sparse_rows[i];
        out[i] = {keys[static_cast<std::size_t>(i - begin)],
                  weights_.empty() ? 1u : weights_[static_cast<std::size_t>(row)]};
      }
    }
  }

  void finish(const ColumnView& column, Item* items, Item* spare, FeatureCuts& cuts) const {
    auto n = static_cast<std::size_t>(n_items(column, n_rows_));
    std::vector<std::uint64_t> edges;
    bool empty = false;
    if constexpr (kWeighted) {
      std::int64_t rest = total_;
      for (std::size_t i = 0; i < n; ++i) rest -= items[i].weight;
      const Item* const sorted = sort_keys(items, spare, n);
      const Key fill = key_as<Key>(column.fill);
      const bool any = std::any_of(sorted, sorted + n, [](auto& i) { return i.key != kMissingKey && i.weight > 0; });
      empty = !any && (rest == 0 || fill == kMissingKey);
      edges = edges_of<Key>(std::span(sorted, n), fill, rest, bins_);
    } else {
      bool missing = false;
      for (std::size_t i = 0; i < n; ++i) missing |= items[i] == kMissingKey;
      if (missing) n = static_cast<std::size_t>(std::remove(items, items + n, Key{kMissingKey}) - items);
      empty = n == 0;
      if (!empty) edges = edges_of<Key>(std::span<const Key>(sort_keys(items, spare, n), n), bins_);
    }
    cuts.wide = sizeof(Key) == 8;
    cuts.edges.clear();
    for (const std::uint64_t key : edges) cuts.edges.push_back(value_of(static_cast<Key>(key)));
    cuts.n_bins = empty ? 1 : static_cast<std::int32_t>(edges.size()) + 2;
  }

  std::int64_t n_rows_;
  std::span<const std::uint32_t> weights_;
  std::int32_t bins_;
  std::int64_t total_;  // weight of all rows
};

}  // namespace

template <ValueKey Key>
void sort_edges(std::span<const ColumnView> columns, std::span<const std::size_t> wanted, std::int64_t n_rows,
                std::span<const std::uint32_t> weights, std::int32_t bins, int n_threads, std::span<FeatureCuts> out) {
  std::vector<std::size_t> plain;
  std::vector<std::size_t> weighted;  // by rows' weights, or by the many rows that a sparse column does not store
  for (const std::size_t f : wanted) {
    (weights.empty() && columns[f].sparse_rows == nullptr ? plain : weighted).push_back(f);
  }
  if (!plain.empty()) TileSorter<Key, Key>(n_rows, weights, bins).run(columns, plain, n_threads, out);
  if (!weighted.empty())
    TileSorter<Key, WeightedKey<Key>>(n_rows, weights, bins).run(columns, weighted, n_threads, out);
}

template void sort_edges<std::uint32_t>(std::span<const ColumnView>, std::span<const std::size_t>, std::int64_t,
                                        std::span<const std::uint32_t>, std::int32_t, int, std::span<FeatureCuts>);
template void sort_edges<std::uint64_t>(std::span<const ColumnView>, std::span<const std::size_t>, std::int64_t,
                                        std::span<const std::uint32_t>, std::int32_t, int, std::span<FeatureCuts>);

}  // namespace pygbt
