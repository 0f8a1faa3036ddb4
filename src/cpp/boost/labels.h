// SPDX-License-Identifier: Apache-2.0
// What each objective asks of the labels, checked before anything is trained or scored, and the number of targets K
// that follows from them. Called by the trainer for the training rows and for every evaluation set.
#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.h"
#include "data/dataset.h"
#include "math/losses.h"

namespace pygbt {

inline constexpr float kLargestLabel = 1e30f;  // regression: squares and products stay finite in float32
inline constexpr std::int32_t kMostClasses = 65536;
inline constexpr double kProbabilitySumTolerance = 1e-4;  // rows of probabilities sum to 1 within this

// The spec with n_targets and soft_labels set from the training labels, all workers together. K is
//   softmax, one_vs_rest with class ids: n_classes, or the largest id + 1 (ids need not all occur; at least two must);
//   quantile with several levels: the number of levels; custom: n_classes if given; otherwise the label columns.
// n_classes 0 = from the labels. Throws InvalidArgument on every worker: labels that the objective forbids (see
// check_labels), a single class where two are needed, counts that are all zero.
LossSpec resolve_labels(LossSpec spec, std::int32_t n_classes, const Dataset& data, Communicator& comm);

// Throws InvalidArgument naming the argument, the objective, the first bad row and the remedy:
//   regression |y| <= 1e30; poisson, tweedie y >= 0; gamma y > 0; logistic and one_vs_rest with (n, K): 0 <= y <= 1;
//   softmax and one_vs_rest with (n,): integer ids 0 .. K-1; softmax with (n, K): rows in [0, 1] that sum to 1.
// Also: as many label columns as the objective has targets (or one), and base_margin with K columns.
void check_labels(const LossSpec& spec, const Dataset& data);

// Class ids rather than one label a target.
bool has_class_ids(const LossSpec& spec, const Dataset& data);

// Throws InvalidArgument(error) on every worker if any worker's error is not empty.
void agree_on_argument(Communicator& comm, const std::string& error);

// "softmax", "logistic", ... as the user spells it.
std::string objective_name(Objective objective);

}  // namespace pygbt
