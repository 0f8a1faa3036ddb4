// SPDX-License-Identifier: Apache-2.0
// Where the codes of a block go in a histogram [feature][bin]. Worked out once, when rows are loaded.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.h"

namespace pygbt {

// A feature of a joint slot: its bins are sums over codes. The bin with most codes is not added up but is what the
// others leave of the slot's total, so that a column that is nearly always 0 costs few additions.
struct Marginal {
  struct Part {
    std::int64_t bin = 0;              // of the histogram
    std::int32_t begin = 0, end = 0;   // its codes, in `codes`
  };
  std::int64_t first = 0;  // bins [first, last) of the histogram are the feature's
  std::int64_t last = 0;
  std::int64_t rest = 0;   // the bin with most codes
  std::vector<Part> parts;  // the others that occur
  std::vector<std::uint8_t> codes;
};

struct SlotLayout {
  std::int64_t offset = 0;  // first cell in the block's buffer
  std::int64_t n_codes = 0;
  std::int64_t bin = 0;     // first bin in the histogram of a slot of one feature
  std::vector<Marginal> marginals;  // of a joint slot
};

struct BlockLayout {
  std::vector<SlotLayout> slots;
  std::vector<std::int64_t> offsets;  // [slot] in the buffer: 256 apart in one-byte blocks
  std::vector<std::int64_t> bins;     // [slot] SlotLayout::bin
  std::int64_t size = 0;              // cells of the buffer
  bool joint = false;                 // has a joint slot
  std::int64_t flush_work = 0;        // of a flush, in additions of a row to a slot
};

// bin_offset [n_features + 1]: first bin of each feature.
std::vector<BlockLayout> lay_out_blocks(const Dataset& data, std::span<const std::int64_t> bin_offset);

// [block + 1] first feature of each block, where blocks hold all features in ascending order; else empty.
std::vector<FeatureId> features_by_block(const Dataset& data);

}  // namespace pygbt
