// SPDX-License-Identifier: Apache-2.0
// A model as a device walks it: backend/walker.h.
#pragma once

#include "backend/walker.h"
#include "model/model.h"

namespace pygbt {

WalkForest make_walk_forest(const Model& model);

// Where WalkForest::coded, the first of trees of depth PerfectTrees::kMostDepth at most.
PerfectTrees make_perfect_trees(const Model& model, const WalkForest& forest);
PackedTrees make_packed_trees(const Model& model, const WalkForest& forest);

RawTrees make_raw_trees(const Model& model, const WalkForest& forest);

}  // namespace pygbt
