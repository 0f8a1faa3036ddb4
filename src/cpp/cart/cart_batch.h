// SPDX-License-Identifier: Apache-2.0
// How the columns of a node are read, a batch of features at a time: cuts judged by code, cells counted, codes gathered.
// The part of CartGrower that reads codes; included by cart_grower.cc, which instantiates it.
#pragma once

#include <algorithm>
#include <type_traits>

#include "cart/cart_grower.h"

namespace pygbt {

inline constexpr std::size_t kBatch = 64;  // features whose codes are read together
inline constexpr std::size_t kBatchBytes = 1 << 19;  // of these codes, where no row is read for few of its features
inline constexpr std::size_t kRowsALine = 8;  // a node with a case in so many rows finds several in a line of a column

template <class Criterion>
bool CartGrower<Criterion>::judge_by_code(OpenNode& node, Worker& worker, SplitCandidate& best) const {
  if (rows_.empty() || !worker.cuts.fits(node.total.data())) return false;
  const std::span<const Case> cases = cases_of(node);
  const bool columns = by_column(node);
  const RowsAt rows = rows_of(node, worker);
  bool better = false;
  const auto judge = [&] {
    each_block(cases, node.local || columns ? nullptr : rows.codes, rows.stride,
               [&](std::size_t begin, std::size_t end) { worker.cuts.count(cases.subspan(begin, end - begin)); });
    better |= worker.search.best_by_code({cases, node.total.data(), node.key}, worker.cuts, best,
                                         [&](FeatureId feature) { node.constant.set(feature); });
  };
  count_two_valued(node, worker, [&](FeatureId feature, const std::int64_t* cells) {
    worker.cuts.add_two(feature, cells + worker.search.width(), node.total.data());
    if (worker.cuts.full()) judge();
  });
  std::erase_if(worker.batch, [&](FeatureId feature) {
    const CodedColumn& column = table_.columns[static_cast<std::size_t>(feature)];
    if (!worker.cuts.fits(feature)) return false;
    if (columns)
      worker.cuts.add(feature, static_cast<const std::uint8_t*>(column.data), column.width);
    else
      worker.cuts.add(feature, rows.codes + rows_.offset[static_cast<std::size_t>(feature)], rows.stride);
    if (worker.cuts.full()) judge();
    return true;
  });
  if (!worker.cuts.empty()) judge();
  return better;
}

template <class Criterion>
template <class Use>
void CartGrower<Criterion>::count_two_valued(OpenNode& node, Worker& worker, const Use& use) const {
  if constexpr (Criterion::kCells) {
    if (rows_.n_words == 0 || worker.search.counts_rows()) return;
    std::erase_if(worker.batch, [&](FeatureId feature) {
      if (rows_.is_bit(feature)) worker.bits.add(feature);
      return rows_.is_bit(feature);
    });
    worker.bits.count(worker.search.criterion(), cases_of(node), node.total.data(), rows_of(node, worker), !node.local,
                      [&](FeatureId feature, const std::int64_t* cells) {
                        const std::int64_t low = cells[worker.search.width()];
                        if (low == 0 || low == node.total[0])
                          node.constant.set(feature);
                        else
                          use(feature, cells);
                      });
  }
}

template <class Criterion>
void CartGrower<Criterion>::count_batch(const OpenNode& node, Worker& worker) const {
  worker.cells.clear();
  const Criterion& criterion = worker.search.criterion();
  if (!Criterion::kCells || rows_.empty() || worker.search.counts_rows()) return;
  const std::uint8_t* by_row = by_column(node) ? nullptr : rows_of(node, worker).codes;
  std::erase_if(worker.batch, [&](FeatureId feature) {
    const CodedColumn& column = table_.columns[static_cast<std::size_t>(feature)];
    const auto n_codes = static_cast<std::size_t>(column.n_codes);
    const bool counted = !column.nominal && !column.has_missing && column.width <= 2 &&
                         few_cells(n_codes, criterion.width, node.end - node.begin) &&
                         worker.cells.has_room(n_codes, criterion.width);
    if (counted) worker.cells.add(table_, rows_, by_row, feature, criterion.width);
    return counted;
  });
  worker.cells.count(criterion, cases_of(node), by_row == nullptr ? 0 : rows_.stride, node.local ? nullptr : by_row);
}

// Nodes with most of the rows read columns, whose lines hold many of their rows; the others row by row, so that a line of
// a row is read once for all features.
template <class Criterion>
bool CartGrower<Criterion>::by_column(const OpenNode& node) const {
  return rows_.empty() ||
         (!node.local && node.end - node.begin >= static_cast<std::size_t>(table_.n_rows) / kRowsALine);
}

// Codes of the features of the batch.
template <class Criterion>
void CartGrower<Criterion>::read_batch(const OpenNode& node, Worker& worker) const {
  const std::span<const Case> cases = cases_of(node);
  if (worker.codes.size() < worker.batch.size()) worker.codes.resize(worker.batch.size());
  const auto column = [&](std::size_t i) -> const CodedColumn& {
    return table_.columns[static_cast<std::size_t>(worker.batch[i])];
  };
  for (std::size_t i = 0; i < worker.batch.size(); ++i) worker.codes[i].start(column(i), cases.size());
  if (by_column(node)) {
    constexpr std::size_t kPart = 128;  // rows whose values in place stay in the cache
    for (std::size_t begin = 0; begin < cases.size(); begin += kPart)
      for (std::size_t i = 0; i < worker.batch.size(); ++i)
        worker.codes[i].read(column(i), cases, begin, std::min(cases.size(), begin + kPart));
    for (std::size_t i = 0; i < worker.batch.size(); ++i) worker.codes[i].finish();
    return;
  }
  const RowsAt rows = rows_of(node, worker);
  each_block(cases, node.local ? nullptr : rows.codes, rows.stride, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = 0; i < worker.batch.size(); ++i)
      visit_rows(rows_, rows, worker.batch[i], column(i).width, [&](const auto& code_at) {
        auto* out = static_cast<std::remove_cvref_t<decltype(code_at(0))>*>(worker.codes[i].data());
        for (std::size_t place = begin; place < end; ++place) out[place] = code_at(cases[place].row);
      });
  });
  for (std::size_t i = 0; i < worker.batch.size(); ++i) worker.codes[i].finish();
}

// Begins of the batches that features are read in, `least` of them at least, and the end of the last.
template <class Criterion>
std::vector<std::size_t> CartGrower<Criterion>::batches(const OpenNode& node, std::span<const FeatureId> features,
                                                        int least) const {
  const std::size_t most = std::clamp<std::size_t>(features.size() / static_cast<std::size_t>(least), 1, kBatch);
  std::vector<std::size_t> begin{0};
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < features.size(); ++i) {
    bytes += code_bytes(node, features[i]);
    if (i + 1 - begin.back() < most && bytes < kBatchBytes && i + 1 < features.size()) continue;
    begin.push_back(i + 1);
    bytes = 0;
  }
  return begin;
}

}  // namespace pygbt
