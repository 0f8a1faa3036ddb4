// SPDX-License-Identifier: Apache-2.0
// Where boosting starts: the constant margin of each target that fits the labels best, from exact sums and integer
// counts. A permutation of the rows, another number of threads or workers, or weight 2 instead of the row twice gives
// the same bits. Called once by the trainer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "data/dataset.h"
#include "math/losses.h"

namespace pygbt {

// Shares of a class that never occurs (and means of an all-0 or all-1 label column) start here instead of at -inf.
inline constexpr double kLeastShare = 1e-7;

// Margins [n_targets]. Without `user`: squared_error the mean, huber and absolute_error the median, quantile its level,
// poisson, gamma and tweedie the log of the mean, logistic and one_vs_rest the logit of the (scale_pos_weight-ed) mean,
// softmax the log of the class shares, custom 0. With `user` (a value, not a margin): its inverse link for every target;
// softmax starts at 0. Throws InvalidArgument naming base_score where the link cannot reach the value.
// `spec` comes from resolve_labels.
std::vector<float> base_scores(const LossSpec& spec, const Dataset& data, std::optional<double> user,
                               Communicator& comm, int n_threads);

// Margin of one target from the sum of its labels and of their weights.
double mean_margin(Objective objective, float scale_pos_weight, double sum, double total);

// One column of [row][n_columns] labels.
struct LabelColumn {
  std::span<const float> labels;
  std::int32_t n_columns = 1;
  std::int32_t column = 0;

  float at(std::int64_t row) const { return labels[static_cast<std::size_t>(row * n_columns + column)]; }
};

// The smallest label of a column, NaN left out, whose cumulative fixed-point weight reaches alpha of the whole.
float label_quantile(const Dataset& data, const LabelColumn& column, double alpha, Communicator& comm);

}  // namespace pygbt
