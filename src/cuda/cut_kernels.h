// SPDX-License-Identifier: Apache-2.0
// The search for cuts in a launch or in three: running sums, the worth of every step, the choice. Launched by split.cu.
#pragma once

#include <cstdint>
#include <type_traits>

#include "block.h"
#include "device.h"
#include "math/cut_search.h"
#include "math/grow_rules.h"
#include "math/layout.h"
#include "split_search.h"

namespace pygbt::device {

// A feature of the list of a node, or of a set of nodes, of a team each: those of a block have the same node.
template <class Team>
struct FeatureTask {
  std::int32_t item = 0, number = 0;  // node or set, number of the feature in its list

  PYGBT_KERNEL static std::int32_t blocks_of_item(std::int32_t most_features) {
    return (most_features + Team::of_block() - 1) / Team::of_block();
  }
  PYGBT_KERNEL static FeatureTask mine(std::int32_t most_features) {
    const auto at = static_cast<std::int32_t>(block()), of_item = blocks_of_item(most_features);
    return {at / of_item, at % of_item * Team::of_block() + Team::number()};
  }
};

// Left sums of all steps of a feature in a node.
template <class Team>
struct RunningKernel {
  Search search;

  PYGBT_KERNEL void operator()() const {
    const auto task = FeatureTask<Team>::mine(search.most_features);
    if (task.item < *search.n_queries) add_up(task.item, task.number);
  }

  PYGBT_KERNEL void add_up(std::int32_t q, std::int32_t number) const {
    const Query& query = search.queries[q];
    const FeatureId f = search.feature_of(query.set, number);
    if (f < 0) return;
    const Feature feature = search.features[f];
    if (query.sibling.cells != nullptr) subtract(query, feature);
    if (!search.allows(query.set, f)) return;
    const std::int32_t n = search.n_steps(query.set, f);
    const std::uint16_t* const order = search.order + (feature.categorical ? search.bin_of(query.set, feature) : 0);
    const std::uint8_t* const category =
        search.category + (feature.categorical ? search.bin_of(query.set, feature) : 0);
    const bool pooled = search.ordered(feature) && n > 0 && has_pool(order, n);
    const bool sum = !search.one_hot(feature);
    PYGBT_ROLL
    for (std::int32_t k = 0; k < search.width; ++k) {
      Cell* const out = search.running + search.bin_of(q, feature) * search.width + k;
      const auto of_bin = [&](std::int32_t bin) { return search.cell(query, feature, bin)[k]; };
      const Cell rare = pooled ? pool<Cell>(feature, category, of_bin) : Cell{};
      run<Cell>(
          n, sum,
          [&](std::int32_t step) {
            if (!feature.categorical) return of_bin(step);
            const std::uint16_t entry = order[step - 1];
            return entry == kRarePool ? rare : of_bin(entry);
          },
          [&](std::int32_t step, const Cell& cell) { out[std::int64_t{step - 1} * search.width] = cell; });
    }
    if (search.running_counts == nullptr) return;
    std::int64_t* const out = search.running_counts + search.bin_of(q, feature);
    const auto of_bin = [&](std::int32_t bin) { return search.count(query, feature, bin); };
    const std::int64_t rare = pooled ? pool<std::int64_t>(feature, category, of_bin) : 0;
    run<std::int64_t>(
        n, sum,
        [&](std::int32_t step) {
          if (!feature.categorical) return of_bin(step);
          return order[step - 1] == kRarePool ? rare : of_bin(order[step - 1]);
        },
        [&](std::int32_t step, std::int64_t count) { out[step - 1] = count; });
  }

