// SPDX-License-Identifier: Apache-2.0
// Packed sums into slots of any size, on every instruction set, against the obvious loop: bins of one and two bytes, any
// number of slots, rows that follow one another or not, gradients beside the rows or of one target of several, counts.
#include <vector>

#include "backend/isa_dispatch.h"
#include "base/rng.h"
#include "check.h"

namespace pygbt {
namespace {

constexpr std::int64_t kTableRows = 1500;

std::uint32_t draw(std::uint64_t seed, std::uint64_t i) { return random_bits(seed, Draw::kRow, 4, i); }

template <class BinType>
void check_packed(std::int32_t n_slots, std::int32_t n_bins, std::int32_t stride) {
  std::vector<BinType> bins;
  for (std::int64_t i = 0; i < kTableRows * stride; ++i)
    bins.push_back(static_cast<BinType>(draw(1, static_cast<std::uint64_t>(i)) % static_cast<std::uint32_t>(n_bins)));
  constexpr std::int32_t kWidth = 3;
  std::vector<NarrowGradient> gradients;  // [row][kWidth]
  for (std::uint64_t i = 0; i < kTableRows * kWidth; ++i)
    gradients.push_back({static_cast<std::int16_t>(draw(2, i)), static_cast<std::uint16_t>(draw(3, i))});
  std::vector<std::int64_t> offsets;
  for (std::int32_t s = 0; s < n_slots; ++s) offsets.push_back(std::int64_t{n_slots - 1 - s} * (n_bins + 5));
  std::vector<RowId> rows;
  for (RowId row = 3; row < kTableRows; row += 1 + draw(4, row) % 4) rows.push_back(row);

  HistogramTask task;
  task.bins = bins.data();
  task.stride = stride;
  task.n_slots = n_slots;
  task.gradients = gradients.data();
  task.offsets = offsets.data();
  task.first_row = 7;
  for (const bool gathered : {false, true}) {
    for (const std::int64_t n : {0, 1, 47, 48, 49, 255, 256, 257, 513}) {
      for (const int style : {0, 1, 2}) {  // beside the rows, the second target of three, counts
        task.rows = gathered ? rows.data() : nullptr;
        task.n = n;
        task.in_order = style == 0;
        task.width = style == 1 ? kWidth : 1;
        task.target = style == 1 ? 1 : 0;
        task.count = style == 2;
        std::vector<std::uint64_t> expected(static_cast<std::size_t>(n_slots * (n_bins + 5)), 17);
        for (std::int64_t i = 0; i < n; ++i) {
          const std::int64_t row = gathered ? rows[static_cast<std::size_t>(i)] : task.first_row + i;
          const NarrowGradient of = gradients[static_cast<std::size_t>(style == 1 ? row * kWidth + 1 : i)];
          const std::uint64_t value =
              style == 2 ? 1 : (static_cast<std::uint64_t>(std::int64_t{of.g}) << 32) + std::uint64_t{of.h};
          for (std::int32_t s = 0; s < n_slots; ++s)
            expected[static_cast<std::size_t>(offsets[static_cast<std::size_t>(s)] +
                                              bins[static_cast<std::size_t>(row * stride + s)])] += value;
        }
        for (const std::string& isa : available_isas()) {
          std::vector<std::uint64_t> cells(expected.size(), 17);
          kernels_of(isa).histogram_packed_at[sizeof(BinType) == 2](task, cells.data());
          CHECK(cells == expected);
        }
      }
    }
  }
}

TEST(packed_sums_at_offsets_on_every_instruction_set) {
  for (const std::int32_t n_slots : {1, 2, 3, 15, 16}) {
    check_packed<std::uint8_t>(n_slots, 256, (n_slots + 3) / 4 * 4);
    check_packed<std::uint16_t>(n_slots, 4000, n_slots);
    if (n_slots < 3) check_packed<std::uint16_t>(n_slots, 65536, n_slots + 1);
  }
}

}  // namespace
}  // namespace pygbt
