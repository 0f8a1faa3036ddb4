// SPDX-License-Identifier: Apache-2.0
// Rows of cut nodes to their children.
#include <algorithm>

#include "cuda_backend.h"
#include "device.h"
#include "math/route.h"
#include "move_rows.h"
#include "parcel.h"

namespace pygbt::device {

namespace {

struct Cut {
  FeatureId feature = 0;
  Bin bin = 0;
  bool missing_left = false;
  std::int32_t first_word = -1;  // of its bins that go left; -1 = numeric
  std::int32_t n_words = 0;
};

struct CutSide {
  const Cut* cuts;  // [item]
  const std::uint32_t* words;
  const Column* columns;

  PYGBT_KERNEL bool operator()(std::int32_t item, RowId row) const {
    const Cut& cut = cuts[item];
    const Column& column = columns[cut.feature];
    const Bin bin = bin_at(column.bins, column.two_byte, row);
    return cut.first_word < 0 ? goes_left(bin, cut.bin, cut.missing_left)
                              : goes_left(bin, words + cut.first_word, cut.n_words);
  }
};

}  // namespace

void CudaBackend::partition(std::span<const NodeCut> cuts, std::span<std::int64_t> out_left_counts) {
  std::vector<Cut> given;
  std::vector<std::uint32_t> words;
  std::vector<RowRun> items;
  NodeId last = 0;
  for (const NodeCut& cut : cuts) {
    const Split& split = *cut.split;
    given.push_back({split.feature, split.bin, split.missing_left, -1, 0});
    if (split.categorical) {
      given.back().first_word = static_cast<std::int32_t>(words.size());
      given.back().n_words = static_cast<std::int32_t>(split.left_bins.size());
      words.insert(words.end(), split.left_bins.begin(), split.left_bins.end());
    }
    const NodeRows& at = rows_at(cut.node);
    items.push_back({at.begin, at.count, 0, at.buffer});
    last = std::max(last, cut.left + 1);
  }
  Parcel parcel(given_);
  const auto cuts_part = parcel.put(given);
  const auto words_part = parcel.put(words);
  parcel.send();
  const CutSide side{parcel.at(cuts_part), parcel.at(words_part), table_.columns()};
  const std::vector<std::int64_t> lefts = move_rows(items, side, in_order_ ? gradient_bytes() : 0);

  if (nodes_.size() <= static_cast<std::size_t>(last)) nodes_.resize(static_cast<std::size_t>(last) + 1);
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const NodeRows parent = rows_at(cuts[i].node);
    rows_at(cuts[i].left) = {parent.begin, lefts[i], 1 - parent.buffer};
    rows_at(cuts[i].left + 1) = {parent.begin + lefts[i], parent.count - lefts[i], 1 - parent.buffer};
    out_left_counts[i] = lefts[i];
  }
}

}  // namespace pygbt::device
