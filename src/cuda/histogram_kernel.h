// SPDX-License-Identifier: Apache-2.0
// Histograms of many nodes. A block takes pieces of the nodes' rows, each for a group of features or a part of one: it
// adds them up in shared memory (shared_cells.h states the bounds), then adds what it found to the node's cells.
//
// Bins that many rows share would make the threads of a warp wait for one another, or for one bank of the shared memory.
// Therefore: threads of neighbouring rows take the features of a word in different order; equal bins of different
// features lie in different banks (Feature::place); and a bin that most rows have is left out and found as what the
// others leave of the piece's rows (Feature::usual).
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "backend/kernels.h"
#include "block.h"
#include "device.h"
#include "math/layout.h"
#include "pieces.h"
#include "shared_cells.h"
#include "table.h"
#include "tree_work.h"

namespace pygbt::device {

PYGBT_KERNEL void add_cell(Cell* at, const Cell& cell) {
  if (cell.g != 0) add(&at->g, cell.g);
  if (cell.h != 0) add(&at->h, cell.h);
}

// Word: of shared cells; void = straight to the nodes' cells in device memory, for groups that have no room. kOne: trees of
// one target, whose gradients lie beside the rows.
template <class Gradient, class Word, bool kOne>
struct HistogramKernel {
  static constexpr int kMostThreads = 1024;
  static constexpr bool kShared = !std::is_void_v<Word>;
  static constexpr bool kPacked = std::is_same_v<Word, std::uint32_t>;  // of rows without weights
  static constexpr int kAtOnce = kOne ? 4 : 2;  // rows whose bins a thread has on their way

  Pieces pieces;
  const HistogramPlace* places;  // [item]
  const Group* groups;
  const Feature* features;
  const RowId* rows[2];
  const Gradient* gradients[2];  // beside the rows, or [row][width] in [0]
  const std::uint32_t* weights;  // [row]; nullptr = all 1
  const std::uint32_t* even_h;  // [width], see EvenHessians
  WordTrials* trials;  // [group]
  SharedLayout layout;
  std::int64_t scratch_at;  // cells before it
  std::int32_t n_groups;
  std::int32_t word_parts, target_parts;  // of a group, of the targets: at most
  std::int32_t width;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t of_group = word_parts * target_parts, of_piece = n_groups * of_group;
    for (std::int64_t task = block(), n_tasks = pieces.n() * of_piece; task < n_tasks; task += n_blocks()) {
      const auto in_piece = static_cast<std::int32_t>(task % of_piece);
      const std::int32_t number = in_piece / of_group;
      const Group& group = groups[number];
      if ((layout.together(group.n_places, width) > 0) != kShared) continue;
      const Part part = Part::of(group, features, in_piece / target_parts % word_parts, word_parts);
      if (part.n == 0) continue;
      const std::int32_t together = kShared ? layout.together(part.n_places, width) : width;
      const std::int32_t first_target = in_piece % target_parts * together, rest = width - first_target;
      if (rest <= 0) continue;
      const RowRun run = pieces[task / of_piece];
      const std::int32_t n_targets = rest < together ? rest : together;
      const auto add_up_words = [&](auto in_word) {
        constexpr int kInWord = decltype(in_word)::value;
        if constexpr (!kShared)
          add_to_node<kInWord>(run, part, first_target, n_targets);
        else if (group.skips != 0)
          add_up<kInWord, true>(run, part, first_target, n_targets, trials[number]);
        else
          add_up<kInWord, false>(run, part, first_target, n_targets, trials[number]);
      };
      if (group.two_byte)
        add_up_words(std::integral_constant<int, 2>{});
      else
        add_up_words(std::integral_constant<int, 4>{});
    }
  }

  template <int kInWord, bool kSkips>
  PYGBT_KERNEL void add_up(const RowRun& run, const Part& part, std::int32_t first_target, std::int32_t n_targets,
                           WordTrials& of_group) const {
    if constexpr (kPacked) {
      const bool sure = run.n <= kWordRows;
      if (even_h[0] != 0 && run.n <= of_group.most_rows) {
        const bool fits = add_in_words<kInWord, true, kSkips>(run, part, first_target, n_targets);
        if (thread() == 0 && !sure) add(&of_group.rows, run.n);
        if (fits) return;
        if (thread() == 0) add(&of_group.again, run.n);
      }
    }
    add_in_words<kInWord, false, kSkips>(run, part, first_target, n_targets);
  }

  template <int kInWord>
  PYGBT_KERNEL void add_to_node(const RowRun& run, const Part& part, std::int32_t first_target,
                                std::int32_t n_targets) const {
    const HistogramPlace& place = places[run.item];
    Cell* const node = place.cells + row_major(part.first_bin, first_target, width);
    std::int64_t* const counts = layout.counted ? place.counts + part.first_bin : nullptr;
    visit_rows<kInWord, false>(run, part, first_target, [&](std::int32_t bin, std::int64_t weight, auto&& gradient_of) {
      for (std::int32_t k = 0; k < n_targets; ++k) {
        const Gradient gradient = gradient_of(k);
        add_cell(node + row_major(bin, k, width), {weight * gradient.g, weight * gradient.h});
      }
      if (counts != nullptr) add(counts + bin, std::int64_t{1});
    });
  }

