// SPDX-License-Identifier: Apache-2.0
// From the buffer of a sparse block [code] to the histogram of a node [feature][bin]: bins as they are, and the usual
// bin of each feature as what they leave of the sum over the rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "backend/histogram_flush.h"
#include "data/sparse_block.h"

namespace pygbt {

// One target: histogram[bin * to_stride] becomes (`fresh`) or grows by buffer[code * from_stride], and these are cleared.
template <class From, class To>
void flush_sparse(const SparseBlock& block, std::span<const std::int64_t> bin_offset, From* buffer,
                  std::int64_t from_stride, To* histogram, std::int64_t to_stride, bool fresh) {
  const From total = buffer[kTotalCode * from_stride];
  for (std::int64_t code = 0; code < kFirstCode; ++code) buffer[code * from_stride] = From{};
  const auto put = [&](To& cell, const From& sum) {
    if (fresh)
      cell = convert_cell<To>(sum);
    else
      cell += convert_cell<To>(sum);
  };
  for (const SparseFeature& of : block.features) {
    To* const to = histogram + bin_offset[static_cast<std::size_t>(of.feature)] * to_stride;
    From* from = buffer + of.first_code * from_stride;
    From rest = total;
    const auto take = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t bin = begin; bin < end; ++bin, from += from_stride) {
        rest -= *from;
        put(to[bin * to_stride], *from);
        *from = From{};
      }
    };
    const auto usual = static_cast<std::int64_t>(of.usual);
    take(0, usual);
    take(usual + 1, of.n_bins);
    put(to[usual * to_stride], rest);
  }
}

}  // namespace pygbt