  // Makes what is the parent's the node's own.
  PYGBT_KERNEL void subtract(const Query& query, const Feature& feature) const {
    const std::int64_t first = feature.offset * search.width, n = std::int64_t{feature.n_bins} * search.width;
    PYGBT_ROLL
    for (std::int64_t i = first + Team::rank(); i < first + n; i += Team::size())
      query.of_node.cells[i] -= query.sibling.cells[i];
    if (query.of_node.counts != nullptr) PYGBT_ROLL
    for (std::int64_t bin = feature.offset + Team::rank(); bin < feature.offset + feature.n_bins; bin += Team::size())
      query.of_node.counts[bin] -= query.sibling.counts[bin];
    Team::wait();
  }

  PYGBT_KERNEL bool has_pool(const std::uint16_t* order, std::int32_t n) const {
    std::int64_t here = 0;
    PYGBT_ROLL
    for (std::int32_t i = Team::rank(); i < n; i += Team::size()) here += order[i] == kRarePool;
    return Team::sum(here) > 0;
  }

  template <class T, class Value>
  PYGBT_KERNEL T pool(const Feature& feature, const std::uint8_t* category, Value&& value) const {
    T sum{};
    PYGBT_ROLL
    for (std::int32_t bin = 1 + Team::rank(); bin < feature.n_bins; bin += Team::size())
      if (category[bin] == kRare) sum += value(bin);
    return Team::sum(sum);
  }

  // Writes the values of steps 1 .. n, summed up to each step or as they are.
  template <class T, class Value, class Write>
  PYGBT_KERNEL void run(std::int32_t n, bool sum, Value&& value, Write&& write) const {
    T before{};
    PYGBT_ROLL
    for (std::int32_t first = 1; first <= n; first += Team::size()) {
      const std::int32_t step = first + Team::rank();
      const T here = step <= n ? value(step) : T{};
      T total{};
      const T lower = Team::scan(here, total);
      if (step <= n) write(step, sum ? before + lower + here : here);
      before += total;
    }
  }
};

// The best cut of a feature in a set of nodes.
template <int kWidth, class Team>
struct JudgeKernel {
  Search search;

  PYGBT_KERNEL void operator()() const {
    const auto task = FeatureTask<Team>::mine(search.most_features);
    if (task.item < *search.n_sets) judge_all(task.item, task.number);
  }

  PYGBT_KERNEL void judge_all(std::int32_t set, std::int32_t number) const {
    const FeatureId f = search.feature_of(set, number);
    if (f < 0) return;
    Candidate* const judged = search.judged + row_major(set, number, search.most_features);
    if (!search.allows(set, f)) {
      if (Team::rank() == 0) *judged = Candidate{};
      return;
    }
    const Feature feature = search.features[f];
    const std::int32_t n = search.n_steps(set, f);
    const NodeSet nodes = search.sets[set];
    const Parent first = parent_of(nodes.first, f);
    Candidate best;
    best.missing = has_missing(nodes, feature);
    const bool one_hot = search.one_hot(feature);
    PYGBT_ROLL
    for (std::int32_t step = 1 + Team::rank(); step <= n; step += Team::size()) {
      if (search.ordered(feature) && (step < n - step ? step : n - step) > search.rules.max_cat_threshold) continue;
      const bool parts = one_hot ? n > 1 : step < n;  // the rows that are not missing
      PYGBT_ROLL
      for (int missing_left = best.missing ? 1 : 0; missing_left >= 0; --missing_left)
        if (parts || (best.missing && missing_left == 0)) judge(nodes, first, f, step, missing_left != 0, best);
    }
    best = Team::first(best);
    if (Team::rank() == 0) *judged = best;
  }

  // A node whose cuts are judged, and what it is worth whole.
  struct Parent {
    CutContext node;
    double gain = 0.0;
  };
  PYGBT_KERNEL Parent parent_of(std::int32_t query, FeatureId f) const {
    Parent parent;
    parent.node = search.context(query, f);
    parent.gain = set_gain<kWidth>(parent.node.sums, parent.node);
    return parent;
  }

