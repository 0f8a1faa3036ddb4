// SPDX-License-Identifier: Apache-2.0
#include "data/blocks.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "base/pool.h"
#include "data/joint_slots.h"

namespace pygbt {
namespace {

constexpr std::int64_t kChunk = 512;  // rows laid out at a time: a block's chunk stays in L1
constexpr std::int64_t kTaskRows = 1 << 14;
constexpr std::int32_t kPadding = 4;  // rows of one-byte blocks are whole 32-bit words
// The cells of a block stay with one thread from one operation to the next, which is worth a smaller block where rows
// are cheap to read once more.
constexpr std::int64_t kFewRows = 1 << 17;
constexpr std::int32_t kFewRowsSlots = kBlockSlots / 2;

// A slot and its codes by row, uint8 or uint16.
struct SlotColumn {
  Slot slot;
  const std::uint8_t* codes = nullptr;
};

// As few blocks as `most_slots` allows, about equally wide: multiples of `unit` slots but for the last.
void append_blocks(std::span<SlotColumn> slots, bool two_byte, std::int32_t most_slots, std::int32_t unit,
                   std::vector<BinBlock>& blocks, std::vector<std::vector<const std::uint8_t*>>& sources) {
  const auto n = static_cast<std::int32_t>(slots.size());
  const std::int32_t n_blocks = (n + most_slots - 1) / most_slots;
  const std::int32_t n_units = (n + unit - 1) / unit;
  for (std::int32_t b = 0; b < n_blocks; ++b) {
    BinBlock& block = blocks.emplace_back();
    auto& columns = sources.emplace_back();
    const std::int32_t end = std::min(n, n_units * (b + 1) / n_blocks * unit);
    for (std::int32_t s = n_units * b / n_blocks * unit; s < end; ++s) {
      SlotColumn& slot = slots[static_cast<std::size_t>(s)];
      columns.push_back(slot.codes);
      block.slots.push_back(std::move(slot.slot));
    }
    block.two_byte = two_byte;
    block.stride = two_byte ? block.n_slots() : (block.n_slots() + kPadding - 1) / kPadding * kPadding;
  }
}

template <class Byte>
void fill_rows(std::span<const std::uint8_t* const> columns, std::int64_t stride, std::int64_t begin, std::int64_t end,
               Byte* rows) {
  if (static_cast<std::int64_t>(columns.size()) < stride)
    std::fill(rows + begin * stride, rows + end * stride, Byte{0});  // the padding
  for (std::size_t s = 0; s < columns.size(); ++s) {
    const Byte* const from = reinterpret_cast<const Byte*>(columns[s]);
    Byte* const to = rows + s;
    for (std::int64_t i = begin; i < end; ++i) to[i * stride] = from[i];
  }
}

}  // namespace

void fill_blocks(int n_threads, Dataset& data) {
  const std::vector<bool> sparse = fill_sparse_blocks(n_threads, data);
  std::vector<PlannedSlot> planned = plan_slots(data, sparse, kRowsPerSum, n_threads);
  std::vector<SlotColumn> narrow, wide;
  for (PlannedSlot& one : planned) {
    const auto first = static_cast<std::size_t>(one.slot.features.front());
    const std::uint8_t* const codes = one.slot.joint() ? one.codes.data() : data.bins->columns[first].data();
    narrow.push_back({std::move(one.slot), codes});
  }
  for (FeatureId f = 0; f < data.n_features(); ++f) {
    const auto at = static_cast<std::size_t>(f);
    if (data.bins->column_two_byte[at] && !sparse[at])
      wide.push_back({{{f}, data.cuts->features[at].n_bins, {}}, data.bins->columns[at].data()});
  }
  std::vector<std::vector<const std::uint8_t*>> sources;  // [block][slot]
  const auto n_slots = static_cast<std::int64_t>(narrow.size() + wide.size());
  const bool few = data.n_rows < kFewRows && n_slots < std::int64_t{2} * kBlockSlots * resolve_threads(n_threads);
  const std::int32_t most_slots = few ? kFewRowsSlots : kBlockSlots;
  const std::int32_t unit = few ? 1 : kPadding;  // equal work for all threads, or no padding
  data.bins->blocks.clear();
  append_blocks(narrow, false, most_slots, unit, data.bins->blocks, sources);
  append_blocks(wide, true, most_slots, unit, data.bins->blocks, sources);
  for (BinBlock& block : data.bins->blocks)
    block.bytes.resize(static_cast<std::size_t>(data.n_rows * block.stride) * (block.two_byte ? 2 : 1));

  const std::int64_t n_parts = (data.n_rows + kTaskRows - 1) / kTaskRows;
  parallel_for(resolve_threads(n_threads), static_cast<std::int64_t>(data.bins->blocks.size()) * n_parts,
               [&](std::int64_t task, int) {
                 const auto b = static_cast<std::size_t>(task / n_parts);
                 BinBlock& block = data.bins->blocks[b];
                 const std::int64_t first_row = task % n_parts * kTaskRows;
                 const std::int64_t last_row = std::min(data.n_rows, first_row + kTaskRows);
                 for (std::int64_t begin = first_row; begin < last_row; begin += kChunk) {
                   const std::int64_t end = std::min(last_row, begin + kChunk);
                   if (block.two_byte)
                     fill_rows(std::span(std::as_const(sources[b])), block.stride, begin, end,
                               reinterpret_cast<std::uint16_t*>(block.bytes.data()));
                   else
                     fill_rows(std::span(std::as_const(sources[b])), block.stride, begin, end, block.bytes.data());
                 }
               });
}

}  // namespace pygbt
