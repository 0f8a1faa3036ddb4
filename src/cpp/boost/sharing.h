// SPDX-License-Identifier: Apache-2.0
// How the tasks of a loss share the trees of an iteration, as a list of trees to grow. Called by the trainer.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "math/sketch.h"
#include "math/task.h"

namespace pygbt {

enum class Share : std::uint8_t {
  kTree,      // one tree of vector leaves
  kNone,      // each task its own
  kStem,      // the same cuts in the first levels, then each task its own
  kResidual,  // one tree of vector leaves, then each task its own on the gradients that are left
};

struct Sharing {
  Share share = Share::kTree;
  std::int32_t stem_depth = 2;            // levels of kStem
  std::optional<double> own_reg_lambda;   // of own trees under kStem and kResidual; empty: reg_lambda
  bool balance = false;                   // tasks count alike in the search for cuts, whatever their gradients' size
  std::int32_t sketch = 0;                // gradients that cuts are searched on in place of all; 0 = all
  SketchKind sketch_kind = SketchKind::kRandomProjection;
  double feature_penalty = 0.0;           // gain that the first use of a feature must bring on top
  bool report = false;                    // measure what sharing costs every task (CutGains)
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

}  // namespace pygbt
