// SPDX-License-Identifier: Apache-2.0
// Histograms of many nodes. A block takes pieces of the nodes' rows, each for a group of slots or a part of one: it
// adds them up in shared memory (shared_cells.h states the bounds), then adds what it found to the node's cells: code by
// code, or as sums over the codes that features share (Marginal).
//
// Codes that many rows share would make the threads of a warp wait for one another, or for one bank of the shared memory.
// Therefore: threads of neighbouring rows take the slots of a word in different order; equal codes of different slots
// lie in different banks (GroupSlot::place); and a code that most rows have is left out and found as what the others
// leave of the piece's rows (GroupSlot::usual).
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "backend/kernels.h"
#include "block.h"
#include "device.h"
#include "groups.h"
#include "math/layout.h"
#include "pieces.h"
#include "shared_cells.h"
#include "tree_work.h"

namespace pygbt::device {

PYGBT_KERNEL void add_cell(Cell* at, const Cell& cell) {
  if (cell.g != 0) add_to_memory(&at->g, cell.g);
  if (cell.h != 0) add_to_memory(&at->h, cell.h);
}

// Word: of shared cells; void = straight to the nodes' cells in device memory, for groups that have no room. kOne: trees of
// one target, whose gradients lie beside the rows.
template <class Gradient, class Word, bool kOne>
struct HistogramKernel {
  static constexpr int kMostThreads = 1024;
  static constexpr bool kShared = !std::is_void_v<Word>;
  static constexpr bool kPacked = std::is_same_v<Word, std::uint32_t>;  // of rows without weights
  static constexpr int kAtOnce = kOne ? 4 : 2;  // rows whose codes a thread has on their way

  Pieces pieces;
  const HistogramPlace* places;  // [item]
  GroupTable table;
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
      const Group& group = table.groups[number];
      if ((layout.together(group.n_places, width) > 0) != kShared) continue;
      const Part part = Part::of(group, table.slots, in_piece / target_parts % word_parts, word_parts);
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
    visit_rows<kInWord, false>(run, part, first_target, [&](const auto& bins, std::int64_t weight, auto&& gradient_of) {
      for (std::int32_t k = 0; k < (kOne ? 1 : n_targets); ++k) {
        const Gradient gradient = gradient_of(k);
        const Cell cell{weight * gradient.g, weight * gradient.h};
        bins.visit([&](std::int32_t bin) { add_cell(node + (kOne ? bin : row_major(bin, k, width)), cell); });
      }
      if (counts != nullptr) bins.visit([&](std::int32_t bin) { add_to_memory(counts + bin, std::int64_t{1}); });
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
        run, part, first_target, [&](const auto& found, std::int64_t weight, auto&& gradient_of) {
          for (std::int32_t k = 0; k < (kOne ? 1 : n_targets); ++k) {
            const Gradient gradient = gradient_of(k);
            found.visit([&](std::int32_t place) {
              cells.template add_to<kOneWord>(kOne ? place : place * n_targets + k, weight * gradient.g,
                                              weight * gradient.h);
            });
          }
          if (counts_apart) found.visit([&](std::int32_t place) { add(cells.counts + place, std::uint32_t{1}); });
        });
    sync();
    const bool fits = !kOneWord || run.n <= kWordRows ||
                      cells.fit(run.n * part.n * n_targets, std::int64_t{skipped} * n_targets,
                                reinterpret_cast<std::int64_t*>(shared<Cell>() + scratch_at));
    if (fits) hand_over<kOneWord, kSkips>(cells, run, part, first_target, n_targets);
    sync();  // before the next piece clears the cells
    return fits;
  }

  // What the block has found, to the node. As many threads a slot as it has cells, about.
  template <bool kOneWord, bool kSkips>
  PYGBT_KERNEL void hand_over(const SharedCells<Word>& cells, const RowRun& run, const Part& part,
                              std::int32_t first_target, std::int32_t n_targets) const {
    const HistogramPlace& node = places[run.item];
    std::int64_t* const counts = counts_of(node, first_target);
    std::int32_t lanes = 1;
    while (lanes < n_threads() && 2 * lanes * part.n <= cells.n_cells) lanes *= 2;
    for (std::int32_t i = thread() / lanes; i < part.n; i += n_threads() / lanes) {
      const GroupSlot& slot = table.slots[part.first + i];
      if (slot.n_marginals > 0) continue;
      const auto place = static_cast<std::int32_t>(slot.place - part.first_place);
      for (std::int32_t at = thread() % lanes; at < slot.n_codes * n_targets; at += lanes) {
        const std::int32_t bin = at / n_targets, k = at % n_targets;
        add_cell(node.cells + row_major(slot.first_bin + bin, first_target + k, width),
                 cells.template sum<kOneWord>(place * n_targets + at, of_row<kOneWord>(first_target + k)));
      }
      for (std::int32_t bin = thread() % lanes; counts != nullptr && bin < slot.n_codes; bin += lanes)
        if (const std::int64_t n = rows_at<kOneWord>(cells, place + bin, n_targets); n != 0)
          add_to_memory(counts + slot.first_bin + bin, n);
    }
    if (part.n_marginals > 0) hand_over_marginals<kOneWord>(cells, run, part, first_target, n_targets);
    if (kSkips || part.n_marginals > 0) hand_over_slots<kOneWord, kSkips>(cells, run, part, first_target, n_targets);
  }

