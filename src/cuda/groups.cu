// SPDX-License-Identifier: Apache-2.0
#include "groups.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "block.h"
#include "device.h"
#include "joint_columns.h"
#include "shared_cells.h"

namespace pygbt::device {

namespace {

// Columns of a group, side by side.
struct GroupKernel {
  Group group;
  const Column* columns;  // [slot]
  std::int64_t n_rows;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t in_word = group.in_word(), bits = 32 / in_word;
    for (std::int64_t at = first_row(); at < n_rows * group.n_words; at += row_step()) {
      const std::int64_t row = at / group.n_words;
      const auto begin = static_cast<std::int32_t>(at % group.n_words) * in_word;
      std::uint32_t word = 0;
      for (std::int32_t i = 0; i < in_word && begin + i < group.n; ++i) {
        const Column& column = columns[group.first + begin + i];
        word |= std::uint32_t{bin_at(column.bins, column.two_byte, row)} << (i * bits);
      }
      group.words[at] = word;
    }
  }
};

// The code of each slot that most of some rows have; none has where there is no room for the slot's codes. A block a slot.
struct UsualCodeKernel {
  GroupSlot* slots;
  Group* groups;
  Marginal* marginals;
  const std::uint8_t* codes;  // of the marginals
  const Column* columns;  // [slot]
  std::int64_t n_rows, step;  // rows that are looked at, from row to row
  std::int64_t least;  // rows of a usual code
  std::int32_t most_codes, n_slots;

  PYGBT_KERNEL void operator()() const {
    auto* const best = shared<std::uint64_t>();  // [1] rows and code
    auto* const counts = reinterpret_cast<std::uint32_t*>(best + 1);
    for (auto s = static_cast<std::int32_t>(block()); s < n_slots; s += static_cast<std::int32_t>(n_blocks())) {
      const std::int32_t n_codes = slots[s].n_codes <= most_codes ? slots[s].n_codes : 0;
      if (thread() == 0) *best = 0;
      for (std::int32_t code = thread(); code < n_codes; code += n_threads()) counts[code] = 0;
      sync();
      for (std::int64_t i = thread(); n_codes > 0 && i < n_rows; i += n_threads())
        add(counts + bin_at(columns[s].bins, columns[s].two_byte, i * step), std::uint32_t{1});
      sync();
      for (std::int32_t code = thread(); code < n_codes; code += n_threads())
        if (counts[code] >= least)
          raise_to(best, (std::uint64_t{counts[code]} << 32) + static_cast<std::uint32_t>(code));
      sync();
      if (*best != 0) mark(s, static_cast<std::int32_t>(*best & 0xffffffffu));
      sync();
    }
  }
  PYGBT_KERNEL void mark(std::int32_t s, std::int32_t code) const {
    GroupSlot& slot = slots[s];
    for (std::int32_t m = thread(); m < slot.n_marginals; m += n_threads()) {
      Marginal& marginal = marginals[slot.first_marginal + m];
      for (std::int32_t i = 0; i < marginal.n; ++i)
        if (codes[marginal.first + i] == code) marginal.usual = 1;
    }
    if (thread() != 0) return;
    slot.usual = code;
    Group* group = groups;
    while (s >= group->first + group->n) ++group;
    raise_to(&group->skips, std::uint32_t{1});
  }
};

constexpr std::int64_t kAlignment = 16 / sizeof(std::uint32_t);  // words of groups
constexpr std::int64_t kPackedBytes = 8;  // of a cell

}  // namespace

// The plan waits for what it asks of the columns, the rest is queued.
void Groups::load(std::span<const Column> columns, std::span<const std::int64_t> bin_offset, std::int64_t n_rows) {
  std::vector<std::int32_t> n_bins;
  for (std::size_t f = 0; f < columns.size(); ++f)
    n_bins.push_back(static_cast<std::int32_t>(bin_offset[f + 1] - bin_offset[f]));
  const Policy& policy = device_.policy();
  JointColumns joint(device_, columns, n_rows);
  const std::vector<Slot> slots = SlotPlan(n_bins, n_rows, policy.rows_per_sum * policy.histogram_blocks, joint).make();
  place_slots(slots, bin_offset);
  divide(n_rows);
  std::vector<Column> codes;
  for (const Slot& slot : slots) codes.push_back(joint.codes_of(slot.features.front()));
  fill(codes, n_rows);
}

