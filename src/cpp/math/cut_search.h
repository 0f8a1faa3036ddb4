// SPDX-License-Identifier: Apache-2.0
// All cuts of one feature, in the order of the tie rule, and what a cut is worth. Backends walk histograms and keep
// the best; which cuts exist and how they are valued is written only here.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/types.h"
#include "math/category_sorter.h"
#include "math/gain.h"

namespace pygbt {

// The node being cut, with what it costs to leave it whole.
struct CutContext {
  const Cell* sums = nullptr;        // [width]
  const double* g_units = nullptr;   // [width]
  const double* h_units = nullptr;   // [width]
  std::int32_t width = 1;
  std::int64_t count = 0;
  LeafRule rule;
  const double* lower = nullptr;     // [width] bounds of the value, nullptr = none
  const double* upper = nullptr;
  double min_child_weight = 0.0;
  std::int64_t min_child_samples = 1;
  int monotone = 0;                  // of the feature at hand
  bool shared = false;               // symmetric trees: a node whose children are too small adds nothing
};

inline constexpr double kVeto = -std::numeric_limits<double>::infinity();

// Sums of some rows of the node, [width], are given as an array of cells or anything that is indexed like one.

// Sums of the rows of the node that are not in `part`.
template <class Sums>
struct Rest {
  const Cell* whole;
  const Sums& part;
  PYGBT_HD Cell operator[](int k) const { return whole[k] - part[k]; }
};

// Twice the loss removed by one value for all targets of a set of rows.
template <int kWidth, class Sums>
PYGBT_HD double set_gain(const Sums& sums, const CutContext& node) {
  const int width = kWidth > 0 ? kWidth : node.width;
  double gain = 0.0;
  for (int k = 0; k < width; ++k) {
    const Cell sum = sums[k];
    const double g = static_cast<double>(sum.g) * node.g_units[k];
    const double h = static_cast<double>(sum.h) * node.h_units[k];
    if (node.lower == nullptr && node.rule.max_step == 0.0) {
      gain += gain_free(g, h, node.rule);
    } else {
      double w = leaf_weight(g, h, node.rule);
      if (node.lower != nullptr) w = clamp(w, node.lower[k], node.upper[k]);
      gain += gain_at(g, h, w, node.rule);
    }
  }
  return gain;
}

template <int kWidth, class Sums>
PYGBT_HD bool heavy_enough(const Sums& sums, const CutContext& node) {
  const int width = kWidth > 0 ? kWidth : node.width;
  double most = 0.0;
  for (int k = 0; k < width; ++k) {
    const double h = static_cast<double>(sums[k].h) * node.h_units[k];
    most = h > most ? h : most;
  }
  return most >= node.min_child_weight;
}

// Gain of the children together (the caller subtracts the parent's); kVeto where the cut is not allowed.
template <int kWidth, class Sums>
PYGBT_HD double cut_gain(const Sums& left, std::int64_t left_count, const CutContext& node, double parent_gain) {
  const int width = kWidth > 0 ? kWidth : node.width;
  const Rest<Sums> right{node.sums, left};
  const bool big_enough = heavy_enough<kWidth>(left, node) && heavy_enough<kWidth>(right, node) &&
                          (node.min_child_samples <= 1 ||
                           (left_count >= node.min_child_samples && node.count - left_count >= node.min_child_samples));
  if (!big_enough) return node.shared ? parent_gain : kVeto;
  if (node.monotone != 0) {
    for (int k = 0; k < width; ++k) {
      double wl = leaf_weight(static_cast<double>(left[k].g) * node.g_units[k],
                              static_cast<double>(left[k].h) * node.h_units[k], node.rule);
      double wr = leaf_weight(static_cast<double>(right[k].g) * node.g_units[k],
                              static_cast<double>(right[k].h) * node.h_units[k], node.rule);
      if (node.lower != nullptr) {
        wl = clamp(wl, node.lower[k], node.upper[k]);
        wr = clamp(wr, node.lower[k], node.upper[k]);
      }
      if (node.monotone > 0 ? wl > wr : wl < wr) return kVeto;
    }
  }
  return set_gain<kWidth>(left, node) + set_gain<kWidth>(right, node);
}

PYGBT_HD bool is_zero(const Cell* cell, std::int32_t width) {
  for (std::int32_t k = 0; k < width; ++k)
    if (cell[k].g != 0 || cell[k].h != 0) return false;
  return true;
}

// Side of missing values where no node of the cut has any: the heavier child, left on ties. left(i): sums [width].
template <class Left>
bool default_side(std::span<const CutContext> nodes, Left&& left) {
  double hl = 0.0, h = 0.0;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (std::int32_t k = 0; k < nodes[i].width; ++k) {
      hl += static_cast<double>(left(i)[k].h) * nodes[i].h_units[k];
      h += static_cast<double>(nodes[i].sums[k].h) * nodes[i].h_units[k];
    }
  return hl >= h - hl;
}

// Stands for all rare categories in an order of categories, where bin 0 (missing) never is.
inline constexpr std::uint16_t kRarePool = 0;

// A histogram slice of one feature: cells [n_bins][width], counts [n_bins] or nullptr.
struct FeatureHistogram {
  const Cell* cells = nullptr;
  const std::int64_t* counts = nullptr;
  std::int32_t n_bins = 0;
  std::int32_t width = 1;
  const Cell* rare = nullptr;    // [width] pool of the categories too rare to be judged one by one
  std::int64_t rare_count = 0;