  // Bins of features that share a slot: what they are the sum of, the rest of their feature is not. As many lanes a bin
  // and target as there are threads for, of one warp.
  template <bool kOneWord>
  PYGBT_KERNEL void hand_over_marginals(const SharedCells<Word>& cells, const RowRun& run, const Part& part,
                                        std::int32_t first_target, std::int32_t n_targets) const {
    const HistogramPlace& node = places[run.item];
    std::int64_t* const counts = counts_of(node, first_target);
    const std::int32_t n_tasks = part.n_marginals * n_targets;
    std::int32_t lanes = 1;
    while (lanes < kLanes && 2 * lanes * n_tasks <= n_threads()) lanes *= 2;
    PYGBT_ROLL
    for (std::int32_t first = 0; first < n_tasks; first += n_threads() / lanes) {  // all lanes of a warp, or none
      const std::int32_t task = first + thread() / lanes, k = task % n_targets;
      const Marginal marginal = task < n_tasks ? table.marginals[part.first_marginal + task / n_targets] : Marginal{};
      const auto place = static_cast<std::int32_t>(marginal.place - part.first_place);
      CodeSums sums;
      for (std::int32_t i = thread() % lanes; !marginal.is_rest() && i < marginal.n; i += lanes)
        sums += sums_at<kOneWord>(cells, place + table.codes[marginal.first + i], first_target, k, n_targets);
      PYGBT_ROLL
      for (std::int32_t by = lanes / 2; by > 0; by /= 2) sums += from_xor(sums, by);
      if (marginal.is_rest() || thread() % lanes != 0) continue;
      give(node, counts, marginal.bin, first_target, k, sums);
      give(node, counts, marginal.rest, first_target, k, CodeSums{} - sums);
    }
  }

  // What all codes of a slot have goes to the rest of each of its features; what they leave of all rows, kSkips, belongs
  // to its usual code. A warp a slot.
  template <bool kOneWord, bool kSkips>
  PYGBT_KERNEL void hand_over_slots(const SharedCells<Word>& cells, const RowRun& run, const Part& part,
                                    std::int32_t first_target, std::int32_t n_targets) const {
    const HistogramPlace& node = places[run.item];
    std::int64_t* const counts = counts_of(node, first_target);
    PYGBT_ROLL
    for (std::int32_t k = 0; k < n_targets; ++k) {
      CodeSums all{{}, run.n};
      if constexpr (kSkips) all.cell = sum_of_rows(run, first_target + k);
      PYGBT_ROLL
      for (std::int32_t i = thread() / kLanes; i < part.n; i += n_threads() / kLanes) {
        const GroupSlot& slot = table.slots[part.first + i];
        const bool skipped = kSkips && slot.usual >= 0;
        if (slot.n_marginals == 0 && !skipped) continue;
        const auto place = static_cast<std::int32_t>(slot.place - part.first_place);
        CodeSums found;
        for (std::int32_t code = thread() % kLanes; code < slot.n_codes; code += kLanes)
          found += sums_at<kOneWord>(cells, place + code, first_target, k, n_targets);
        found = warp_sum(found);
        const CodeSums left_out = all - found;
        if (slot.n_marginals == 0 && thread() % kLanes == 0)
          give(node, counts, slot.first_bin + slot.usual, first_target, k, left_out);
        PYGBT_ROLL
        for (std::int32_t m = thread() % kLanes; m < slot.n_marginals; m += kLanes) {
          const Marginal& marginal = table.marginals[slot.first_marginal + m];
          if (marginal.is_rest()) give(node, counts, marginal.bin, first_target, k, found);
          if (skipped && marginal.usual != 0) give(node, counts, marginal.bin, first_target, k, left_out);
        }
      }
    }
  }