void Groups::place_slots(std::span<const Slot> slots, std::span<const std::int64_t> bin_offset) {
  host_slots_.clear();
  features_.clear();
  std::vector<Marginal> marginals;
  std::vector<std::uint8_t> codes;
  std::int64_t place = 0;
  for (const Slot& slot : slots) {
    GroupSlot& placed = host_slots_.emplace_back();
    placed.place = place;
    placed.n_codes = slot.n_codes;
    placed.first_marginal = static_cast<std::int32_t>(marginals.size());
    placed.first_bin = bin_offset[static_cast<std::size_t>(slot.features.front())];
    place += placed.n_places();
    features_.push_back(slot.features);
    for (std::size_t i = 0; slot.joint() && i < slot.features.size(); ++i) {
      const auto f = static_cast<std::size_t>(slot.features[i]);
      std::vector<std::vector<std::uint8_t>> codes_of(static_cast<std::size_t>(bin_offset[f + 1] - bin_offset[f]));
      for (std::int32_t code = 0; code < slot.n_codes; ++code)
        codes_of[slot.bin(static_cast<std::size_t>(code), i)].push_back(static_cast<std::uint8_t>(code));
      const auto most = std::max_element(codes_of.begin(), codes_of.end(),
                                         [](const auto& a, const auto& b) { return a.size() < b.size(); });
      for (auto of_bin = codes_of.begin(); of_bin != codes_of.end(); ++of_bin) {
        if (of_bin->empty()) continue;  // no row has it
        Marginal& marginal = marginals.emplace_back();
        marginal.bin = bin_offset[f] + (of_bin - codes_of.begin());
        marginal.rest = bin_offset[f] + (most - codes_of.begin());
        marginal.place = placed.place;
        marginal.first = static_cast<std::int32_t>(codes.size());
        marginal.n = static_cast<std::int32_t>(of_bin->size());
        codes.insert(codes.end(), of_bin->begin(), of_bin->end());
      }
    }
    placed.n_marginals = static_cast<std::int32_t>(marginals.size()) - placed.first_marginal;
  }
  slots_.put(host_slots_);
  marginals_.put(marginals);
  codes_.put(codes);
}

// Slots in their order, as many as the packed cells of a group have room for and a row of a warp's words. Several, or
// joint ones, have room in shared memory whatever words a tree wants: there are no marginals elsewhere.
void Groups::divide(std::int64_t n_rows) {
  const Policy& policy = device_.policy();
  const std::int64_t most = static_cast<std::int64_t>(policy.group_bytes) / kPackedBytes;
  const SharedLayout largest{sizeof(std::uint64_t), policy.shared_bytes, true};
  host_groups_.clear();
  const auto n_slots = static_cast<std::int32_t>(host_slots_.size());
  for (std::int32_t s = 0; s < n_slots;) {
    Group group;
    group.first = s;
    std::int64_t n_codes = 0;
    for (; s < n_slots; ++s) {
      const GroupSlot& slot = host_slots_[static_cast<std::size_t>(s)];
      Group more = group;
      more.two_byte = group.two_byte || slot.n_codes > 256;
      more.n_places += slot.n_places();
      ++more.n;
      n_codes += slot.n_codes;
      const bool fits =
          n_codes <= most && more.n <= Group::kMostWords * more.in_word() && largest.together(more.n_places, 1) > 0;
      if (group.n > 0 && !fits) break;
      group = more;
    }
    while (group.n_words * group.in_word() < group.n) group.n_words *= 2;
    host_groups_.push_back(group);
  }
  std::int64_t n_words = 0;
  std::vector<std::int64_t> offsets;
  for (const Group& group : host_groups_) {
    offsets.push_back(n_words);
    n_words += (n_rows * group.n_words + kAlignment - 1) / kAlignment * kAlignment;
  }
  std::uint32_t* const first = words_.make(n_words);
  for (std::size_t i = 0; i < host_groups_.size(); ++i) host_groups_[i].words = first + offsets[i];
  groups_.put(host_groups_);
}

void Groups::fill(std::span<const Column> codes, std::int64_t n_rows) {
  Buffer<Column> columns(device_);
  columns.put(codes);
  const Policy& policy = device_.policy();
  for (const Group& group : host_groups_) {
    const std::int64_t blocks = (n_rows * group.n_words + policy.n_threads - 1) / policy.n_threads;
    device_.launch(std::min(blocks, policy.n_blocks), policy.n_threads, GroupKernel{group, columns.data(), n_rows});
  }
  find_usual_codes(columns.data(), n_rows);
}

// Of a sample: which code is left out of histograms changes how fast they are, not what. Nothing is waited for: the marks
// stay on the device.
void Groups::find_usual_codes(const Column* columns, std::int64_t n_rows) {
  const Policy& policy = device_.policy();
  const std::int64_t n = std::min(n_rows, policy.usual_rows);
  const auto n_slots = static_cast<std::int32_t>(host_slots_.size());
  if (n == 0 || n_slots == 0) return;
  std::int32_t most_codes = 0;
  for (const GroupSlot& slot : host_slots_) most_codes = std::max(most_codes, slot.n_codes);
  const auto least = static_cast<std::int64_t>(policy.usual_share * static_cast<double>(n));
  const std::size_t room = std::min(policy.shared_bytes - sizeof(std::uint64_t),
                                    static_cast<std::size_t>(most_codes) * sizeof(std::uint32_t));
  device_.launch(
      std::min<std::int64_t>(n_slots, policy.n_blocks), policy.n_threads,
      UsualCodeKernel{slots_.data(), groups_.data(), marginals_.data(), codes_.data(), columns, n, n_rows / n,
                      least + 1, static_cast<std::int32_t>(room / sizeof(std::uint32_t)), n_slots},
      sizeof(std::uint64_t) + room);
}

std::int64_t Groups::most_places(const Group& group, std::int32_t n_parts) const {
  const std::int32_t of_part = std::max(1, group.n_words / n_parts) * group.in_word();
  std::int64_t most = 0;
  for (std::int32_t begin = 0; begin < group.n; begin += of_part) {
    const std::int32_t end = std::min(group.n, begin + of_part);
    const GroupSlot& first = host_slots_[static_cast<std::size_t>(group.first + begin)];
    const GroupSlot& last = host_slots_[static_cast<std::size_t>(group.first + end - 1)];
    most = std::max(most, last.place + last.n_places() - first.place);
  }
  return most;
}

}  // namespace pygbt::device
