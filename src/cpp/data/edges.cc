// SPDX-License-Identifier: Apache-2.0
// The passes over the columns: chunks of rows are turned into keys and counted, tile by tile of adjacent columns so
// that a row-major table is read once a pass. What is counted is the affair of RadixSearch.
#include "data/edges.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/pool.h"
#include "data/grid_edges.h"
#include "data/keys.h"
#include "data/radix_search.h"
#include "data/sorted_edges.h"
#include "data/sparse_edges.h"

namespace pygbt {
namespace {

constexpr std::int64_t kChunk = 512;  // rows turned into keys at a time
constexpr std::size_t kTileWidth = 16;  // adjacent columns that share the chunks of a row-major table
constexpr std::int64_t kPartRows = 1 << 15;  // rows worth a task of their own
constexpr std::size_t kBatchBytes = std::size_t{1} << 28;  // counts held at a time, all threads together
constexpr std::int64_t kKeptShare = 8;  // keys kept in memory: at most one in so many rows

template <ValueKey Key>
struct Kept {
  std::vector<Key> keys;
  std::vector<std::uint32_t> weights;
};

// What one thread counted of one column in a pass. Memory is used again in the next pass.
template <ValueKey Key, class Cell>
struct Partial {
  std::vector<Cell> cells;  // empty: not touched
  Key used = 0;
  Kept<Key> kept;
  bool kept_all = true;

  void clear() {
    cells.clear();
    used = 0;
    kept = {};
    kept_all = true;
  }
};

template <ValueKey Key>
struct Search {
  ColumnView column;
  std::size_t out = 0;  // index of the column among those given
  std::int64_t fill_weight = 0;  // weight of the rows a sparse column does not store
  RadixSearch<Key> radix;
  bool has_kept = false;  // the rest of this round reads `kept` instead of the column
  Kept<Key> kept;

  bool sparse() const { return column.sparse_rows != nullptr; }
};

template <ValueKey Key, class Cell>
class EdgeFinder {
 public:
  EdgeFinder(std::int64_t n_rows, std::span<const std::uint32_t> weights, std::int32_t bins, Communicator& comm,
             int n_threads)
      : n_rows_(n_rows), weights_(weights), bins_(bins), comm_(comm), n_threads_(n_threads) {}

  void run(std::span<const ColumnView> columns, std::span<const std::size_t> wanted, std::span<FeatureCuts> out) {
    const std::size_t most_cells =
        std::max(RadixSearch<Key>::kTopCells,
                 (std::max<std::size_t>(RadixSearch<Key>::kKeepAll, static_cast<std::size_t>(bins_)) + 1) *
                     RadixSearch<Key>::kDigits);
    const std::size_t bytes = most_cells * (sizeof(Cell) * static_cast<std::size_t>(n_threads_) + sizeof(std::int64_t));
    double most_columns = -static_cast<double>(std::max<std::size_t>(1, kBatchBytes / bytes));
    comm_.allreduce_max({&most_columns, 1});  // workers of different thread counts make the same passes
    const auto batch = static_cast<std::size_t>(-most_columns);
    for (std::size_t first = 0; first < wanted.size(); first += batch) {
      run_batch(columns, wanted.subspan(first, std::min(batch, wanted.size() - first)), out);
    }
  }

 private:
  using Scratch = std::array<Key, kChunk>;

  void run_batch(std::span<const ColumnView> columns, std::span<const std::size_t> wanted, std::span<FeatureCuts> out) {
    std::vector<Search<Key>> searches;
    searches.reserve(wanted.size());
    for (const std::size_t f : wanted) searches.push_back({columns[f], f, 0, RadixSearch<Key>(bins_), false, {}});
    weigh_fills(searches);
    std::vector<Search<Key>*> active;
    for (auto& search : searches) active.push_back(&search);
    while (!active.empty()) {
      pass(active);
      std::erase_if(active, [](const Search<Key>* search) { return search->radix.done(); });
    }
    for (const Search<Key>& search : searches) {
      FeatureCuts& cuts = out[search.out];
      cuts.wide = sizeof(Key) == 8;
      cuts.edges.clear();
      for (const std::uint64_t key : search.radix.edges()) cuts.edges.push_back(value_of(static_cast<Key>(key)));
      cuts.n_bins = search.radix.empty() ? 1 : static_cast<std::int32_t>(cuts.edges.size()) + 2;
    }
  }

