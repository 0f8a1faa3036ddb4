// SPDX-License-Identifier: Apache-2.0
#include "data/grid_edges.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "backend/isa_dispatch.h"
#include "base/huge_pages.h"
#include "base/pool.h"
#include "data/grid_search.h"
#include "data/key_sort.h"

namespace pygbt {
namespace {

constexpr std::int64_t kChunk = 256;     // rows of a tile turned into keys at a time: their lines stay in L1
constexpr std::size_t kTileWidth = 16;   // adjacent columns that share the lines of a row-major table
constexpr std::size_t kBatch = 128;      // columns searched at a time: bounds the memory of their counts
constexpr std::size_t kSlack = 16;       // keys that a vector store may write behind those it keeps
constexpr std::int64_t kPartRows = 1 << 16;
constexpr std::int64_t kSampleRows = 8192;
constexpr std::int64_t kSampleRun = 8;   // sampled rows that lie together

template <ValueKey Key>
class GridEdges {
 public:
  using Search = GridSearch<Key>;
  using State = typename Search::State;

  GridEdges(std::span<const ColumnView> columns, std::int64_t n_rows, std::int32_t bins, int n_threads)
      : columns_(columns), n_rows_(n_rows), bins_(bins), n_threads_(n_threads) {}

  void run(std::span<const std::size_t> batch, std::span<FeatureCuts> out, std::vector<std::size_t>& others) {
    std::vector<Column> searched(batch.size());
    parallel_for(n_threads_, static_cast<std::int64_t>(batch.size()), [&](std::int64_t i, int) {
      Column& column = searched[static_cast<std::size_t>(i)];
      column.view = columns_[batch[static_cast<std::size_t>(i)]];
      column.out = batch[static_cast<std::size_t>(i)];
      column.search.emplace(sample(column.view), bins_);
    });
    std::vector<Column*> active;
    for (Column& column : searched) active.push_back(&column);
    count(active);
    for (;;) {
      std::erase_if(active, [](const Column* column) { return column->search->state() != State::keeping; });
      if (active.empty()) break;
      keep(active);
    }
    for (const Column& column : searched) {
      if (column.search->state() == State::given_up) {
        others.push_back(column.out);
        continue;
      }
      FeatureCuts& cuts = out[column.out];
      cuts.wide = sizeof(Key) == 8;
      cuts.edges.clear();
      for (const std::uint64_t key : column.search->edges()) cuts.edges.push_back(value_of(static_cast<Key>(key)));
      cuts.n_bins = column.search->empty() ? 1 : static_cast<std::int32_t>(cuts.edges.size()) + 2;
    }
  }

 private:
  struct Column {
    ColumnView view;
    std::size_t out = 0;
    std::optional<Search> search;
  };

  // What one thread found in one column in a pass.
  struct Partial {
    std::vector<std::uint32_t> counts;  // [cell]
    Key used = 0;
    bool outside = false;
    HugeVector<Key> kept;
    std::size_t n_kept = 0;
  };

  std::int64_t n_items(const ColumnView& view) const { return view.sparse_rows == nullptr ? n_rows_ : view.n_stored; }

  std::vector<Key> sample(const ColumnView& view) const {
    const std::int64_t n = n_items(view);
    std::vector<Key> keys;
    if (n <= kSampleRows) {
      keys.resize(static_cast<std::size_t>(n));
      read_keys(view, 0, n, keys.data());
    } else {
      keys.resize(kSampleRows);
      constexpr std::int64_t kRuns = kSampleRows / kSampleRun;
      for (std::int64_t run = 0; run < kRuns; ++run) {  // somewhere in each of kRuns equal parts
        const std::int64_t part = n * run / kRuns;
        const std::int64_t length = n * (run + 1) / kRuns - part;
        const auto offset = static_cast<std::int64_t>(static_cast<std::uint64_t>(run) * 0x9E3779B97F4A7C15u >> 33);
        const std::int64_t begin = std::min(part + offset % length, n - kSampleRun);
        read_keys(view, begin, begin + kSampleRun, keys.data() + run * kSampleRun);
      }
    }
    std::erase(keys, Key{kMissingKey});
    std::vector<Key> spare(keys.size());
    const Key* const sorted = sort_keys(keys.data(), spare.data(), keys.size());
    return sorted == keys.data() ? keys : spare;
  }

  // Calls body(column, keys, n, partial) for all items of the active columns, in tiles of columns and chunks of rows.
  template <class Body>
  void for_each_chunk(std::span<Column*> active, std::vector<std::vector<Partial>>& partials, Body&& body) const {
    const auto threads = static_cast<std::size_t>(n_threads_);
    const std::size_t width = std::clamp<std::size_t>((active.size() + threads - 1) / threads, 1, kTileWidth);
    const auto n_tiles = static_cast<std::int64_t>((active.size() + width - 1) / width);
    std::int64_t most = 0;
    for (const Column* column : active) most = std::max(most, n_items(column->view));
    const std::int64_t n_parts = n_threads_ == 1 ? 1 : std::clamp<std::int64_t>(most / kPartRows, 1, 4 * n_threads_);
    partials.resize(threads);
    for (auto& own : partials) own.resize(active.size());
    parallel_for(n_threads_, n_tiles * n_parts, [&](std::int64_t task, int worker) {
      const std::size_t first = static_cast<std::size_t>(task / n_parts) * width;
      const std::size_t last = std::min(first + width, active.size());
      const std::int64_t part = task % n_parts;
      auto& own = partials[static_cast<std::size_t>(worker)];
      std::array<Key, kChunk> keys;
      const std::int64_t stop = most * (part + 1) / n_parts;
      for (std::int64_t begin = most * part / n_parts; begin < stop; begin += kChunk) {
        for (std::size_t i = first; i < last; ++i) {
          const std::int64_t end = std::min({begin + kChunk, stop, n_items(active[i]->view)});
          if (begin >= end) continue;
          read_keys(active[i]->view, begin, end, keys.data());
          body(*active[i], keys.data(), static_cast<std::size_t>(end - begin), own[i]);
        }
      }
    });
  }