  // False: a cell of one word has had no room for its rows, and the node is as it was.
  template <int kInWord, bool kOneWord, bool kSkips>
  PYGBT_KERNEL bool add_in_words(const RowRun& run, const Part& part, std::int32_t first_target,
                                 std::int32_t n_targets) const {
    const auto n_places = static_cast<std::int32_t>(part.n_places), n_cells = n_places * n_targets;
    const SharedCells<Word> cells(n_cells);
    const bool counted = first_target == 0 && layout.counted, counts_apart = !kOneWord && counted;
    for (std::int32_t i = thread(); i < (kOneWord ? 1 : 2) * n_cells; i += n_threads()) cells.g[i] = 0;
    for (std::int32_t at = thread(); counts_apart && at < n_places; at += n_threads()) cells.counts[at] = 0;
    sync();
    const std::int32_t skipped = visit_rows<kInWord, kSkips>(
        run, part, first_target, [&](std::int32_t place, std::int64_t weight, auto&& gradient_of) {
          for (std::int32_t k = 0; k < (kOne ? 1 : n_targets); ++k) {
            const Gradient gradient = gradient_of(k);
            cells.template add_to<kOneWord>(kOne ? place : place * n_targets + k, weight * gradient.g,
                                            weight * gradient.h);
          }
          if (counts_apart) add(cells.counts + place, std::uint32_t{1});
        });
    sync();
    const bool fits = !kOneWord || run.n <= kWordRows ||
                      cells.fit(run.n * part.n * n_targets, std::int64_t{skipped} * n_targets,
                                reinterpret_cast<std::int64_t*>(shared<Cell>() + scratch_at));
    if (fits) hand_over<kOneWord, kSkips>(cells, run, part, first_target, n_targets);
    sync();  // before the next piece clears the cells
    return fits;
  }

  // What the block has found, to the node. As many threads a feature as it has cells, about.
  template <bool kOneWord, bool kSkips>
  PYGBT_KERNEL void hand_over(const SharedCells<Word>& cells, const RowRun& run, const Part& part,
                              std::int32_t first_target, std::int32_t n_targets) const {
    const HistogramPlace& node = places[run.item];
    const auto of_row = [&](std::int32_t k) { return kOneWord ? std::int64_t{even_h[first_target + k]} : 0; };
    std::int64_t* const counts = counts_of(node, first_target);
    std::int32_t lanes = 1;
    while (lanes < n_threads() && 2 * lanes * part.n <= cells.n_cells) lanes *= 2;
    for (std::int32_t i = thread() / lanes; i < part.n; i += n_threads() / lanes) {
      const Feature& feature = features[part.first + i];
      const auto place = static_cast<std::int32_t>(feature.place - part.first_place);
      for (std::int32_t at = thread() % lanes; at < feature.n_bins * n_targets; at += lanes) {
        const std::int32_t bin = at / n_targets, k = at % n_targets;
        add_cell(node.cells + row_major(feature.offset + bin, first_target + k, width),
                 cells.template sum<kOneWord>(place * n_targets + at, of_row(k)));
      }
      for (std::int32_t bin = thread() % lanes; counts != nullptr && bin < feature.n_bins; bin += lanes)
        if (const std::int64_t n = rows_at<kOneWord>(cells, place + bin, n_targets); n != 0)
          add(counts + feature.offset + bin, n);
    }
    if constexpr (kSkips) hand_over_usual<kOneWord>(cells, run, part, first_target, n_targets);
  }

  // The usual bins, which have what the others leave of all rows. A warp a feature.
  template <bool kOneWord>
  PYGBT_KERNEL void hand_over_usual(const SharedCells<Word>& cells, const RowRun& run, const Part& part,
                                    std::int32_t first_target, std::int32_t n_targets) const {
    const HistogramPlace& node = places[run.item];
    std::int64_t* const counts = counts_of(node, first_target);
    for (std::int32_t k = 0; k < n_targets; ++k) {
      const std::int64_t of_row = kOneWord ? even_h[first_target + k] : 0;
      const Cell all = sum_of_rows(run, first_target + k);
      for (std::int32_t i = thread() / kLanes; i < part.n; i += n_threads() / kLanes) {
        const Feature& feature = features[part.first + i];
        if (feature.usual < 0) continue;
        const auto place = static_cast<std::int32_t>(feature.place - part.first_place);
        Cell others;
        std::int64_t n_others = 0;
        for (std::int32_t bin = thread() % kLanes; bin < feature.n_bins; bin += kLanes) {
          others += cells.template sum<kOneWord>((place + bin) * n_targets + k, of_row);
          if (counts != nullptr && k == 0) n_others += rows_at<kOneWord>(cells, place + bin, n_targets);
        }
        others = warp_sum(others);
        n_others = warp_sum(n_others);
        if (thread() % kLanes != 0) continue;
        add_cell(node.cells + row_major(feature.offset + feature.usual, first_target + k, width),
                 {all.g - others.g, all.h - others.h});
        if (counts != nullptr && k == 0) add(counts + feature.offset + feature.usual, run.n - n_others);
      }
    }
  }

