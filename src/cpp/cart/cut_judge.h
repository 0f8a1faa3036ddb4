// SPDX-License-Identifier: Apache-2.0
// Whether a cut of a column is the best question so far, of its column or of all that were asked before it.
#pragma once

#include <cmath>
#include <cstdint>

#include "cart/split_candidate.h"
#include "math/impurity.h"

namespace pygbt {

// Least number of rows, and least weight in units of the response, that a side must have.
struct LeastSide {
  std::int64_t rows = 1;
  std::int64_t weight = 1;
};

struct CutJudge {
  LeastSide least;
  bool must_gain = false;  // a question that improves nothing is none

  SplitCandidate best;
  FeatureId feature = -1;  // the column that is cut
  double cost = 1.0;       // of it
  double parent = 0.0;     // score of the node as one side
  std::int64_t n_rows = 0;  // on both sides
  bool lacking = false;    // cases lack the feature

  // Rows are only counted where a side needs more than one: each weighs something.
  template <class Sides>
  bool allowed(const Sides& sides, std::int64_t left_rows) const {
    return sides.left_weight() >= least.weight && sides.right_weight() >= least.weight &&
           (least.rows <= 1 || (left_rows >= least.rows && n_rows - left_rows >= least.rows));
  }

  // Whether a cut scores less than the best for sure. A NaN does not.
  bool worse(const CutScore& score) const {
    const double to_beat = (best.improvement + parent) * score.below;
    return score.above < to_beat - std::abs(to_beat) * 0x1p-40;
  }

  // Whether the present sides beat the best; then its numbers are taken over. Cuts of a column come in order, the first
  // of equal ones stays; of equal cuts of two columns that of the earlier. Columns of different costs have each a best
  // of their own.
  template <class Sides>
  bool better(const Sides& sides, std::int64_t left_rows, bool missing_left) {
    if (!allowed(sides, left_rows)) return false;
    const CutScore score = sides.score();
    if (worse(score)) return false;
    const double improvement = score.above / score.below - parent;
    if (!beats(improvement)) return false;
    if (must_gain && (!(improvement > 0.0) || sides.alike())) return false;
    take(improvement, missing_left, sides.perfect());
    return true;
  }

  bool beats(double improvement) const {
    return improvement > best.improvement || (improvement == best.improvement && feature < best.feature);
  }
  // pure: both sides are known to be.
  void take(double improvement, bool missing_left, bool pure) {
    best.improvement = improvement;
    best.goodness = improvement / cost;
    best.feature = feature;
    best.missing_left = missing_left;
    best.perfect = !lacking && (n_rows == 2 || pure);
  }
};

}  // namespace pygbt
