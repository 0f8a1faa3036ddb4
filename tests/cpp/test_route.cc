// SPDX-License-Identifier: Apache-2.0
// Rows routed by every instruction set against math/route.h, row by row: numeric cuts and sets of categories, bins of
// one and two bytes, consecutive and gathered rows, any number of them, bins beyond the set.
#include <algorithm>
#include <cstring>
#include <vector>

#include "backend/isa_dispatch.h"
#include "base/huge_pages.h"
#include "base/rng.h"
#include "check.h"
#include "math/route.h"

namespace pygbt {
namespace {

constexpr std::int64_t kRows = 3000;

std::uint32_t draw(std::uint64_t seed, std::uint64_t i) { return random_bits(seed, Draw::kRow, 3, i); }

struct Column {
  HugeVector<std::uint8_t> bytes;  // readable past the last, as a data set's
  std::vector<Bin> bins;
};

Column make_column(std::uint64_t seed, bool two_byte, std::uint32_t n_bins) {
  Column column;
  column.bytes.resize(static_cast<std::size_t>(kRows) * (two_byte ? 2 : 1));
  for (std::size_t row = 0; row < kRows; ++row) {
    const std::uint32_t drawn = draw(seed, row);
    column.bins.push_back(static_cast<Bin>(drawn % 16 == 0 ? 0 : drawn / 16 % n_bins));
    std::memcpy(column.bytes.data() + row * (two_byte ? 2 : 1), &column.bins.back(), two_byte ? 2 : 1);
  }
  return column;
}

void check_route(PartitionTask task, const std::vector<Bin>& bins) {
  std::vector<RowId> rows;
  for (RowId row = 5; row < kRows; row += 1 + draw(9, row) % 3) rows.push_back(row);
  for (const bool gathered : {false, true}) {
    for (const std::int64_t n : {0, 1, 15, 16, 17, 48, 1003}) {
      for (const bool fetches : {false, true}) {
        task.rows = gathered ? rows.data() : nullptr;
        task.first_row = static_cast<RowId>(kRows - n);
        task.n = n;
        task.later = fetches ? task.column : nullptr;
        task.later_bytes = fetches ? 1000 : 0;
        const auto n_words = static_cast<std::size_t>((n + 15) / 16);
        std::vector<std::uint16_t> expected(n_words, 0);
        std::int64_t n_left = 0;
        for (std::int64_t i = 0; i < n; ++i) {
          const Bin bin = bins[gathered ? rows[static_cast<std::size_t>(i)] : task.first_row + static_cast<RowId>(i)];
          const bool left = task.left_bins != nullptr ? goes_left(bin, task.left_bins, task.left_words)
                                                      : goes_left(bin, task.bin, task.missing_left);
          expected[static_cast<std::size_t>(i / 16)] |= static_cast<std::uint16_t>(left << (i % 16));
          n_left += left;
        }
        for (const std::string& isa : available_isas()) {
          std::vector<std::uint16_t> sides(n_words, 0xffff);
          CHECK_EQ(kernels_of(isa).route(task, sides.data()), n_left);
          CHECK(sides == expected);
        }
      }
    }
  }
}

TEST(route_on_every_instruction_set) {
  std::uint64_t seed = 100;
  for (const bool two_byte : {false, true}) {
    for (const std::uint32_t n_bins : {1u, 2u, 32u, 33u, 250u, 256u, 4000u, 65536u}) {
      if (!two_byte && n_bins > 256) continue;
      const Column column = make_column(++seed, two_byte, n_bins);
      PartitionTask task;
      task.column = column.bytes.data();
      task.two_byte = two_byte;
      for (const bool missing_left : {false, true}) {
        for (const std::uint32_t cut : {0u, 1u, n_bins / 2, n_bins - 1}) {
          task.missing_left = missing_left;
          task.bin = static_cast<Bin>(cut);
          check_route(task, column.bins);
        }
      }
      for (const std::uint32_t n_words : {1u, 2u, 7u, 8u, 9u, (n_bins + 31) / 32}) {
        if (n_words > (n_bins + 31) / 32 && n_words > 1) continue;
        for (const int filled : {0, 1, 2}) {  // none, some, all
          std::vector<std::uint32_t> words(n_words, filled == 0 ? 0u : ~0u);
          if (filled == 1)
            for (std::size_t at = 0; at < words.size(); ++at) words[at] = draw(seed, 1000000 + at);
          task.left_bins = words.data();
          task.left_words = static_cast<std::int32_t>(n_words);
          check_route(task, column.bins);
        }
      }
    }
  }
}

}  // namespace
}  // namespace pygbt
