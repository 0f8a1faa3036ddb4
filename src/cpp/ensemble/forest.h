// SPDX-License-Identifier: Apache-2.0
// Random forests (Breiman 2001) and their like: trees on bootstrap samples with drawn features, as a Model whose margins
// are sums over the trees of class shares, votes or means. Same trees for any number of threads, and for the rows in any
// order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cart/cart_options.h"
#include "decision/coded_table.h"
#include "decision/response.h"
#include "decision/row_codes.h"
#include "ensemble/bootstrap.h"
#include "model/model.h"

namespace pygbt {

struct ForestOptions {
  CartOptions tree;  // `seed` keys the samples, too
  bool bootstrap = true;  // false: every tree sees all rows, by their weights
  std::uint64_t n_draws = 0;  // a sample's; 0: natural_draws
  bool votes = false;  // leaves vote for their label instead of giving class shares
  bool balanced = false;  // classes weigh alike in every tree: factors from the rows it drew
  double least_share =
      0.0;  // > 0, in place of min_split and min_bucket: the share of the weight of a tree's rows that a
  // child has, with the factors of a sample's classes in it; without bootstrap factors are in the weights
};

// Trees that have been grown of one forest; grows more on request, so that a caller may look at it in between.
class ForestTrainer {
 public:
  // The table outlives the trainer. start: a forest to go on with, of the same columns and outputs, or nullptr.
  ForestTrainer(const CodedTable& table, const Response& response, ForestOptions options, int n_threads,
                const Model* start = nullptr);

  void grow(std::int32_t n_trees);
  std::int64_t n_rows() const { return table_.n_rows; }
  // Trees, those of `start` included.
  std::int32_t n_trees() const { return static_cast<std::int32_t>(trees_.size()); }

  // The trees so far.
  Model model() const;
  // How often tree `index` drew each row; weights without bootstrap.
  void counts(std::int32_t index, std::vector<std::uint32_t>& out) const;
  // What a sample draws.
  std::uint64_t n_draws() const { return options_.n_draws; }

 private:
  std::int32_t n_outputs() const { return response_.n_classes > 0 ? response_.n_classes : response_.n_targets; }

  // What one tree sees, where every tree has options of its own.
  struct Sample {
    CartOptions options;
    std::vector<std::uint32_t> weights;  // [row]
  };
  Sample sample(std::int32_t index) const;
  std::vector<double> balanced_factors(std::span<const std::uint32_t> drawn) const;
  void weigh_by_class(const std::vector<double>& factors, std::vector<std::uint32_t>& drawn) const;

  const CodedTable& table_;
  ForestOptions options_;
  int n_threads_;
  Bootstrap bootstrap_;
  RowCodes rows_;  // where features are drawn
  Response response_;  // what the trees fit; without weights where these are drawn
  double gain_unit_ = 1.0;
  std::vector<TreePtr> trees_;
};

}  // namespace pygbt
