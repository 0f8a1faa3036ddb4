// SPDX-License-Identifier: Apache-2.0
// Bins, cells and wanted keys by the kernels of every instruction set, against counting edges one by one and against
// the laws of a grid: cells ascend with the keys, and key 0 alone is missing.
#include <algorithm>
#include <string>
#include <vector>

#include "backend/isa_dispatch.h"
#include "base/rng.h"
#include "check.h"
#include "data/bin_lookup.h"
#include "data/key_grid.h"
#include "data/key_sort.h"

namespace pygbt {
namespace {

std::uint32_t bits(std::uint32_t stream, std::size_t i) { return random_bits(3, Draw::kRow, stream, i); }

// Any bits, keys close to each other, and many that are missing, the smallest or the largest.
std::vector<std::uint32_t> make_keys(std::uint32_t stream, std::size_t n) {
  std::vector<std::uint32_t> keys;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t any = bits(stream, i);
    const std::uint32_t choices[] = {any, 0xBF800000u + any % 1000, any % 3, ~(any % 3), any & 0xFFFF0000u, any};
    keys.push_back(choices[bits(stream + 100, i) % 6]);
  }
  return keys;
}

TEST(bins_of_keys_count_the_edges_below_on_every_instruction_set) {
  for (const std::size_t n_edges : {0, 1, 2, 5, 254, 3000}) {
    FeatureCuts cuts;
    std::vector<std::uint32_t> edge_keys;
    for (std::size_t i = 0; edge_keys.size() < n_edges; ++i) {
      const std::uint32_t key = i % 3 == 0 ? 0xBF800000u + bits(1, i) % 100'000 : bits(1, i);
      if (key_of(static_cast<float>(value_of(key))) == key && key != 0) edge_keys.push_back(key);  // no NaN
      std::sort(edge_keys.begin(), edge_keys.end());
      edge_keys.erase(std::unique(edge_keys.begin(), edge_keys.end()), edge_keys.end());
    }
    for (const std::uint32_t key : edge_keys) cuts.edges.push_back(value_of(key));
    cuts.n_bins = static_cast<std::int32_t>(n_edges) + 2;
    const BinLookup<std::uint32_t> lookup(cuts);
    for (const std::size_t n : {0, 1, 15, 16, 17, 500}) {
      std::vector<std::uint32_t> keys = make_keys(2, n);
      keys.insert(keys.end(), edge_keys.begin(), edge_keys.end());
      std::vector<Bin> expected;
      for (const std::uint32_t key : keys) {
        const auto below = std::lower_bound(edge_keys.begin(), edge_keys.end(), key) - edge_keys.begin();
        expected.push_back(static_cast<Bin>(key == 0 ? 0 : 1 + below));
        CHECK_EQ(lookup.bin_of(key), expected.back());
      }
      for (const std::string& isa : available_isas()) {
        std::vector<Bin> found(keys.size());
        kernels_of(isa).keys.bins(lookup.table(), keys.data(), static_cast<std::int64_t>(keys.size()), found.data());
        CHECK(found == expected);
      }
    }
  }
}

TEST(cells_of_keys_and_wanted_keys_on_every_instruction_set) {
  for (const std::size_t n_sample : {0, 1, 2, 50, 3000}) {
    std::vector<std::uint32_t> sample = make_keys(4, n_sample);
    std::erase(sample, 0u);
    std::sort(sample.begin(), sample.end());
    const KeyGrid<std::uint32_t> grid(sample);
    std::vector<std::uint32_t> keys = make_keys(5, 1003);
    keys.insert(keys.end(), sample.begin(), sample.end());
    const auto n = static_cast<std::int64_t>(keys.size());
    std::vector<std::uint32_t> ascending = keys;
    std::sort(ascending.begin(), ascending.end());
    for (std::size_t i = 0; i < ascending.size(); ++i) {
      const std::uint32_t cell = grid.cell_of(ascending[i]);
      CHECK(cell < grid.n_cells() && (cell == 0) == (ascending[i] == 0));
      CHECK(i == 0 || grid.cell_of(ascending[i - 1]) <= cell);
    }
    std::vector<std::uint16_t> slots(grid.n_cells() + 1, 0);
    std::vector<std::uint32_t> pivots(1, 0);
    for (std::size_t cell = 1; cell < grid.n_cells(); cell += 1 + cell % 3) {
      pivots.push_back(keys[cell % keys.size()]);
      slots[cell] = static_cast<std::uint16_t>(pivots.size() - 1);
    }
    std::vector<std::uint32_t> cells, wanted;
    for (const std::uint32_t key : keys) {
      cells.push_back(grid.cell_of(key));
      const std::uint16_t slot = slots[cells.back()];
      if (slot != 0 && key != pivots[slot]) wanted.push_back(key);
    }
    for (const std::string& isa : available_isas()) {
      const KeyKernels k = kernels_of(isa).keys;
      std::vector<std::uint32_t> found(keys.size()), kept(keys.size() + 16);
      k.cells(grid.table(), keys.data(), n, found.data());
      CHECK(found == cells);
      const std::int64_t n_kept = k.keep({grid.table(), slots.data(), pivots.data()}, keys.data(), n, kept.data());
      kept.resize(static_cast<std::size_t>(n_kept));
      CHECK(kept == wanted);
    }
  }
}

template <class Item>
void check_sort(std::vector<Item> items) {
  const auto by_key = [](const Item& a, const Item& b) { return key_in(a) < key_in(b); };
  std::vector<Item> spare(items.size()), expected = items;
  std::stable_sort(expected.begin(), expected.end(), by_key);
  const Item* const sorted = sort_keys(items.data(), spare.data(), items.size());
  CHECK(std::equal(expected.begin(), expected.end(), sorted, [](auto& a, auto& b) { return key_in(a) == key_in(b); }));
}

TEST(keys_of_any_width_and_spread_are_sorted) {
  for (const std::size_t n : {0, 1, 2, 100, 1000, 10'000}) {
    const std::vector<std::uint32_t> low = make_keys(6, n), high = make_keys(7, n);
    for (const std::uint64_t mask : {~std::uint64_t{0}, std::uint64_t{0xFFFF}, std::uint64_t{0xFF0000FF},
                                     std::uint64_t{0xF00000000000000F}, std::uint64_t{0}}) {
      std::vector<std::uint64_t> wide;
      std::vector<WeightedKey<std::uint32_t>> weighted;
      std::vector<std::uint32_t> narrow;
      for (std::size_t i = 0; i < n; ++i) {
        wide.push_back(((std::uint64_t{high[i]} << 32) | low[i]) & mask);
        narrow.push_back(static_cast<std::uint32_t>(low[i] & mask));
        weighted.push_back({narrow.back(), high[i]});
      }
      check_sort(wide);
      check_sort(narrow);
      check_sort(weighted);
    }
  }
}

}  // namespace
}  // namespace pygbt