  const Cell* cell(std::int32_t bin) const { return cells + static_cast<std::int64_t>(bin) * width; }
  std::int64_t count(std::int32_t bin) const { return counts == nullptr ? 0 : counts[bin]; }
  bool has_missing() const { return !is_zero(cells, width) || count(0) != 0; }
  // An entry of an order of categories: a bin, or kRarePool.
  const Cell* item(std::int32_t entry) const { return entry == kRarePool ? rare : cell(entry); }
  std::int64_t item_count(std::int32_t entry) const { return entry == kRarePool ? rare_count : count(entry); }
};

// Calls visit(step, missing_left, left_sums, left_count) for every cut that takes `order`[0 .. step - 1] left,
// step = 1 .. n_order; missing-left first. Without missing rows only missing_left = false, and not the last step.
// order == nullptr: the value bins in ascending order (numeric). `left`, `with_missing`: scratch [width].
template <int kWidth, class Visit>
void visit_prefix_cuts(const FeatureHistogram& histogram, const std::uint16_t* order, std::int32_t n_order,
                       bool missing, Cell* left, Cell* with_missing, Visit&& visit) {
  const int width = kWidth > 0 ? kWidth : histogram.width;
  for (int k = 0; k < width; ++k) left[k] = Cell{};
  std::int64_t left_count = 0;
  for (std::int32_t step = 1; step <= n_order; ++step) {
    const Cell* cell = order == nullptr ? histogram.cell(step) : histogram.item(order[step - 1]);
    for (int k = 0; k < width; ++k) left[k] += cell[k];
    left_count += order == nullptr ? histogram.count(step) : histogram.item_count(order[step - 1]);
    if (missing) {
      if (step < n_order) {
        for (int k = 0; k < width; ++k) with_missing[k] = left[k] + histogram.cells[k];
        visit(step, true, static_cast<const Cell*>(with_missing), left_count + histogram.count(0));
      }
    } else if (step == n_order) {
      break;
    }
    visit(step, false, static_cast<const Cell*>(left), left_count);
  }
}

// The same for one category against the rest: step = index into `bins`, ascending.
template <int kWidth, class Visit>
void visit_one_hot_cuts(const FeatureHistogram& histogram, const std::vector<std::uint16_t>& bins, bool missing,
                        Cell* left, Cell* with_missing, Visit&& visit) {
  const int width = kWidth > 0 ? kWidth : histogram.width;
  if (bins.size() < 2 && !missing) return;
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const Cell* cell = histogram.cell(bins[i]);
    const std::int64_t count = histogram.count(bins[i]);
    for (int k = 0; k < width; ++k) left[k] = cell[k];
    if (missing && bins.size() > 1) {
      for (int k = 0; k < width; ++k) with_missing[k] = left[k] + histogram.cells[k];
      visit(static_cast<std::int32_t>(i + 1), true, static_cast<const Cell*>(with_missing), count + histogram.count(0));
    }
    visit(static_cast<std::int32_t>(i + 1), false, static_cast<const Cell*>(left), count);
  }
}

// Hessian of one category over all targets: what decides whether it is too rare to be judged.
PYGBT_HD double category_hessian(const Cell* cell, const double* h_units, std::int32_t width) {
  double h = 0.0;
  for (std::int32_t k = 0; k < width; ++k) h += static_cast<double>(cell[k].h) * h_units[k];
  return h;
}

// Orders categories by G / (H + smooth) of the target whose gradients differ most among them (ties by bin): for one
// target the best two-set partition is a prefix of this order (Fisher 1958). Cuts take at most `reach` categories to
// either side, so only that many at either end need be in order, with the others between them.
inline void order_categories(const FeatureHistogram& histogram, const double* g_units, const double* h_units,
                             double smooth, std::int32_t reach, CategorySorter& sorter,
                             std::vector<std::uint16_t>& bins) {
  std::int32_t target = 0;
  double most = -1.0;
  for (std::int32_t k = 0; k < histogram.width && histogram.width > 1; ++k) {
    double energy = 0.0;
    for (const std::uint16_t bin : bins) {
      const double g = static_cast<double>(histogram.item(bin)[k].g) * g_units[k];
      const double h = static_cast<double>(histogram.item(bin)[k].h) * h_units[k];
      energy += g * g / (h + smooth + 1e-16);
    }
    if (energy > most) {
      most = energy;
      target = k;
    }
  }
  sorter.keys.resize(bins.size());
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const Cell& cell = histogram.item(bins[i])[target];
    const double g = static_cast<double>(cell.g) * g_units[target];
    const double h = static_cast<double>(cell.h) * h_units[target];
    sorter.keys[i] = {g / (h + smooth + 1e-16), bins[i]};
  }
  const std::span<const CategoryKey> sorted = sorter.sort_ends(reach);
  for (std::size_t i = 0; i < bins.size(); ++i) bins[i] = sorted[i].bin;
}

}  // namespace pygbt