  PYGBT_KERNEL bool has_missing(const NodeSet& nodes, const Feature& feature) const {
    if (nodes.n == 1) return search.occurs(search.queries[nodes.first], feature, kMissingBin);
    std::int64_t n = 0;
    PYGBT_ROLL
    for (std::int32_t q = nodes.first + Team::rank(); q < nodes.first + nodes.n; q += Team::size())
      n += search.occurs(search.queries[q], feature, kMissingBin);
    return Team::sum(n) > 0;
  }

  PYGBT_KERNEL void judge(const NodeSet& nodes, const Parent& first, FeatureId f, std::int32_t step, bool missing_left,
                          Candidate& best) const {
    double worth = 0.0, gain = 0.0;
    PYGBT_ROLL
    for (std::int32_t q = nodes.first; q < nodes.first + nodes.n; ++q) {
      const Parent parent = q == nodes.first ? first : parent_of(q, f);
      const double children = cut_gain<kWidth>(search.left(q, f, step, missing_left),
                                               search.left_count(q, f, step, missing_left), parent.node, parent.gain);
      worth += children;
      gain += children - parent.gain;
    }
    if (!(gain > search.rules.min_split_gain) || !(gain > kRelativeGainFloor * worth)) return;
    Candidate cut = best;
    cut.gain = gain;
    cut.feature = f;
    cut.step = step;
    const Feature& feature = search.features[f];
    cut.bin = search.one_hot(feature) ? search.order[search.bin_of(search.queries[nodes.first].set, feature) + step - 1]
                                      : static_cast<Bin>(step);
    cut.missing_left = missing_left;
    if (cut.before(best)) best = cut;
  }
};

// The best cut of a node's set over its features, as the node sees it, and the side of missing rows where training saw
// none. A block a node; the last one does what follows.
template <class Then>
struct ChooseKernel {
  Search search;
  Found found;
  Then then;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t n = *search.n_queries;
    const auto q = static_cast<std::int32_t>(block());
    if (q < n) choose(q);
    if (n == 0 ? q == 0 : q < n && search.all_queries().last_of(n)) then();
  }

  PYGBT_KERNEL void choose(std::int32_t q) const {
    const std::int32_t set = search.queries[q].set;
    const std::int64_t place = found.places == nullptr ? q : found.places[q];
    const Candidate cut = best_of(set);
    if (cut.feature < 0) {
      if (thread() == 0) found.cuts[place] = cut;
      return;
    }
    const bool add_missing = cut.missing && cut.missing_left;
    const Search::Left sums = search.left(q, cut.feature, cut.step, add_missing);
    PYGBT_ROLL
    for (std::int32_t k = thread(); k < search.width; k += n_threads())
      found.left[row_major(place, k, search.width)] = sums[k];
    if (thread() == 0) {
      Candidate own = cut;
      if (search.shared) {
        const CutContext node = search.context(q, cut.feature);
        const double parent = set_gain<0>(node.sums, node);
        own.gain = cut_gain<0>(sums, search.left_count(q, cut.feature, cut.step, add_missing), node, parent) - parent;
      }
      found.cuts[place] = own;
    }
    const Feature feature = search.features[cut.feature];
    if (feature.categorical) write_bins(set, feature, cut, found.left_bins + place * found.n_words);
  }

  PYGBT_KERNEL Candidate best_of(std::int32_t set) const {
    Candidate best = first_judged(set, false);
    if (best.feature >= 0 && is_new(best.feature)) best = charged(set, best);
    if (best.feature >= 0 && !best.missing) best.missing_left = heavier_left(set, best);
    return best;
  }

  // The first over the features of a set, or those of them that are in use.
  PYGBT_KERNEL Candidate first_judged(std::int32_t set, bool used) const {
    Candidate best;
    const std::int32_t n = search.lists[search.sets[set].list].n;
    const Candidate* const judged = search.judged + std::int64_t{set} * search.most_features;
    PYGBT_ROLL
    for (std::int32_t i = thread(); i < n; i += n_threads())
      if ((!used || (judged[i].feature >= 0 && !is_new(judged[i].feature))) && judged[i].before(best)) best = judged[i];
    return first_of_block(best, shared<Candidate>());
  }

