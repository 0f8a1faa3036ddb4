// SPDX-License-Identifier: Apache-2.0
// The bins of a table row by row, for histograms: groups of slots. A slot is one feature or several that share a code
// (src/cpp/data/slot_plan.h): then each bin of theirs is a sum over codes, its marginal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"
#include "bin_column.h"
#include "buffer.h"
#include "data/slots.h"

namespace pygbt::device {

struct GroupSlot {
  std::int64_t first_bin = 0;  // in a histogram, of a slot of one feature
  std::int64_t place = 0;  // its code 0 where every slot has an odd number of places: see n_places()
  std::int32_t n_codes = 0;
  std::int32_t usual = -1;  // the code that most rows have, -1 = none; known on the device only
  std::int32_t first_marginal = 0;
  std::int32_t n_marginals = 0;  // 0 = one feature, whose bins are the codes

  // In shared memory, so that equal codes of neighbouring slots lie in different banks.
  PYGBT_HD std::int32_t n_places() const { return n_codes | 1; }
};

// A bin of a feature that shares its slot: a sum over codes. That of the bin which most codes have is not made: it gets
// what all codes have, less what its feature's other bins get.
struct Marginal {
  std::int64_t bin = 0;    // in a histogram
  std::int64_t rest = 0;   // the bin of the same feature that most codes have
  std::int64_t place = 0;  // of the slot
  std::int32_t first = 0, n = 0;  // of the bin's codes
  std::uint32_t usual = 0;  // 1: the slot's usual code is one of them; known on the device only

  PYGBT_HD bool is_rest() const { return bin == rest; }
};

// Slots [first, first + n) whose histograms a block adds up together: their codes row by row, as wide as the widest
// needs, in 32-bit words. A row has a power of two of them, so that it lies in one sector of device memory, or in few.
struct Group {
  static constexpr std::int32_t kMostWords = 32;

  std::uint32_t* words = nullptr;  // [row][n_words], of each the slot of the lowest byte or half first
  bool two_byte = false;
  std::int32_t first = 0;
  std::int32_t n = 0;
  std::int32_t n_words = 1;  // a thread each
  std::int64_t n_places = 0;  // of all of them
  std::uint32_t skips = 0;  // 1: some slot has a usual code; known on the device only

  PYGBT_HD std::int32_t in_word() const { return two_byte ? 2 : 4; }  // slots
};

// On the device.
struct GroupTable {
  const Group* groups = nullptr;
  const GroupSlot* slots = nullptr;  // of all groups
  const Marginal* marginals = nullptr;  // of all slots
  const std::uint8_t* codes = nullptr;  // of all marginals
};

class Groups {
 public:
  explicit Groups(Device& device)
      : device_(device), words_(device), groups_(device), slots_(device), marginals_(device), codes_(device) {}

  // columns: [feature], on the device. bin_offset: [feature + 1] in a histogram.
  void load(std::span<const Column> columns, std::span<const std::int64_t> bin_offset, std::int64_t n_rows);

  const std::vector<Group>& host() const { return host_groups_; }
  GroupTable table() const { return {groups_.data(), slots_.data(), marginals_.data(), codes_.data()}; }
  // Places of a part of a group's words, of so many, at most.
  std::int64_t most_places(const Group& group, std::int32_t n_parts) const;
  const std::vector<std::vector<FeatureId>>& features() const { return features_; }  // [slot], for tests

 private:
  void place_slots(std::span<const Slot> slots, std::span<const std::int64_t> bin_offset);
  void divide(std::int64_t n_rows);
  void fill(std::span<const Column> codes, std::int64_t n_rows);  // [slot]
  void find_usual_codes(const Column* columns, std::int64_t n_rows);

  Device& device_;
  std::vector<Group> host_groups_;
  std::vector<GroupSlot> host_slots_;
  std::vector<std::vector<FeatureId>> features_;
  Buffer<std::uint32_t> words_;
  Buffer<Group> groups_;
  Buffer<GroupSlot> slots_;
  Buffer<Marginal> marginals_;
  Buffer<std::uint8_t> codes_;
};

}  // namespace pygbt::device
