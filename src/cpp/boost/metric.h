// SPDX-License-Identifier: Apache-2.0
// Metrics of an evaluation set, weighted and order-free: exact sums of float64 row contributions, or integer counts.
// So the round at which early stopping stops is the same for any threads, row order and workers. Called by the trainer.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "backend/scored_rows.h"
#include "comm/communicator.h"
#include "data/dataset.h"
#include "math/losses.h"

namespace pygbt {

// The metric `name` of margins [n_rows][n_targets] against the labels, all workers together. With several targets,
// means are over all (row, target) cells; r2, auc and aucpr are the mean over targets. Soft labels count as the
// weighted hard rows they stand for. Probability metrics of a custom objective read its margins as logits, deviances
// as log means. NaN where the metric is undefined: auc and aucpr with labels of one class only, a margin that is
// not finite. `spec` and `data` agree (check_labels). ndcg, map and mrr are means over queries, "ndcg@5" over their first 5
// rows.
double evaluate_metric(const std::string& name, const LossSpec& spec, std::span<const float> margins,
                       const Dataset& data, Communicator& comm, int n_threads);

// The two halves of it, for scores wherever they lie. The first throws InvalidArgument for labels that the metric
// cannot read; it need be called once a data set.
void check_metric_labels(const std::string& name, const LossSpec& spec, const Dataset& data, Communicator& comm);
double metric_value(const std::string& name, const LossSpec& spec, ScoredRows& rows, const Dataset& data,
                    Communicator& comm, int n_threads);

// Throws InvalidArgument if there is no such metric or it has no meaning for the objective.
void check_metric(const std::string& name, const LossSpec& spec);

std::vector<std::string> metric_names();
bool metric_larger_is_better(const std::string& name);
std::string default_metric(const LossSpec& spec);

}  // namespace pygbt
