// SPDX-License-Identifier: Apache-2.0
// The order of a categorical feature's cuts in a set of nodes: which categories occur, which are too rare to be judged,
// and the others by G / (H + smooth), as math/cut_search.h defines it. A block a feature of a set.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "split_search.h"

namespace pygbt::device {

struct OrderKernel {
  Search search;
  double* keys;  // [set][bin] scratch
  Cell* pool;  // [set][bin][width] scratch: sums over the nodes of the set; at bin 0 those of the rare ones

  PYGBT_KERNEL void operator()() const {
    const auto set = static_cast<std::int32_t>(block() / search.most_features);
    if (set >= *search.n_sets) return;
    const FeatureId f = search.feature_of(set, static_cast<std::int32_t>(block() % search.most_features));
    if (f < 0 || !search.features[f].categorical || !search.allows(set, f)) return;
    const Feature feature = search.features[f];
    const std::int64_t first = search.bin_of(set, feature);
    Cell* const cells = pool + first * search.width;
    std::uint8_t* const category = search.category + first;
    std::uint16_t* const order = search.order + first;
    classify(set, feature, cells, category);
    sync();
    const std::int32_t n = list(feature, category, order);
    if (thread() == 0) search.n_order[set * search.n_features + f] = n;
    if (search.one_hot(feature)) return;
    pool_rare(feature, category, cells);
    sync();
    give_keys(cells, order, n, keys + first);
    sync();
    sort(keys + first, order, n);
  }

  PYGBT_KERNEL void classify(std::int32_t set, const Feature& feature, Cell* cells, std::uint8_t* category) const {
    const double least = *search.min_category_hessian;
    const NodeSet nodes = search.sets[set];
    for (std::int32_t bin = 1 + thread(); bin < feature.n_bins; bin += n_threads()) {
      Cell* const cell = cells + std::int64_t{bin} * search.width;
      for (std::int32_t k = 0; k < search.width; ++k) cell[k] = Cell{0, 0};
      bool occurs = false;
      for (std::int32_t q = nodes.first; q < nodes.first + nodes.n; ++q) {
        const Query& query = search.queries[q];
        occurs = occurs || search.occurs(query, feature, bin);
        for (std::int32_t k = 0; k < search.width; ++k) cell[k] += search.cell(query, feature, bin)[k];
      }
      const bool rare = search.ordered(feature) && category_hessian(cell, search.h_units, search.width) < least;
      category[bin] = !occurs ? kAbsent : rare ? kRare : kJudged;
    }
  }

  // Categories that are judged by themselves, ascending; in front of them the pool of the rare ones, if there are any.
  PYGBT_KERNEL std::int32_t list(const Feature& feature, const std::uint8_t* category, std::uint16_t* order) const {
    std::int64_t n_rare = 0;
    for (std::int32_t bin = 1 + thread(); bin < feature.n_bins; bin += n_threads()) n_rare += category[bin] == kRare;
    std::int64_t n = block_sum(n_rare, shared<std::int64_t>()) > 0 ? 1 : 0;
    if (n == 1 && thread() == 0) order[0] = kRarePool;
    for (std::int32_t begin = 1; begin < feature.n_bins; begin += n_threads()) {
      const std::int32_t bin = begin + thread();
      const bool judged = bin < feature.n_bins && category[bin] == kJudged;
      std::int64_t total = 0;
      const std::int64_t before = block_scan<std::int64_t>(judged, shared<std::int64_t>(), total);
      if (judged) order[n + before] = static_cast<std::uint16_t>(bin);
      n += total;
    }
    return static_cast<std::int32_t>(n);
  }

  PYGBT_KERNEL void pool_rare(const Feature& feature, const std::uint8_t* category, Cell* cells) const {
    for (std::int32_t k = 0; k < search.width; ++k) {
      Cell sum{0, 0};
      for (std::int32_t bin = 1 + thread(); bin < feature.n_bins; bin += n_threads())
        if (category[bin] == kRare) sum += cells[std::int64_t{bin} * search.width + k];
      sum.g = block_sum(sum.g, shared<std::int64_t>());
      sum.h = block_sum(sum.h, shared<std::int64_t>());
      if (thread() == 0) cells[k] = sum;
    }
  }

  PYGBT_KERNEL double key(const Cell* cell, std::int32_t k) const {
    const double g = static_cast<double>(cell[k].g) * search.g_units[k];
    const double h = static_cast<double>(cell[k].h) * search.h_units[k];
    return g / (h + search.rules.cat_smooth + 1e-16);
  }

  // How much the gradients of a target differ among the categories, and which target it is.
  struct Energy {
    double energy = -1.0;
    std::int32_t target = 0;
    PYGBT_KERNEL bool before(const Energy& other) const {
      return energy > other.energy || (energy == other.energy && target < other.target);
    }
  };

  // The target whose gradients differ most: a thread a target, each sum in the order of the list.
  PYGBT_KERNEL std::int32_t target_of(const Cell* cells, const std::uint16_t* order, std::int32_t n) const {
    if (search.width == 1) return 0;
    Energy most;
    for (std::int32_t k = thread(); k < search.width; k += n_threads()) {
      double energy = 0.0;
      for (std::int32_t i = 0; i < n; ++i) {
        const Cell* const cell = cells + std::int64_t{order[i]} * search.width;
        const double g = static_cast<double>(cell[k].g) * search.g_units[k];
        const double h = static_cast<double>(cell[k].h) * search.h_units[k];
        energy += g * g / (h + search.rules.cat_smooth + 1e-16);
      }
      const Energy here{energy, k};
      if (here.before(most)) most = here;
    }
    return first_of_block(most, shared<Energy>()).target;
  }

  PYGBT_KERNEL void give_keys(const Cell* cells, const std::uint16_t* order, std::int32_t n, double* of) const {
    const std::int32_t target = target_of(cells, order, n);
    for (std::int32_t i = thread(); i < n; i += n_threads())
      of[i] = key(cells + std::int64_t{order[i]} * search.width, target);
  }

  // Bitonic, ascending by (key, bin); places from n on would hold greater keys and never move.
  PYGBT_KERNEL void sort(double* of, std::uint16_t* order, std::int32_t n) const {
    for (std::int32_t size = 2; size / 2 < n; size *= 2) {
      merge(of, order, n, size - 1);
      for (std::int32_t by = size / 4; by > 0; by /= 2) merge(of, order, n, by);
    }
  }
  PYGBT_KERNEL void merge(double* of, std::uint16_t* order, std::int32_t n, std::int32_t mask) const {
    for (std::int32_t i = thread(); i < n; i += n_threads()) {
      const std::int32_t j = i ^ mask;
      if (j <= i || j >= n) continue;
      if (of[i] < of[j] || (of[i] == of[j] && order[i] < order[j])) continue;
      const double key = of[i];
      const std::uint16_t bin = order[i];
      of[i] = of[j];
      order[i] = order[j];
      of[j] = key;
      order[j] = bin;
    }
    sync();
  }
};

}  // namespace pygbt::device
