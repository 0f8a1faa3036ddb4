// SPDX-License-Identifier: Apache-2.0
#include "ensemble/bootstrap.h"

#include <algorithm>
#include <bit>

#include "backend/isa_dispatch.h"
#include "backend/kernels.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/types.h"
#include "data/key_sort.h"

namespace pygbt {
namespace {

constexpr std::uint64_t kMostDrawsPerRow = 16;
constexpr std::uint64_t kMissingNumber = 0x7FF8000000000000ull;  // the bits of a NaN: those of no number, 0.0 included

std::uint64_t mix(std::uint64_t state, std::uint64_t item) {  // splitmix64
  std::uint64_t z = state + item + 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

}  // namespace

std::vector<std::uint64_t> row_hashes(const CodedTable& table, const Response& response, int n_threads,
                                      std::span<const double> targets) {
  require(targets.empty() || targets.size() == response.target.size(), "targets: one for each of the response");
  std::vector<std::uint64_t> hashes(static_cast<std::size_t>(table.n_rows), 0);
  constexpr std::int64_t kGrain = 4096;
  parallel_ranges(resolve_threads(n_threads), table.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
    for (const CodedColumn& column : table.columns) {
      visit_codes(column, [&](const auto* codes) {
        for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
          const Code code = codes[row];  // values, not codes: these depend on the other rows of an exact table
          std::uint64_t item = code;
          if (table.exact && !column.nominal)
            item = code == kMissingCode ? kMissingNumber : std::bit_cast<std::uint64_t>(column.value[code - 1]);
          hashes[row] = mix(hashes[row], item);
        }
      });
    }
    const auto width = static_cast<std::size_t>(response.n_targets);
    for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
      if (response.n_classes > 0) hashes[row] = mix(hashes[row], static_cast<std::uint64_t>(response.label[row]));
      for (std::size_t t = 0; t < width; ++t) {
        const std::size_t at = row * width + t;
        const double y = targets.empty() ? static_cast<double>(response.target[at]) * response.target_unit[t]
                                         : targets[at] + 0.0;  // -0.0 is 0.0
        hashes[row] = mix(hashes[row], std::bit_cast<std::uint64_t>(y));
      }
    }
  });
  return hashes;
}

Bootstrap::Bootstrap(std::span<const std::uint64_t> hashes, std::span<const std::uint32_t> weights)
    : n_rows_(hashes.size()) {
  require(weights.empty() || weights.size() == n_rows_, "weights: one for each row");
  using Item = WeightedKey<std::uint64_t>;  // a hash and its row
  std::vector<Item> items;
  items.reserve(n_rows_);
  for (std::uint32_t row = 0; row < n_rows_; ++row)
    if (weights.empty() || weights[row] > 0) items.push_back({hashes[row], row});
  std::vector<Item> spare(items.size());
  Item* const sorted = sort_keys(items.data(), spare.data(), items.size());
  order_.reserve(items.size());
  for (std::size_t begin = 0; begin < items.size();) {  // rows of one hash in their order
    std::size_t end = begin + 1;
    while (end < items.size() && sorted[end].key == sorted[begin].key) ++end;
    std::sort(sorted + begin, sorted + end, [](const Item& a, const Item& b) { return a.weight < b.weight; });
    for (; begin < end; ++begin) order_.push_back(sorted[begin].weight);
  }
  total_ = order_.size();
  if (weights.empty()) return;
  total_ = 0;
  for (const std::uint32_t row : order_) end_.push_back(total_ += weights[row]);
}

void Bootstrap::counts(std::uint64_t seed, std::uint32_t index, std::uint64_t n_draws,
                       std::vector<std::uint32_t>& out) const {
  std::vector<std::uint32_t> drawn(order_.size(), 0);  // [place in the order]
  const auto draw_all = kernels().draw_all;
  std::uint32_t key[2];
  random_key(seed, Draw::kBootstrap, key);
  std::uint32_t words[4][kDrawsAhead];
  for (std::uint64_t first = 0; first < n_draws; first += 2) {
    const std::uint64_t id = first / 2, ahead = id % kDrawsAhead;  // of random_words: two draws each
    if (ahead == 0)
      draw_all(static_cast<std::uint32_t>(id), {static_cast<std::uint32_t>(id >> 32), index, 0}, key, words[0]);
    for (std::uint64_t draw = first; draw < std::min(n_draws, first + 2); ++draw) {
      const std::size_t word = 2 * (draw - first);
      const std::uint64_t uniform = (std::uint64_t{words[word][ahead]} << 32) | words[word + 1][ahead];
      const auto unit = static_cast<std::uint64_t>((UInt128{uniform} * total_) >> 64);
      const std::size_t place =
          end_.empty() ? static_cast<std::size_t>(unit)
                       : static_cast<std::size_t>(std::upper_bound(end_.begin(), end_.end(), unit) - end_.begin());
      ++drawn[place];
    }
  }
  out.assign(n_rows_, 0);
  for (std::size_t place = 0; place < drawn.size(); ++place) out[order_[place]] = drawn[place];
}

std::uint64_t natural_draws(const Response& response) {
  std::uint64_t rows = static_cast<std::uint64_t>(response.n_rows);
  if (!response.weight.empty())
    rows -= static_cast<std::uint64_t>(std::count(response.weight.begin(), response.weight.end(), 0u));
  if (response.weight_unit < 1.0) return rows;
  const double total = static_cast<double>(response.total_weight) * response.weight_unit;
  return total <= static_cast<double>(rows * kMostDrawsPerRow) ? static_cast<std::uint64_t>(total)
                                                               : rows * kMostDrawsPerRow;
}

}  // namespace pygbt
