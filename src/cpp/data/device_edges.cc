// SPDX-License-Identifier: Apache-2.0
#include "data/device_edges.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/pool.h"
#include "data/keys.h"
#include "data/quantiles.h"

namespace pygbt {
namespace {

double value_of_key(std::uint64_t key, bool wide) {
  return wide ? value_of(key) : value_of(static_cast<std::uint32_t>(key));
}

// Weight of the rows that a sparse column does not store.
std::int64_t fill_weight(const ColumnView& column, std::span<const std::uint32_t> weights, std::int64_t total) {
  if (column.sparse_rows == nullptr) return 0;
  if (weights.empty()) return total - column.n_stored;
  for (std::int64_t i = 0; i < column.n_stored; ++i) total -= weights[static_cast<std::size_t>(column.sparse_rows[i])];
  return total;
}

class EdgePlan {
 public:
  EdgePlan(DeviceBinner& binner, std::int32_t bins, int n_threads)
      : binner_(binner), bins_(bins), n_threads_(n_threads) {}

  // The loaded columns that are to be sorted.
  void run(std::span<const KeyColumn> columns, std::span<FeatureCuts> cuts) {
    const std::vector<ValueCount> counts = binner_.count_values(bins_);
    std::vector<std::int32_t> few;
    std::vector<Search> searches;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!columns[i].sorted) continue;
      cuts[i].wide = columns[i].kind == KeyKind::wide;
      cuts[i].edges.clear();
      cuts[i].n_bins = 1;
      if (counts[i].distinct == 0) continue;
      if (counts[i].distinct <= bins_)
        few.push_back(static_cast<std::int32_t>(i));
      else
        searches.push_back({static_cast<std::int32_t>(i), QuantilePlan(counts[i].weight, bins_), {}});
    }
    keep_all(few, cuts);
    search(searches, cuts);
  }

 private:
  struct Search {
    std::int32_t column = 0;
    QuantilePlan plan;
    std::span<const Mass> found;
  };

  static void set(std::span<const std::uint64_t> keys, FeatureCuts& cuts) {
    for (const std::uint64_t key : keys) cuts.edges.push_back(value_of_key(key, cuts.wide));
    cuts.n_bins = static_cast<std::int32_t>(cuts.edges.size()) + 2;
  }

  // Every distinct value its own bin: all but the largest are edges.
  void keep_all(std::span<const std::int32_t> few, std::span<FeatureCuts> cuts) {
    if (few.empty()) return;
    const auto values = binner_.distinct_values(few);
    for (std::size_t i = 0; i < few.size(); ++i)
      set(std::span(values[i]).first(values[i].size() - 1), cuts[static_cast<std::size_t>(few[i])]);
  }

  // All plans ask together, so that a round of theirs is one question.
  void search(std::vector<Search>& searches, std::span<FeatureCuts> cuts) {
    std::vector<Search*> active;
    for (Search& one : searches) active.push_back(&one);
    std::vector<RankQuery> queries;
    std::vector<Mass> found;
    while (!active.empty()) {
      queries.clear();
      for (const Search* one : active)
        for (const std::int64_t rank : one->plan.ranks()) queries.push_back({one->column, rank});
      found.resize(queries.size());
      binner_.values_at(queries, found);
      std::size_t at = 0;
      for (Search* one : active) {
        const std::size_t n = one->plan.ranks().size();
        one->found = std::span<const Mass>(found).subspan(at, n);
        at += n;
      }
      std::vector<char> more(active.size());
      parallel_for(n_threads_, static_cast<std::int64_t>(active.size()), [&](std::int64_t task, int) {
        const auto i = static_cast<std::size_t>(task);
        more[i] = active[i]->plan.advance(active[i]->found) ? 1 : 0;
      });
      std::vector<Search*> next;
      for (std::size_t i = 0; i < active.size(); ++i)
        if (more[i] != 0) next.push_back(active[i]);
      active = std::move(next);
    }
    for (const Search& one : searches) set(one.plan.edges(), cuts[static_cast<std::size_t>(one.column)]);
  }

  DeviceBinner& binner_;
  std::int32_t bins_;
  int n_threads_;
};

}  // namespace

DeviceBinsPtr bin_on_device(DeviceBinner& binner, std::span<const ColumnView> columns, std::int64_t n_rows,
                            std::span<const std::uint32_t> weights, std::int32_t max_bin, bool find, int n_threads,
                            std::size_t most_bytes, const std::function<void()>& check, std::span<FeatureCuts> cuts) {
  const int threads = resolve_threads(n_threads);
  std::int64_t total = weights.empty() ? n_rows : 0;
  for (const std::uint32_t weight : weights) total += weight;
  std::vector<KeyColumn> keys(columns.size());
  parallel_for(threads, static_cast<std::int64_t>(columns.size()), [&](std::int64_t task, int) {
    const auto f = static_cast<std::size_t>(task);
    KeyColumn& key = keys[f];
    key.view = columns[f];
    key.n_bins = cuts[f].n_bins;
    if (cuts[f].categorical) {
      key.kind = KeyKind::code;
      return;
    }
    if (find) key.n_bins = static_cast<std::int32_t>(std::min<std::int64_t>(max_bin, n_rows + 1));
    key.kind = (find ? needs_float64(columns[f].type) : cuts[f].wide) ? KeyKind::wide : KeyKind::narrow;
    key.sorted = find;
    if (find) key.fill_weight = fill_weight(columns[f], weights, total);
  });
  const HostSide host{[threads](std::int64_t n_tasks, const std::function<void(std::int64_t)>& body) {
                        parallel_for(threads, n_tasks, [&](std::int64_t task, int) { body(task); });
                      },
                      check};
  EdgePlan plan(binner, max_bin - 1, threads);
  binner.open(n_rows, find ? weights : std::span<const std::uint32_t>{}, keys, most_bytes, host);
  for (std::size_t first = 0; first < keys.size();) {
    const std::span<const KeyColumn> rest = std::span<const KeyColumn>(keys).subspan(first);
    const auto part = rest.first(binner.room(rest));
    binner.load(part);
    if (find) plan.run(part, cuts.subspan(first, part.size()));
    binner.bin(cuts.subspan(first, part.size()));
    first += part.size();
  }
  return binner.finish();
}

}  // namespace pygbt
