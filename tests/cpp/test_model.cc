// SPDX-License-Identifier: Apache-2.0
// Models as values: bins and thresholds agree, arrays round trip, and damaged arrays are refused, never walked.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"
#include "check.h"
#include "model/arrays.h"
#include "model/predict.h"
#include "random_model.h"

using namespace pygbt;
using namespace pygbt::testing;

namespace {

std::vector<float> margins(const Model& model, const RandomTable& table, int n_threads = 1) {
  std::vector<float> out(static_cast<std::size_t>(table.n_rows * model.n_outputs()));
  PredictInput input;
  input.n_rows = table.n_rows;
  input.columns = table.columns;
  input.end = model.n_iterations();
  input.n_threads = n_threads;
  predict_scores(model, input, Output::kMargin, out);
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool same_arrays(ModelArrays a, ModelArrays b) {
  std::vector<std::string> bytes_a, bytes_b;
  const auto bytes = [](std::vector<std::string>& out) {
    return [&out](const char*, const auto& values, bool) {
      out.emplace_back(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
    };
  };
  for_each_array(a, bytes(bytes_a));
  for_each_array(b, bytes(bytes_b));
  return bytes_a == bytes_b && a.wide == b.wide && a.trees_per_iteration == b.trees_per_iteration;
}

bool same_nodes(const BinnedTree& a, const BinnedTree& b) {
  const auto same = [](const BinnedNode& x, const BinnedNode& y) {
    return x.left == y.left && x.feature == y.feature && x.bin == y.bin && x.missing_left == y.missing_left &&
           x.gain == y.gain && x.cover == y.cover && x.count == y.count;
  };
  return std::equal(a.nodes.begin(), a.nodes.end(), b.nodes.begin(), b.nodes.end(), same);
}

// Moves every numeric value of the table onto an edge of its feature or to a float beside it.
void move_to_edges(RandomTable& table, const Cuts& cuts, Random& random) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (std::size_t f = 0; f < table.columns.size(); ++f) {
    const auto& edges = cuts.features[f].edges;
    if (edges.empty()) continue;
    for (std::int64_t row = 0; row < table.n_rows; ++row) {
      const double edge = edges[static_cast<std::size_t>(random.below(static_cast<std::int32_t>(edges.size())))];
      const double to = random.chance(50) ? kInf : -kInf;
      const bool exact = random.chance(40);
      const auto i = static_cast<std::size_t>(row);
      if (f % 3 == 0) {
        const float x = static_cast<float>(edge);
        table.narrow[f / 3][i] = exact ? x : std::nextafter(x, static_cast<float>(to));
      } else {
        table.wide[f / 3][i] = exact ? edge : std::nextafter(edge, to);
      }
    }
  }
}

}  // namespace

TEST(model_trees_keep_their_meaning_between_bins_and_thresholds) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    const auto table = random_table(200, 6, random);
    const Dataset data = bins_of(*table, 2 + random.below(60));
    const BinnedTree binned = random_tree(*data.cuts, 25, 1, 0, random);
    const Tree tree = to_tree(binned, *data.cuts);
    const BinnedTree again = to_bins(tree, *data.cuts);
    CHECK(same_nodes(binned, again));
    const Tree twice = to_tree(again, *data.cuts);
    CHECK(tree.threshold == twice.threshold && tree.cat_bits == twice.cat_bits && tree.cat_words == twice.cat_words);
  }
}

TEST(model_prediction_from_raw_values_and_from_bins_agrees) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    const auto table = random_table(300, 7, random);
    const Dataset data = bins_of(*table, 2 + random.below(60));
    const bool vector_leaves = seed % 2 == 0;
    const Model model = random_model(data.cuts, Objective::kSoftmax, 3, 4, vector_leaves, random);
    const auto probe = random_table(300, 7, random);
    move_to_edges(*probe, *data.cuts, random);
    for (const RandomTable* rows : {table.get(), probe.get()}) {
      const Dataset binned = bins_of(*rows, 256, data.cuts);
      std::vector<float> scores;
      for (std::int64_t i = 0; i < rows->n_rows; ++i) {
        scores.insert(scores.end(), model.base_score().begin(), model.base_score().end());
      }
      for (const TreePtr& tree : model.trees()) {
        add_tree_scores(to_bins(tree->tree, *data.cuts), binned, scores, model.n_outputs(), 1);
      }
      CHECK(same_bits(scores, margins(model, *rows)));
    }
  }
}