  void weigh_fills(std::vector<Search<Key>>& searches) {
    if (std::none_of(searches.begin(), searches.end(), [](const auto& s) { return s.sparse(); })) return;
    std::int64_t total = weights_.empty() ? n_rows_ : 0;
    for (const std::uint32_t w : weights_) total += w;
    parallel_for(n_threads_, static_cast<std::int64_t>(searches.size()), [&](std::int64_t i, int) {
      Search<Key>& search = searches[static_cast<std::size_t>(i)];
      if (!search.sparse()) return;
      search.fill_weight = total;
      for (std::int64_t k = 0; k < search.column.n_stored; ++k) {
        search.fill_weight -= weights_.empty() ? 1 : weights_[static_cast<std::size_t>(search.column.sparse_rows[k])];
      }
    });
  }

  std::int64_t n_items(const Search<Key>& search) const {
    if (search.has_kept) return static_cast<std::int64_t>(search.kept.keys.size());
    return search.sparse() ? search.column.n_stored : n_rows_;
  }

  // One pass over the active columns, each at its own depth; then every search advances.
  void pass(std::span<Search<Key>*> active) {
    for (Search<Key>* search : active) {
      if (search->radix.from_start()) {
        search->has_kept = false;
        search->kept = {};
      }
    }
    partials_.resize(static_cast<std::size_t>(n_threads_));
    for (auto& own : partials_) {
      own.resize(active.size());
      for (auto& partial : own) partial.clear();
    }
    count_all(active);

    std::vector<std::size_t> offset(active.size() + 1, 0);
    for (std::size_t i = 0; i < active.size(); ++i) offset[i + 1] = offset[i] + active[i]->radix.n_cells();
    cells_.resize(offset.back());
    const auto cells_of = [&](std::size_t i) {
      return std::span(cells_).subspan(offset[i], offset[i + 1] - offset[i]);
    };
    const auto for_each_active = [&](auto&& body) {
      parallel_for(n_threads_, static_cast<std::int64_t>(active.size()),
                   [&](std::int64_t i, int) { body(static_cast<std::size_t>(i)); });
    };
    for_each_active([&](std::size_t i) { merge(*active[i], i, cells_of(i)); });
    comm_.allreduce_sum(cells_);
    for_each_active([&](std::size_t i) { active[i]->radix.advance(cells_of(i)); });
  }

  // Tasks are (tile of columns, part of their items); a thread counts into cells of its own.
  void count_all(std::span<Search<Key>*> active) {
    const auto threads = static_cast<std::size_t>(n_threads_);
    const std::size_t width = std::clamp<std::size_t>((active.size() + threads - 1) / threads, 1, kTileWidth);
    const std::size_t n_tiles = (active.size() + width - 1) / width;
    std::int64_t most_items = 0;
    for (const Search<Key>* search : active) most_items = std::max(most_items, n_items(*search));
    std::int64_t n_parts = 1;
    if (n_tiles % threads != 0 && n_tiles < 4 * threads) {
      n_parts = std::clamp<std::int64_t>(most_items / kPartRows, 1, 2 * n_threads_);
    }
    parallel_for(n_threads_, static_cast<std::int64_t>(n_tiles) * n_parts, [&](std::int64_t task, int worker) {
      const std::int64_t part = task % n_parts;
      const std::size_t first = static_cast<std::size_t>(task / n_parts) * width;
      const std::size_t last = std::min(first + width, active.size());
      auto& own = partials_[static_cast<std::size_t>(worker)];
      for (std::size_t i = first; i < last; ++i) {
        if (own[i].cells.empty()) own[i].cells.resize(active[i]->radix.n_cells());
      }
      for (std::int64_t begin = most_items * part / n_parts; begin < most_items * (part + 1) / n_parts;
           begin += kChunk) {
        const std::int64_t end = std::min(begin + kChunk, most_items * (part + 1) / n_parts);
        for (std::size_t i = first; i < last; ++i) {
          count_chunk(*active[i], begin, std::min(end, n_items(*active[i])), own[i]);
        }
      }
    });
  }

  void count_chunk(const Search<Key>& search, std::int64_t begin, std::int64_t end, Partial<Key, Cell>& into) const {
    if (begin >= end) return;
    const auto n = static_cast<std::size_t>(end - begin);
    const auto at = static_cast<std::size_t>(begin);
    Scratch scratch;
    std::array<std::uint32_t, kChunk> scratch_weights;
    const Key* keys = scratch.data();
    const std::uint32_t* weights = nullptr;
    if (search.has_kept) {
      keys = search.kept.keys.data() + at;
      if (!weights_.empty()) weights = search.kept.weights.data() + at;
    } else {
      read_keys(search.column, begin, end, scratch.data());
      if (!weights_.empty() && search.sparse()) {
        for (std::size_t i = 0; i < n; ++i) {
          scratch_weights[i] = weights_[static_cast<std::size_t>(search.column.sparse_rows[at + i])];
        }
        weights = scratch_weights.data();
      } else if (!weights_.empty()) {
        weights = weights_.data() + at;
      }
    }
    if (search.radix.at_top()) {
      RadixSearch<Key>::count_top(keys, weights, n, into.cells.data(), into.used);
    } else if (search.radix.narrow() && !search.has_kept && into.kept_all) {
      search.radix.count(keys, weights, n, into.cells.data(), [&](std::size_t i) {
        into.kept.keys.push_back(keys[i]);
        if (weights != nullptr) into.kept.weights.push_back(weights[i]);
      });
      const std::int64_t most = n_items(search) / kKeptShare / n_threads_ + kChunk;
      if (static_cast<std::int64_t>(into.kept.keys.size()) > most) {
        into.kept_all = false;
        into.kept = {};
      }
    } else {
      search.radix.count(keys, weights, n, into.cells.data(), [](std::size_t) {});
    }
  }