  // Adds to a bin of the node, of a target of the task.
  PYGBT_KERNEL void give(const HistogramPlace& node, std::int64_t* counts, std::int64_t bin, std::int32_t first_target,
                         std::int32_t k, const CodeSums& sums) const {
    add_cell(node.cells + row_major(bin, first_target + k, width), sums.cell);
    if (counts != nullptr && k == 0 && sums.n != 0) add_to_memory(counts + bin, sums.n);
  }
  // Of a code.
  template <bool kOneWord>
  PYGBT_KERNEL CodeSums sums_at(const SharedCells<Word>& cells, std::int32_t place, std::int32_t first_target,
                                std::int32_t k, std::int32_t n_targets) const {
    const bool counted = layout.counted && first_target == 0 && k == 0;
    return {cells.template sum<kOneWord>(place * n_targets + k, of_row<kOneWord>(first_target + k)),
            counted ? rows_at<kOneWord>(cells, place, n_targets) : 0};
  }
  PYGBT_KERNEL std::int64_t* counts_of(const HistogramPlace& node, std::int32_t first_target) const {
    return first_target == 0 && layout.counted ? node.counts : nullptr;
  }
  // The hessian of every row, of one word a cell.
  template <bool kOneWord>
  PYGBT_KERNEL std::int64_t of_row(std::int32_t target) const {
    return kOneWord ? even_h[target] : 0;
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

  // Where codes of a row are: in the part's shared memory or, straight to the node, of its bins.
  template <int kMost>
  struct Places {
    std::int32_t at[kMost];  // of several -1: none

    template <class Use>
    PYGBT_KERNEL void visit(const Use& use) const {
      PYGBT_UNROLL
      for (int j = 0; j < kMost; ++j)
        if (kMost == 1 || at[j] >= 0) use(at[j]);
    }
  };

  // Calls body(places, weight, gradient of a target of the task, of its number there) for the codes of all rows but, kSkips,
  // those that are their slot's usual one; returns how many this thread has left out. Codes of a row come one by one or,
  // of several targets, a word of them at once: their gradients are loaded once for it. The threads of a row take a word
  // each, and those of neighbouring rows begin with different slots: rows with equal codes wait for each other less.
  template <int kInWord, bool kSkips, class Body>
  PYGBT_KERNEL std::int32_t visit_rows(const RowRun& run, const Part& part, std::int32_t first_target,
                                       Body&& body) const {
    constexpr int kBits = 32 / kInWord;
    constexpr std::uint32_t kMask = kInWord == 4 ? 0xffu : 0xffffu;
    const std::int32_t word = thread() % part.n_words, step = n_threads() / part.n_words;
    const std::int32_t n_mine = part.n - word * kInWord;  // slots from this word on
    if (n_mine <= 0) return 0;
    const int turn = n_mine < kInWord ? 0 : thread() / part.n_words % kInWord;
    std::int32_t place_0[kInWord], usual[kInWord];
    for (int j = 0; j < kInWord; ++j) {
      const int at = (j + turn) % kInWord;
      const GroupSlot& slot = table.slots[part.first + (at < n_mine ? word * kInWord + at : 0)];
      place_0[j] = static_cast<std::int32_t>(kShared ? slot.place - part.first_place : slot.first_bin - part.first_bin);
      usual[j] = slot.usual;
    }
    std::int32_t skipped = 0;
    const RowId* const ids = rows[run.buffer] + run.begin;
    const auto n = static_cast<std::int32_t>(run.n);
    const Gradient* const of_rows = gradients[kOne ? run.buffer : 0] + (kOne ? run.begin : std::int64_t{first_target});
    for (std::int32_t i = thread() / part.n_words; i < n; i += kAtOnce * step) {
      RowId row[kAtOnce];
      std::uint32_t codes[kAtOnce];
      Gradient first[kAtOnce];
      for (int u = 0; u < kAtOnce; ++u) row[u] = ids[i + u * step < n ? i + u * step : i];
      for (int u = 0; u < kAtOnce; ++u) {
        first[u] = kOne ? of_rows[i + u * step < n ? i + u * step : i] : of_rows[row_major(row[u], 0, width)];
        codes[u] = std::rotr(part.words[row_major(row[u], word, part.stride)], turn * kBits);
      }
      PYGBT_UNROLL  // or the arrays would lie in memory
      for (int u = 0; u < kAtOnce; ++u) {
        if (i + u * step >= n) continue;
        const std::int64_t weight = kPacked || weights == nullptr ? 1 : weights[row[u]];
        const auto gradient_of = [&](std::int32_t k) {
          return kOne || k == 0 ? first[u] : of_rows[row_major(row[u], k, width)];
        };
        Places<kInWord> of_word;
        PYGBT_UNROLL
        for (int j = 0; j < kInWord; ++j) {
          const auto code = static_cast<std::int32_t>((codes[u] >> (j * kBits)) & kMask);
          const bool left_out = kSkips && j < n_mine && code == usual[j];
          if (left_out) ++skipped;
          of_word.at[j] = j >= n_mine || left_out ? -1 : place_0[j] + code;
          if (kOne && j < n_mine && !left_out) body(Places<1>{place_0[j] + code}, weight, gradient_of);
        }
        if (!kOne) body(of_word, weight, gradient_of);
      }
    }
    return skipped;
  }
};

}  // namespace pygbt::device
