// SPDX-License-Identifier: Apache-2.0
// Bootstrap samples as counts a row, drawn with replacement in proportion to the weights. Rows are ordered by a hash of
// their content, so that their order does not matter and a row of weight 3 is the row three times.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decision/coded_table.h"
#include "decision/response.h"

namespace pygbt {

// [row] hash of the values of its columns and of its label or targets. targets: [row][target] as they were given, which
// the response rounds by the number of rows; empty: as the response has them.
std::vector<std::uint64_t> row_hashes(const CodedTable& table, const Response& response, int n_threads,
                                      std::span<const double> targets = {});

class Bootstrap {
 public:
  // weights: [row] in units that may be drawn, or empty: 1 each. A row of weight 0 is never drawn.
  Bootstrap(std::span<const std::uint64_t> hashes, std::span<const std::uint32_t> weights);

  // Sum of the weights, in units.
  std::uint64_t total() const { return total_; }

  // out [row]: how often it was drawn by draws 0 .. n_draws - 1 of (seed, index).
  void counts(std::uint64_t seed, std::uint32_t index, std::uint64_t n_draws, std::vector<std::uint32_t>& out) const;

 private:
  std::vector<std::uint32_t> order_;  // rows by hash, those of weight 0 left out
  std::vector<std::uint64_t> end_;  // [place in order_] units up to and with the row; empty: each has one
  std::size_t n_rows_ = 0;
  std::uint64_t total_ = 0;
};

// Draws of a sample of all rows: the sum of the weights where they are whole numbers (at most 16 a row), else the number
// of rows that count.
std::uint64_t natural_draws(const Response& response);

}  // namespace pygbt
