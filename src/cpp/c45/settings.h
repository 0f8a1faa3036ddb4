// SPDX-License-Identifier: Apache-2.0
// How C4.5 and ID3 grow and prune: one grower, two settings.
#pragma once

#include <cstdint>

namespace pygbt {

enum class Criterion : std::uint8_t {
  gain_ratio,  // C4.5: the largest ratio among attributes of at least average gain
  gain,        // ID3: the largest gain
};

enum class NominalTest : std::uint8_t {
  multiway,     // a branch for each category
  grouped,      // a branch for each group of categories, merged greedily by gain ratio
  one_vs_rest,  // one category against all others
};

struct C45Settings {
  Criterion criterion = Criterion::gain_ratio;
  NominalTest nominal = NominalTest::multiway;
  double min_obj = 2.0;    // cases in at least two branches, real units; 0: any
  double min_gain = 0.0;   // bits; ID3: a smaller gain is none
  double min_gap = 1e-5;   // values that differ by no more are not cut apart
  bool penalty = true;     // numeric cuts pay log2(cuts tried) / cases
  bool collapse = true;    // sub-trees that classify the training cases no better become leaves
  bool prune = true;       // error-based
  bool raise = true;       // the largest branch may take its parent's place
  double confidence = 0.25;
  bool exact_deviate = false;  // false: C4.5's table; true: the normal quantile, as J48
  int n_threads = 0;
};

}  // namespace pygbt