  PYGBT_KERNEL std::int64_t* counts_of(const HistogramPlace& node, std::int32_t first_target) const {
    return first_target == 0 && layout.counted ? node.counts : nullptr;
  }
  // Rows of a place, of a block that counts them.
  template <bool kOneWord>
  PYGBT_KERNEL static std::int64_t rows_at(const SharedCells<Word>& cells, std::int32_t place, std::int32_t n_targets) {
    return kOneWord ? cells.rows(place * n_targets) : std::int64_t{cells.counts[place]};
  }

  // Of a target, by the whole block.
  PYGBT_KERNEL Cell sum_of_rows(const RowRun& run, std::int32_t target) const {
    Cell mine;
    for (std::int64_t i = run.begin + thread(); i < run.begin + run.n; i += n_threads()) {
      const RowId row = rows[run.buffer][i];
      const Gradient gradient = kOne ? gradients[run.buffer][i] : gradients[0][row_major(row, target, width)];
      const std::int64_t weight = kPacked || weights == nullptr ? 1 : weights[row];
      mine += {weight * gradient.g, weight * gradient.h};
    }
    return block_sum(mine, shared<Cell>() + scratch_at);
  }

  // Calls body(place, weight, gradient of a target of the task, of its number there) for the bins of all rows but, kSkips,
  // those that are their feature's usual one; returns how many this thread has left out. Where a place is of the part's
  // shared memory or, straight to the node, of its bins. The threads of a row take a word of its bins each, and those of
  // neighbouring rows begin with different features: rows with equal bins wait for each other less.
  template <int kInWord, bool kSkips, class Body>
  PYGBT_KERNEL std::int32_t visit_rows(const RowRun& run, const Part& part, std::int32_t first_target,
                                       Body&& body) const {
    constexpr int kBits = 32 / kInWord;
    constexpr std::uint32_t kMask = kInWord == 4 ? 0xffu : 0xffffu;
    const std::int32_t word = thread() % part.n_words, step = n_threads() / part.n_words;
    const std::int32_t n_mine = part.n - word * kInWord;  // features from this word on
    if (n_mine <= 0) return 0;
    const int turn = n_mine < kInWord ? 0 : thread() / part.n_words % kInWord;
    std::int32_t place_0[kInWord], usual[kInWord];
    for (int j = 0; j < kInWord; ++j) {
      const int at = (j + turn) % kInWord;
      const Feature& feature = features[part.first + (at < n_mine ? word * kInWord + at : 0)];
      place_0[j] =
          static_cast<std::int32_t>(kShared ? feature.place - part.first_place : feature.offset - part.first_bin);
      usual[j] = feature.usual;
    }
    std::int32_t skipped = 0;
    const RowId* const ids = rows[run.buffer] + run.begin;
    const auto n = static_cast<std::int32_t>(run.n);
    const Gradient* const of_rows = gradients[kOne ? run.buffer : 0] + (kOne ? run.begin : std::int64_t{first_target});
    for (std::int32_t i = thread() / part.n_words; i < n; i += kAtOnce * step) {
      RowId row[kAtOnce];
      std::uint32_t bins[kAtOnce];
      Gradient first[kAtOnce];
      for (int u = 0; u < kAtOnce; ++u) row[u] = ids[i + u * step < n ? i + u * step : i];
      for (int u = 0; u < kAtOnce; ++u) {
        first[u] = kOne ? of_rows[i + u * step < n ? i + u * step : i] : of_rows[row_major(row[u], 0, width)];
        bins[u] = std::rotr(part.words[row_major(row[u], word, part.stride)], turn * kBits);
      }
      PYGBT_UNROLL  // or the arrays would lie in memory
      for (int u = 0; u < kAtOnce; ++u) {
        if (i + u * step >= n) continue;
        const std::int64_t weight = kPacked || weights == nullptr ? 1 : weights[row[u]];
        PYGBT_UNROLL
        for (int j = 0; j < kInWord; ++j) {
          if (j >= n_mine) continue;
          const auto bin = static_cast<std::int32_t>((bins[u] >> (j * kBits)) & kMask);
          if (kSkips && bin == usual[j])
            ++skipped;
          else
            body(place_0[j] + bin, weight,
                 [&](std::int32_t k) { return k == 0 ? first[u] : of_rows[row_major(row[u], k, width)]; });
        }
      }
    }
    return skipped;
  }
};

}  // namespace pygbt::device