  PYGBT_KERNEL bool is_new(FeatureId f) const { return search.used != nullptr && search.used[f] == 0; }

  // What comes of a cut on a new feature.
  PYGBT_KERNEL Candidate charged(std::int32_t set, Candidate fresh) const {
    const PricedCut priced(fresh.gain, search.feature_penalty, search.rules.min_split_gain);
    const Candidate known = first_judged(set, true);
    if (priced.gives_way(known.feature >= 0, known.gain)) return known;
    if (!priced.valid) return Candidate{};
    fresh.gain = priced.gain;
    return fresh;
  }

  PYGBT_KERNEL bool heavier_left(std::int32_t set, const Candidate& cut) const {
    double left = 0.0, all = 0.0;
    const NodeSet nodes = search.sets[set];
    PYGBT_ROLL
    for (std::int32_t q = nodes.first; q < nodes.first + nodes.n; ++q) PYGBT_ROLL
    for (std::int32_t k = 0; k < search.width; ++k) {
      left += static_cast<double>(search.left(q, cut.feature, cut.step, false)[k].h) * search.h_units[k];
      all += static_cast<double>(search.sums[std::int64_t{q} * search.width + k].h) * search.h_units[k];
    }
    return left >= all - left;
  }

  // Categories of the winning set, and those that occur in no node on the side of the missing.
  PYGBT_KERNEL void write_bins(std::int32_t set, const Feature& feature, const Candidate& cut,
                               std::uint32_t* words) const {
    PYGBT_ROLL
    for (std::int32_t i = thread(); i < found.n_words; i += n_threads()) words[i] = 0;
    sync();
    const std::int64_t first = search.bin_of(set, feature);
    PYGBT_ROLL
    for (std::int32_t bin = thread(); bin < feature.n_bins; bin += n_threads()) {
      const std::uint8_t category = bin == kMissingBin ? std::uint8_t{kAbsent} : search.category[first + bin];
      if (category == kAbsent && cut.missing_left) set_bit(words, bin);
    }
    const std::int32_t begin = search.one_hot(feature) ? cut.step - 1 : 0;
    PYGBT_ROLL
    for (std::int32_t i = begin + thread(); i < cut.step; i += n_threads()) {
      const std::uint16_t entry = search.order[first + i];
      if (entry != kRarePool) {
        set_bit(words, entry);
        continue;
      }
      PYGBT_ROLL
      for (std::int32_t bin = 1; bin < feature.n_bins; ++bin)
        if (search.category[first + bin] == kRare) set_bit(words, bin);
    }
  }
  // Each bit is set once, from zero: an addition sets it.
  PYGBT_KERNEL static void set_bit(std::uint32_t* words, std::int32_t bin) {
    add(words + bin / 32, std::uint32_t{1} << (bin % 32));
  }
};

// All three at once, where every node has a cut of its own: the last block of a node chooses among its features, the
// last node's does what follows.
template <int kWidth, class Team, class Then>
struct SearchKernel {
  Search search;
  Found found;
  Then then;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t n = *search.n_queries;
    if (n == 0 ? block() == 0 : find_cuts(n)) then();
  }

  // Whether this block is the last one.
  PYGBT_KERNEL bool find_cuts(std::int32_t n) const {
    const auto task = FeatureTask<Team>::mine(search.most_features);
    if (task.item >= n) return false;
    if (task.number < search.most_features) {
      RunningKernel<Team>{search}.add_up(task.item, task.number);
      Team::wait();
      JudgeKernel<kWidth, Team>{search}.judge_all(task.item, task.number);
    }
    if (!search.features_of(task.item).last_of(FeatureTask<Team>::blocks_of_item(search.most_features))) return false;
    const ChooseKernel<Nothing> choose{search, found, {}};
    choose.choose(task.item);
    return search.all_queries().last_of(n);
  }
};

}  // namespace pygbt::device