  void count(std::span<Column*> active) const {
    std::vector<std::vector<Partial>> partials;
    for_each_chunk(active, partials, [](const Column& column, const Key* keys, std::size_t n, Partial& into) {
      const KeyGrid<Key>& grid = column.search->grid();
      if (into.counts.empty()) into.counts.assign(grid.n_cells(), 0);
      Key used = 0;
      bool outside = false;
      for (std::size_t i = 0; i < n; ++i) {
        used |= RadixSearch<Key>::used_bits(keys[i]);
        outside |= (keys[i] != kMissingKey) & !grid.inside(keys[i]);
      }
      into.used |= used;
      into.outside |= outside;
      std::uint32_t* const counts = into.counts.data();
      if constexpr (sizeof(Key) == 4) {
        std::array<std::uint32_t, kChunk> cells;
        kernels().keys.cells(grid.table(), keys, static_cast<std::int64_t>(n), cells.data());
        for (std::size_t i = 0; i < n; ++i) ++counts[cells[i]];
      } else {
        for (std::size_t i = 0; i < n; ++i) ++counts[grid.cell_of(keys[i])];
      }
    });
    parallel_for(n_threads_, static_cast<std::int64_t>(active.size()), [&](std::int64_t task, int) {
      const auto i = static_cast<std::size_t>(task);
      Column& column = *active[i];
      const KeyGrid<Key>& grid = column.search->grid();
      std::vector<std::uint32_t> counts(grid.n_cells(), 0);
      Key used = 0;
      bool outside = false;
      for (const auto& own : partials) {
        for (std::size_t c = 0; c < own[i].counts.size(); ++c) counts[c] += own[i].counts[c];
        used |= own[i].used;
        outside = outside || own[i].outside;
      }
      Key fill = kMissingKey;
      const std::int64_t n_filled = n_rows_ - n_items(column.view);
      if (n_filled > 0) fill = key_as<Key>(column.view.fill);
      if (fill != kMissingKey) {
        counts[grid.cell_of(fill)] += static_cast<std::uint32_t>(n_filled);
        used |= RadixSearch<Key>::used_bits(fill);
        outside = outside || !grid.inside(fill);
      }
      column.search->take_counts(std::move(counts), used, outside, fill);
    });
  }

  void keep(std::span<Column*> active) const {
    std::vector<std::vector<Partial>> partials;
    for_each_chunk(active, partials, [](const Column& column, const Key* keys, std::size_t n, Partial& into) {
      if (into.kept.size() < into.n_kept + n + kSlack) into.kept.resize(2 * (into.n_kept + n + kSlack));
      into.n_kept += column.search->keep(keys, n, into.kept.data() + into.n_kept);
    });
    parallel_for(n_threads_, static_cast<std::int64_t>(active.size()), [&](std::int64_t task, int) {
      const auto i = static_cast<std::size_t>(task);
      HugeVector<Key> keys;
      for (const auto& own : partials) {
        keys.insert(keys.end(), own[i].kept.begin(), own[i].kept.begin() + static_cast<std::ptrdiff_t>(own[i].n_kept));
      }
      HugeVector<Key> spare(keys.size());
      active[i]->search->take_keys({sort_keys(keys.data(), spare.data(), keys.size()), keys.size()});
    });
  }

  std::span<const ColumnView> columns_;
  std::int64_t n_rows_;
  std::int32_t bins_;
  int n_threads_;
};

}  // namespace

template <ValueKey Key>
std::vector<std::size_t> grid_edges(std::span<const ColumnView> columns, std::span<const std::size_t> wanted,
                                    std::int64_t n_rows, std::int32_t bins, int n_threads, std::span<FeatureCuts> out) {
  GridEdges<Key> grid(columns, n_rows, bins, n_threads);
  std::vector<std::size_t> others;
  for (std::size_t first = 0; first < wanted.size(); first += kBatch) {
    grid.run(wanted.subspan(first, std::min(kBatch, wanted.size() - first)), out, others);
  }
  return others;
}

template std::vector<std::size_t> grid_edges<std::uint32_t>(std::span<const ColumnView>, std::span<const std::size_t>,
                                                            std::int64_t, std::int32_t, int, std::span<FeatureCuts>);
template std::vector<std::size_t> grid_edges<std::uint64_t>(std::span<const ColumnView>, std::span<const std::size_t>,
                                                            std::int64_t, std::int32_t, int, std::span<FeatureCuts>);

}  // namespace pygbt
