// SPDX-License-Identifier: Apache-2.0
// The side of a cut that a row goes to. Included by what moves rows to children.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "device.h"
#include "math/route.h"
#include "table.h"

namespace pygbt::device {

struct Cut {
  FeatureId feature = 0;
  Bin bin = 0;
  bool missing_left = false;
  std::int32_t first_word = -1;  // of its bins that go left; -1 = numeric
  std::int32_t n_words = 0;
};

// A side is found in two steps, so that a thread has the keys of several rows on their way.
struct CutSide {
  const Cut* cuts;  // [item]
  const std::uint32_t* words;
  const Column* columns;

  struct OfItem {
    Cut cut;
    Column column;
    const std::uint32_t* words;

    PYGBT_KERNEL Bin key(RowId row) const { return bin_at(column.bins, column.two_byte, row); }
    PYGBT_KERNEL bool left(Bin bin) const {
      return cut.first_word < 0 ? goes_left(bin, cut.bin, cut.missing_left)
                                : goes_left(bin, words + cut.first_word, cut.n_words);
    }
  };
  PYGBT_KERNEL OfItem of(std::int32_t item) const { return {cuts[item], columns[cuts[item].feature], words}; }
};

}  // namespace pygbt::device
