// SPDX-License-Identifier: Apache-2.0
// Where the growth of a tree on the device starts: done by the last block of the launch that makes its integers.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "block.h"
#include "device.h"
#include "frontier.h"
#include "math/layout.h"
#include "math/quantise.h"
#include "quantised.h"

namespace pygbt::device {

// The root, or nothing where an earlier tree has stopped the queue, or this one's precision was guessed wrong. Clears the
// sums of its rows for the next tree.
struct StartKernel {
  Frontier tree;
  const TreeArguments* arguments;
  DrawnSums* drawn;  // [width]
  const DrawnSums* totals;  // [width] of narrow integers over all rows
  const std::uint32_t* extremes;  // [target][2]
  NarrowMeans means;
  const std::int64_t* n_counted;  // [1] rows that were drawn; nullptr = all
  std::int64_t* n_drawn;  // [1] the same, kept for the walk of the others
  std::int32_t* stop;  // [1]
  std::int64_t n_rows;
  std::uint64_t total_weight;
  double min_cat_weight;
  const CellUnits* factors;  // [width] on the units of histograms, in the search alone; nullptr = 1
  bool wide, guessed;

  PYGBT_KERNEL void operator()() const {
    if (thread() == 0) start();
    sync();
    PYGBT_ROLL
    for (std::int32_t k = thread(); k < tree.width; k += n_threads()) drawn[k] = DrawnSums{};
    const bool runs = *stop == 0;
    if (thread() == 0 && runs && tree.state->n_queries > 0) {
      write_query(tree, 0, 0, {});
      tree.built.items[0] = {0, tree.nodes[0].count, 0, 0};
      tree.places[0] = tree.place(0);
    }
    tree.built.cut(tree.state->n_queries, tree.histogram_size);
  }

  PYGBT_KERNEL bool needs_wide(std::int32_t k) const {
    const std::int32_t target = arguments->first_target + k;
    const auto most = [&](int i) { return static_cast<double>(std::bit_cast<float>(extremes[2 * target + i])); };
    const std::int64_t mean = totals[k].g < 0 ? -totals[k].g : totals[k].g;
    const double spread_g = means.g(target, totals[k].magnitude - mean);
    const double mean_h = means.h(target, totals[k].h);
    return !narrow_is_enough(most(0), spread_g, most(1), mean_h, total_weight);
  }

  PYGBT_KERNEL void start() const {
    FrontierState& state = *tree.state;
    state = FrontierState{};
    if (*stop == 0 && guessed) {
      bool needed = false;
      PYGBT_ROLL
      for (std::int32_t k = 0; k < tree.width; ++k) needed = needed || needs_wide(k);
      if (needed != wide) *stop = 1;
    }
    if (*stop != 0) {
      *n_drawn = n_rows;  // no row walks the tree
      return;
    }
    const auto precision = static_cast<int>(wide ? Precision::kWide : Precision::kNarrow);
    double hessian = 0.0;
    PYGBT_ROLL
    for (std::int32_t k = 0; k < tree.width; ++k) {
      const Quantiser& of_target = means.scales[(arguments->first_target + k) * kPrecisions + precision];
      tree.g_units[k] = means.weight_unit / of_target.g_scale;
      tree.h_units()[k] = means.weight_unit / of_target.h_scale;
      tree.sums[k] = {drawn[k].g, drawn[k].h};
      if (tree.ranges != nullptr)
        tree.ranges[k] = {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
      hessian += static_cast<double>(drawn[k].h) * tree.h_units()[k];
      if (factors == nullptr) continue;
      tree.g_units[k] *= factors[k].g;
      tree.h_units()[k] *= factors[k].h;
    }
    PYGBT_ROLL
    for (std::int32_t k = 0; k < tree.leaf_width; ++k) {
      const Quantiser& leaf =
          means.scales[(arguments->first_leaf_target + k) * kPrecisions + static_cast<int>(Precision::kLeaf)];
      tree.leaf_g_units()[k] = means.weight_unit / leaf.g_scale;
      tree.leaf_h_units()[k] = means.weight_unit / leaf.h_scale;
    }
    PYGBT_ROLL
    for (std::int32_t i = 0; i < tree.n_path_words; ++i) tree.paths[i] = 0;
    const double weight = static_cast<double>(drawn[0].weight) * means.weight_unit;
    *tree.min_category_hessian = weight > 0.0 ? min_cat_weight * hessian / weight : 0.0;
    GrowNode root;
    root.count = *n_drawn = n_counted == nullptr ? n_rows : *n_counted;
    root.in_tree = 0;
    root.slot = 0;
    tree.nodes[0] = root;
    tree.cuts[0] = Candidate{};
    tree.in_tree[0] = 0;
    state.n_nodes = state.n_in_tree = state.n_leaves = state.n_slots = 1;
    if (tree.places_in_stem != nullptr) {  // the ends of the stem are searched: frontier_stem.h
      tree.places_in_stem[0] = 0;
      return;
    }
    state.n_queries = state.n_sets = tree.can_split(root, tree.sums) ? 1 : 0;
    if (state.n_queries > 0) tree.sets[0] = {0, 1, 0};
  }
};

// Histograms to zero, all that the tree may have: each is added up once. Beside what reads the rows, a cell a thread.
struct ClearKernel {
  Cell* cells;
  std::int64_t* counts;  // or nullptr
  std::int64_t n_cells, n_counts;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = first_row(); i < n_cells; i += row_step()) cells[i] = Cell{0, 0};
    if (counts == nullptr) return;
    PYGBT_ROLL
    for (std::int64_t i = first_row(); i < n_counts; i += row_step()) counts[i] = 0;
  }
  std::int64_t n() const { return n_cells; }
};

}  // namespace pygbt::device