TEST(model_all_values_left_and_missing_right) {
  Cuts cuts;
  cuts.features.resize(1);
  cuts.features[0].n_bins = 3;
  cuts.features[0].edges = {std::numeric_limits<double>::infinity()};  // a data value like any other
  BinnedTree tree;
  tree.nodes.resize(3);
  tree.nodes[0].left = 1;
  tree.nodes[0].feature = 0;
  tree.nodes[1].left = ~0;
  tree.nodes[2].left = ~1;
  tree.leaf_value = {1.0f, 2.0f};
  for (const Bin bin : {Bin{1}, Bin{2}}) {
    tree.nodes[0].bin = bin;
    const Tree raw = to_tree(tree, cuts);
    CHECK(raw.threshold[0] == std::numeric_limits<double>::infinity());
    CHECK_EQ(to_bins(raw, cuts).nodes[0].bin, 2);  // bin 2 is empty, so both send every value left
  }
  cuts.features[0].edges = {1.0};
  Tree other = to_tree(tree, cuts);
  other.threshold[0] = 0.5;
  CHECK_THROWS(InvalidArgument, to_bins(other, cuts));
}

TEST(model_arrays_round_trip) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Random random(seed);
    const auto table = random_table(100, 1 + random.below(6), random);
    const Dataset data = bins_of(*table, 16);
    const Model model = random_model(data.cuts, Objective::kLogistic, 1, 5, false, random);
    const ModelArrays arrays = to_arrays(model);
    const Model again = from_arrays(arrays);
    CHECK(same_arrays(arrays, to_arrays(again)));
    CHECK(same_bits(margins(model, *table), margins(again, *table)));
  }
}

// Any change of any number: refused, or a model that can be walked without leaving its arrays (seen by sanitizers).
TEST(model_damaged_arrays_are_refused_or_harmless) {
  Random random(5);
  const auto table = random_table(70, 6, random);
  const Dataset data = bins_of(*table, 16);
  const Model model = random_model(data.cuts, Objective::kSoftmax, 2, 4, false, random);
  const ModelArrays sound = to_arrays(model);
  int refused = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    ModelArrays damaged = sound;
    const int array = random.below(18);
    int at = 0;
    for_each_array(damaged, [&](const char*, auto& values, bool) {
      using T = std::remove_reference_t<decltype(values[0])>;
      if (at++ != array || values.empty()) return;
      const auto i = static_cast<std::size_t>(random.below(static_cast<std::int32_t>(values.size())));
      switch (random.below(6)) {
        case 0:
          values[i] = std::numeric_limits<T>::max();
          break;
        case 1:
          values[i] = std::numeric_limits<T>::lowest();
          break;
        case 2:
          values[i] = static_cast<T>(values[i] + 1);
          break;
        case 3:
          values[i] = static_cast<T>(values[i] - 1);
          break;
        case 4:
          values.pop_back();
          break;
        default:
          values.push_back(values[i]);
          break;
      }
    });
    try {
      const Model odd = from_arrays(damaged);
      CHECK_EQ(margins(odd, *table).size(), static_cast<std::size_t>(70 * odd.n_outputs()));
    } catch (const CorruptModel&) {
      ++refused;
    }
  }
  CHECK(refused > 2000);
}

TEST(model_slices_are_iterations) {
  Random random(1);
  const auto table = random_table(50, 4, random);
  const Dataset data = bins_of(*table, 16);
  const Model model = random_model(data.cuts, Objective::kSoftmax, 3, 6, false, random);
  const Model part = model.slice(1, 6, 2);
  CHECK_EQ(part.n_iterations(), 3);
  for (std::int32_t t = 0; t < part.n_trees(); ++t) {
    CHECK_EQ(part.trees()[static_cast<std::size_t>(t)],
             model.trees()[static_cast<std::size_t>(3 * (1 + t / 3 * 2) + t % 3)]);
  }
  CHECK_EQ(model.slice(2, 2).n_trees(), 0);
  CHECK_THROWS(InvalidArgument, model.slice(0, 7));
  CHECK_THROWS(InvalidArgument, model.slice(-1, 2));
  CHECK_THROWS(InvalidArgument, model.slice(0, 6, 0));
}

TEST(model_importance_counts_splits) {
  Random random(2);
  const auto table = random_table(50, 5, random);
  const Dataset data = bins_of(*table, 16);
  const Model model = random_model(data.cuts, Objective::kSquaredError, 1, 6, false, random);
  const auto splits = model.feature_importance(Importance::kSplitCount);
  const auto mean = model.feature_importance(Importance::kGain),
             total = model.feature_importance(Importance::kTotalGain);
  double n_splits = 0.0;
  for (const TreePtr& tree : model.trees()) n_splits += (tree->tree.n_nodes() - 1) / 2;
  double sum = 0.0;
  for (std::size_t f = 0; f < splits.size(); ++f) {
    sum += splits[f];
    CHECK(std::abs(mean[f] * splits[f] - total[f]) <= 1e-9 * total[f]);
  }
  CHECK(sum == n_splits);
}
