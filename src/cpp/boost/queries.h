// SPDX-License-Identifier: Apache-2.0
// What ranking asks of parameters and data. Called by the trainer, by labels.cc and by the metrics of queries.
#pragma once

#include "data/dataset.h"
#include "math/losses.h"
#include "params/params.h"

namespace pygbt {

// Throws InvalidArgument where fields do not go together.
RankSpec rank_spec(const Params& params);

// Throws InvalidArgument where the objective ranks and the data has no queries, or a teacher that is none of scores.
void check_queries(Objective objective, const Dataset& data);

// Throws InvalidArgument with the row: one relevance a row; for lambdarank and xendcg 0 <= y, below 31 with exponential
// gains.
void check_relevance(const LossSpec& spec, const Dataset& data);

}  // namespace pygbt
