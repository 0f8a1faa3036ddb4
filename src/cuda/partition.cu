// SPDX-License-Identifier: Apache-2.0
// Rows of cut nodes to their children.
#include <algorithm>

#include "cuda_backend.h"
#include "cut_side.h"
#include "move_rows.h"
#include "parcel.h"

namespace pygbt::device {

void CudaBackend::make_counts(std::int64_t most_items) {
  moves_.tile_lefts.make(most_pieces(n_rows_, most_items, tile_pieces()));
  moves_.left_counts.make(most_items);
}

void CudaBackend::make_moves(std::int64_t most_items) {
  const PieceSize size = tile_pieces();
  const std::int64_t n_tiles = most_pieces(n_rows_, most_items, size);
  make_counts(most_items);
  // Of n tiles of r rows: n * (r / 32 + 1) words, n <= n_rows / r + items.
  moves_.sides.make(n_rows_ / 32 + n_tiles + most_items * (size.most / 32 + 1));
}

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
    items.push_back(run_of(cut.node));
    last = std::max(last, cut.left + 1);
  }
  Parcel parcel(given_);
  const auto cuts_part = parcel.put(given);
  const auto words_part = parcel.put(words);
  parcel.send();
  const auto n_items = static_cast<std::int64_t>(items.size());
  const CutSide side{parcel.at(cuts_part), parcel.at(words_part), table_.columns()};
  move_rows(tiles_.put(items, tile_pieces()), n_items, side, in_order_ ? gradient_bytes() : 0);
  const std::vector<std::int64_t> lefts = moves_.left_counts.get();

  if (nodes_.size() <= static_cast<std::size_t>(last)) nodes_.resize(static_cast<std::size_t>(last) + 1);
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const NodeRows parent = rows_at(cuts[i].node);
    rows_at(cuts[i].left) = {parent.begin, lefts[i], 1 - parent.buffer};
    rows_at(cuts[i].left + 1) = {parent.begin + lefts[i], parent.count - lefts[i], 1 - parent.buffer};
    out_left_counts[i] = lefts[i];
  }
}

}  // namespace pygbt::device