  // Adds up what the threads counted, and the rows a sparse column does not store.
  void merge(Search<Key>& search, std::size_t i, std::span<std::int64_t> cells) const {
    const bool keep = search.radix.narrow() && !search.has_kept;
    bool kept_all = keep;
    Key used = 0;
    std::fill(cells.begin(), cells.end(), std::int64_t{0});
    for (const auto& own : partials_) {
      const Partial<Key, Cell>& part = own[i];
      for (std::size_t c = 0; c < part.cells.size(); ++c) cells[c] += static_cast<std::int64_t>(part.cells[c]);
      used |= part.used;
      kept_all = kept_all && part.kept_all;
    }
    if (search.radix.at_top()) RadixSearch<Key>::record_used(used, cells);
    if (kept_all) {
      for (const auto& own : partials_) {
        search.kept.keys.insert(search.kept.keys.end(), own[i].kept.keys.begin(), own[i].kept.keys.end());
        search.kept.weights.insert(search.kept.weights.end(), own[i].kept.weights.begin(), own[i].kept.weights.end());
      }
      search.has_kept = true;
    }
    if (search.sparse() && search.fill_weight > 0) {
      search.radix.count_one(key_as<Key>(search.column.fill), search.fill_weight, cells);
    }
  }

  std::int64_t n_rows_;
  std::span<const std::uint32_t> weights_;
  std::int32_t bins_;
  Communicator& comm_;
  int n_threads_;
  std::vector<std::vector<Partial<Key, Cell>>> partials_;  // [thread][active column]
  std::vector<std::int64_t> cells_;  // of all active columns
};

}  // namespace

void find_edges(std::span<const ColumnView> columns, std::int64_t n_rows, std::span<const std::uint32_t> weights,
                std::int32_t max_bin, Communicator& comm, int n_threads, std::span<FeatureCuts> out,
                EdgeSearch search) {
  const int threads = resolve_threads(n_threads);
  const std::int32_t bins = max_bin - 1;
  std::vector<char> done(columns.size(), 0);
  if (search == EdgeSearch::best && comm.size() == 1)
    done = count_sparse_edges(columns, n_rows, weights, bins, threads, out);
  std::vector<std::size_t> narrow;
  std::vector<std::size_t> wide;
  for (std::size_t f = 0; f < columns.size(); ++f) {
    if (columns[f].categorical || done[f]) continue;
    (needs_float64(columns[f].type) ? wide : narrow).push_back(f);
  }
  const bool alone = comm.size() == 1;
  if (search == EdgeSearch::best && alone) search = n_rows <= kSortRows ? EdgeSearch::sort : EdgeSearch::grid;
  if (search == EdgeSearch::sort) {
    sort_edges<std::uint32_t>(columns, narrow, n_rows, weights, bins, threads, out);
    sort_edges<std::uint64_t>(columns, wide, n_rows, weights, bins, threads, out);
    return;
  }
  if (search == EdgeSearch::grid && weights.empty()) {
    narrow = grid_edges<std::uint32_t>(columns, narrow, n_rows, bins, threads, out);
    wide = grid_edges<std::uint64_t>(columns, wide, n_rows, bins, threads, out);
  }
  const auto run = [&]<class Key, class Cell>(Key, Cell, const std::vector<std::size_t>& wanted) {
    EdgeFinder<Key, Cell>(n_rows, weights, bins, comm, threads).run(columns, wanted, out);
  };
  if (weights.empty()) {  // fewer than 2^32 rows: 32-bit counts do
    run(std::uint32_t{}, std::uint32_t{}, narrow);
    run(std::uint64_t{}, std::uint32_t{}, wide);
  } else {
    run(std::uint32_t{}, std::uint64_t{}, narrow);
    run(std::uint64_t{}, std::uint64_t{}, wide);
  }
}

}  // namespace pygbt
