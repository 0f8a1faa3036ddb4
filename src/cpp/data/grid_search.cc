// SPDX-License-Identifier: Apache-2.0
#include "data/grid_search.h"

#include <algorithm>
#include <utility>

#include "backend/isa_dispatch.h"
#include "data/radix_search.h"

namespace pygbt {
namespace {

bool holds(const Mass& mass, std::int64_t rank) { return mass.before < rank && rank <= mass.before + mass.weight; }

// The mass whose range of ranks ends at or after `rank`.
std::span<const Mass>::iterator mass_at(std::span<const Mass> masses, std::int64_t rank) {
  return std::partition_point(masses.begin(), masses.end(),
                              [&](const Mass& mass) { return mass.before + mass.weight < rank; });
}

}  // namespace

template <ValueKey Key>
void GridSearch<Key>::take_counts(std::vector<std::uint32_t> counts, Key used, bool outside, Key fill) {
  counts_ = std::move(counts);
  fill_ = fill;
  for (std::size_t cell = 1; cell < counts_.size(); ++cell) {
    if (counts_[cell] == 0) continue;
    cells_.push_back({cell, total_, counts_[cell]});
    total_ += counts_[cell];
  }
  if (total_ == 0) return finish({});
  if (!outside && grid_.resolves(used)) {
    const std::vector<Key> keys = grid_.keys_of_cells(used);
    for (Mass& mass : cells_) mass.key = keys[mass.key];
    return finish(edges_of_values(cells_, bins_));
  }
  known_.assign(counts_.size(), 0);
  slots_.assign(counts_.size() + 1, 0);
  all_ = cells_.size() <= static_cast<std::size_t>(bins_);
  if (all_) {
    for (const Mass& mass : cells_) mark(static_cast<std::uint32_t>(mass.key));
  } else {
    mark_all_ranks();
  }
  start_pass();
}

template <ValueKey Key>
void GridSearch<Key>::mark(std::uint32_t cell) {
  if (known_[cell] != 0) return;
  known_[cell] = 1;
  marked_.push_back(cell);
}

// The cells of the ranks in all rounds of the plan, were each cell one value.
template <ValueKey Key>
void GridSearch<Key>::mark_all_ranks() {
  QuantilePlan plan(total_, bins_);
  std::vector<Mass> found;
  do {
    found.clear();
    for (const std::int64_t rank : plan.ranks()) {
      if (found.empty() || !holds(found.back(), rank)) {
        found.push_back(*mass_at(cells_, rank));
        mark(static_cast<std::uint32_t>(found.back().key));
      } else {
        found.push_back(found.back());
      }
    }
  } while (plan.advance(found));
}

// Gives the marked cells their slots and pivots, the most frequent keys of the sample.
template <ValueKey Key>
void GridSearch<Key>::start_pass() {
  std::sort(marked_.begin(), marked_.end());
  std::fill(slots_.begin(), slots_.end(), std::uint16_t{0});
  pivots_.assign(1, kMissingKey);
  std::uint64_t to_keep = 0;  // an estimate
  const auto in_cell = [&](std::uint32_t cell) {
    return std::ranges::equal_range(sample_, cell, {}, [&](Key key) { return grid_.cell_of(key); });
  };
  const std::uint32_t fill_cell = grid_.cell_of(fill_);
  for (const std::uint32_t cell : marked_) {
    const auto keys = in_cell(cell);
    Key pivot = kMissingKey;
    std::size_t most = 0;
    for (auto key = keys.begin(); key != keys.end();) {
      const auto next = std::upper_bound(key, keys.end(), *key);
      if (const auto n = static_cast<std::size_t>(next - key); n > most) {
        most = n;
        pivot = *key;
      }
      key = next;
    }
    if (fill_ != kMissingKey && cell == fill_cell) pivot = fill_;
    pivots_.push_back(pivot);
    slots_[cell] = static_cast<std::uint16_t>(pivots_.size() - 1);
    const std::size_t n = keys.size();
    to_keep += n < 2 ? counts_[cell] : std::uint64_t{counts_[cell]} * (n - most) / n;
  }
  const bool too_many = to_keep > static_cast<std::uint64_t>(total_) / kMostKept + 4096;
  state_ = too_many || passes_++ == kMostPasses ? State::given_up : State::keeping;
}

template <ValueKey Key>
std::size_t GridSearch<Key>::keep(const Key* keys, std::size_t n, Key* out) const {
  if constexpr (sizeof(Key) == 4) {
    const WantedKeys wanted{grid_.table(), slots_.data(), pivots_.data()};
    return static_cast<std::size_t>(kernels().keys.keep(wanted, keys, static_cast<std::int64_t>(n), out));
  } else {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint16_t slot = slots_[grid_.cell_of(keys[i])];
      out[kept] = keys[i];
      kept += (slot != 0) & (keys[i] != pivots_[slot]) ? 1u : 0u;
    }
    return kept;
  }
}

template <ValueKey Key>
void GridSearch<Key>::take_keys(std::span<const Key> keys) {
  auto key = keys.begin();
  for (const std::uint32_t cell : marked_) {
    const Key pivot = pivots_[slots_[cell]];
    const auto end = std::partition_point(key, keys.end(), [&](Key k) { return grid_.cell_of(k) <= cell; });
    std::int64_t before = std::ranges::lower_bound(cells_, std::uint64_t{cell}, {}, &Mass::key)->before;
    const std::int64_t pivots = static_cast<std::int64_t>(counts_[cell]) - (end - key);
    const auto add = [&](Key k, std::int64_t n) {
      if (n == 0) return;
      values_.push_back({k, before, n});
      before += n;
    };
    bool placed = false;
    while (key != end) {
      const auto next = std::upper_bound(key, end, *key);
      if (!placed && pivot < *key) {
        add(pivot, pivots);
        placed = true;
      }
      add(*key, next - key);
      key = next;
    }
    if (!placed) add(pivot, pivots);
  }
  marked_.clear();
  std::ranges::sort(values_, {}, &Mass::before);
  if (all_) return finish(edges_of_values(values_, bins_));

  QuantilePlan plan(total_, bins_);
  std::vector<Mass> found;
  do {
    found.clear();
    for (const std::int64_t rank : plan.ranks()) {
      if (!found.empty() && holds(found.back(), rank)) {
        found.push_back(found.back());
        continue;
      }
      const auto value = mass_at(values_, rank);
      if (value != std::span<const Mass>(values_).end() && holds(*value, rank)) {
        found.push_back(*value);
      } else {
        mark(static_cast<std::uint32_t>(mass_at(cells_, rank)->key));
      }
    }
    if (!marked_.empty()) return start_pass();
  } while (plan.advance(found));
  finish(plan.edges());
}

template <ValueKey Key>
void GridSearch<Key>::finish(std::vector<std::uint64_t> edges) {
  edges_ = std::move(edges);
  state_ = State::done;
  sample_ = {};
  cells_ = {};
  counts_ = {};
  known_ = {};
  slots_ = {};
  values_ = {};
}

template class GridSearch<std::uint32_t>;
template class GridSearch<std::uint64_t>;

}  // namespace pygbt
