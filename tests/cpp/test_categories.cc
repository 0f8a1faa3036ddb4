// SPDX-License-Identifier: Apache-2.0
// What the search over categories rests on, against the obvious loop: which categories occur and are judged, on every
// instruction set and both cell formats; and the order of their keys.
#include <algorithm>
#include <limits>
#include <vector>

#include "backend/isa_dispatch.h"
#include "base/rng.h"
#include "check.h"
#include "math/category_sorter.h"

namespace pygbt {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : seed_(seed) {}
  std::int64_t below(std::int64_t n) { return random_bits(seed_, Draw::kRow, 2, next_++) % n; }
  bool chance(std::int64_t percent) { return below(100) < percent; }

 private:
  std::uint64_t seed_;
  std::uint64_t next_ = 0;
};

struct Found {
  std::vector<std::uint32_t> occurs, judged;
  RareSums rare;
};

Found expected_of(const std::vector<Cell>& cells, const std::int64_t* counts, std::int64_t n_bins, double h_unit,
                  double least) {
  Found found;
  found.occurs.assign(static_cast<std::size_t>((n_bins + 31) / 32), 0);
  found.judged = found.occurs;
  for (std::int64_t bin = 1; bin < n_bins; ++bin) {
    const Cell& cell = cells[static_cast<std::size_t>(bin)];
    if (cell == Cell{} && (counts == nullptr || counts[bin] == 0)) continue;
    const auto at = static_cast<std::size_t>(bin / 32);
    found.occurs[at] |= 1u << (bin % 32);
    if (!(static_cast<double>(cell.h) * h_unit < least)) {
      found.judged[at] |= 1u << (bin % 32);
    } else {
      found.rare.cell += cell;
      found.rare.count += counts == nullptr ? 0 : counts[bin];
    }
  }
  return found;
}

// Cells of some bins, and others behind the last that belong to another feature.
void check_scan(std::uint64_t seed, std::int64_t n_bins, std::int64_t filled, double least) {
  constexpr std::int64_t kBehind = 40;
  Random random(seed);
  std::vector<Cell> cells;
  std::vector<std::uint64_t> packed;
  std::vector<std::int64_t> counts;
  for (std::int64_t bin = 0; bin < n_bins + kBehind; ++bin) {
    const bool there = bin >= n_bins || random.chance(filled);
    const bool flat = random.chance(10);  // no hessian, or neither: rows that only the count tells of
    cells.push_back(!there ? Cell{} : Cell{random.below(4000) - 2000, flat ? 0 : random.below(40)});
    counts.push_back(there ? 1 + random.below(9) : 0);
    if (there && random.chance(5)) cells.back() = {};
    packed.push_back((static_cast<std::uint64_t>(cells.back().g) << 32) + static_cast<std::uint64_t>(cells.back().h));
  }
  constexpr double kUnit = 0.25;
  for (const bool counted : {false, true}) {
    const Found expected = expected_of(cells, counted ? counts.data() : nullptr, n_bins, kUnit, least);
    for (const std::string& isa : available_isas()) {
      for (const bool pack : {false, true}) {
        Found found;
        found.occurs.assign(expected.occurs.size(), 0xdeadbeefu);
        found.judged = found.occurs;
        const CategoryScan scan{pack ? static_cast<const void*>(packed.data()) : cells.data(),
                                counted ? counts.data() : nullptr,
                                n_bins,
                                kUnit,
                                least,
                                found.occurs.data(),
                                found.judged.data()};
        found.rare = kernels_of(isa).split.scan_categories[pack](scan);
        CHECK(found.occurs == expected.occurs);
        CHECK(found.judged == expected.judged);
        CHECK(found.rare.cell == expected.rare.cell);
        CHECK_EQ(found.rare.count, expected.rare.count);
      }
    }
  }
}

TEST(categories_that_occur_on_every_instruction_set) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  std::uint64_t seed = 0;
  for (const std::int64_t n_bins : {1, 2, 31, 32, 33, 34, 63, 64, 65, 257, 4001})
    for (const std::int64_t filled : {0, 3, 50, 100})
      for (const double least : {-kInfinite, 0.0, 4.0, 4.1, kInfinite}) check_scan(++seed, n_bins, filled, least);
}

void check_order(const std::vector<CategoryKey>& keys, std::int32_t reach) {
  CategorySorter sorter;
  sorter.keys = keys;
  const std::span<const CategoryKey> found = sorter.sort_ends(reach);
  std::vector<CategoryKey> expected = keys;
  std::sort(expected.begin(), expected.end());
  const auto same = [](const CategoryKey& a, const CategoryKey& b) { return a.key == b.key && a.bin == b.bin; };
  const auto at_end = std::min(keys.size(), static_cast<std::size_t>(reach));
  CHECK_EQ(found.size(), keys.size());
  CHECK(std::equal(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(at_end), expected.begin(), same));
  CHECK(std::equal(found.end() - static_cast<std::ptrdiff_t>(at_end), found.end(),
                   expected.end() - static_cast<std::ptrdiff_t>(at_end), same));
  std::vector<CategoryKey> all(found.begin(), found.end());
  std::sort(all.begin(), all.end());
  CHECK(std::equal(all.begin(), all.end(), expected.begin(), same));
}

TEST(categories_in_the_order_of_their_keys) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  std::uint64_t seed = 0;
  for (const std::int64_t n : {0, 1, 2, 24, 25, 26, 50, 127, 128, 129, 300, 4000}) {
    for (const std::int32_t reach : {1, 2, 63, 64, 5000}) {
      for (int style = 0; style < 7; ++style) {
        Random random(++seed);
        std::vector<CategoryKey> keys;
        for (std::int64_t i = 0; i < n; ++i) {
          double key = static_cast<double>(random.below(1 << 30)) - (1 << 29);
          if (style == 1) key = static_cast<double>(random.below(n / 3 + 1));   // ties
          if (style == 2 && i > 0) key *= 1e-12;                                // a crowd and a stray
          if (style == 3) key = 7.0;                                            // all alike
          if (style == 4 && random.chance(2)) key = key < 0 ? -kInfinite : kInfinite;
          if (style == 5) key *= 0x1p+994;                                      // differences overflow
          if (style == 6) key *= 0x1p-1070;                                     // next to 0, of both signs
          keys.push_back({key, static_cast<std::uint16_t>(i)});
        }
        check_order(keys, reach);
      }
    }
  }
}

}  // namespace
}  // namespace pygbt
