// SPDX-License-Identifier: Apache-2.0
// How the tasks of a loss share the trees of an iteration, as a list of trees to grow. Called by the trainer.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "math/task.h"

namespace pygbt {

enum class Share : std::uint8_t {
  kTree,      // one tree of vector leaves
  kNone,      // each task its own
  kStem,      // the same cuts in the first levels, then each task its own
  kResidual,  // one tree of vector leaves, then each task its own on the gradients that are left
};
enum class SketchKind : std::uint8_t { kRandomProjection, kTopOutputs };

struct Sharing {
  Share share = Share::kTree;
  std::int32_t stem_depth = 2;            // levels of kStem
  std::optional<double> own_reg_lambda;   // of own trees under kStem and kResidual; empty: reg_lambda
  bool balance = false;                   // tasks count alike in the search for cuts, whatever their gradients' size
  std::int32_t sketch = 0;                // gradients that cuts are searched on in place of all; 0 = all
  SketchKind sketch_kind = SketchKind::kRandomProjection;
  double feature_penalty = 0.0;           // gain that the first use of a feature must bring on top
  bool report = false;                    // measure what sharing costs every task (TransferSums)
};

// One tree of an iteration.
struct TreePlan {
  std::int32_t first_target = 0;
  std::int32_t width = 1;
  bool new_gradients = false;  // make them anew before it
  bool own = false;            // grown with own_reg_lambda
  bool stem = false;           // not a tree of the model: its cuts begin those that follow
  bool on_stem = false;
};

// Without tasks: trees of `width` targets, all on the gradients of the iteration's start.
std::vector<TreePlan> plain_plan(std::int32_t n_targets, std::int32_t width);
std::vector<TreePlan> shared_plan(const std::vector<TaskLoss>& tasks, std::int32_t n_targets, const Sharing& sharing);
std::int32_t trees_in_model(const std::vector<TreePlan>& plan);

// What the cuts of shared trees are worth to each task: the gain it gets from them, and what its own best cuts of the same
// nodes would have given it. Their ratio says how well its questions agree with those of the others.
struct TransferSums {
  std::vector<double> shared_gain, own_gain;  // [task]
  std::int64_t n_nodes = 0;
};

}  // namespace pygbt
