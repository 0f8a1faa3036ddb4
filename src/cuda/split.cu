// SPDX-License-Identifier: Apache-2.0
// The search for cuts: every cut is judged by the exact formula, and the total order of cuts picks the winner.
#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "block.h"
#include "categories.h"
#include "cuda_backend.h"
#include "device.h"
#include "frontier_kernels.h"
#include "math/layout.h"
#include "parcel.h"
#include "split_search.h"

namespace pygbt::device {

namespace {

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
    const std::int32_t n = search.n_steps(query.set, f);
    const std::uint16_t* const order = search.order + (feature.categorical ? search.bin_of(query.set, feature) : 0);
    const std::uint8_t* const category =
        search.category + (feature.categorical ? search.bin_of(query.set, feature) : 0);
    const bool pooled = search.ordered(feature) && n > 0 && has_pool(order, n);
    const bool sum = !search.one_hot(feature);
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
    for (std::int64_t i = first + Team::rank(); i < first + n; i += Team::size())
      query.of_node.cells[i] -= query.sibling.cells[i];
    if (query.of_node.counts != nullptr)
      for (std::int64_t bin = feature.offset + Team::rank(); bin < feature.offset + feature.n_bins; bin += Team::size())
        query.of_node.counts[bin] -= query.sibling.counts[bin];
    Team::wait();
  }

  PYGBT_KERNEL bool has_pool(const std::uint16_t* order, std::int32_t n) const {
    std::int64_t here = 0;
    for (std::int32_t i = Team::rank(); i < n; i += Team::size()) here += order[i] == kRarePool;
    return Team::sum(here) > 0;
  }

  template <class T, class Value>
  PYGBT_KERNEL T pool(const Feature& feature, const std::uint8_t* category, Value&& value) const {
    T sum{};
    for (std::int32_t bin = 1 + Team::rank(); bin < feature.n_bins; bin += Team::size())
      if (category[bin] == kRare) sum += value(bin);
    return Team::sum(sum);
  }

  // Writes the values of steps 1 .. n, summed up to each step or as they are.
  template <class T, class Value, class Write>
  PYGBT_KERNEL void run(std::int32_t n, bool sum, Value&& value, Write&& write) const {
    T before{};
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
    const Feature feature = search.features[f];
    const std::int32_t n = search.n_steps(set, f);
    const NodeSet nodes = search.sets[set];
    const Parent first = parent_of(nodes.first, f);
    Candidate best;
    best.missing = has_missing(nodes, feature);
    const bool one_hot = search.one_hot(feature);
    for (std::int32_t step = 1 + Team::rank(); step <= n; step += Team::size()) {
      if (search.ordered(feature) && (step < n - step ? step : n - step) > search.rules.max_cat_threshold) continue;
      if (best.missing) {
        if (one_hot ? n > 1 : step < n) judge(nodes, first, f, step, true, best);
        judge(nodes, first, f, step, false, best);
      } else if (one_hot ? n > 1 : step < n) {
        judge(nodes, first, f, step, false, best);
      }
    }
    best = Team::first(best);
    if (Team::rank() == 0) search.judged[std::int64_t{set} * search.most_features + number] = best;
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
    for (std::int32_t q = nodes.first + Team::rank(); q < nodes.first + nodes.n; q += Team::size())
      n += search.occurs(search.queries[q], feature, kMissingBin);
    return Team::sum(n) > 0;
  }

  PYGBT_KERNEL void judge(const NodeSet& nodes, const Parent& first, FeatureId f, std::int32_t step, bool missing_left,
                          Candidate& best) const {
    double worth = 0.0, gain = 0.0;
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
    Candidate best;
    const std::int32_t n = search.lists[search.sets[set].list].n;
    const Candidate* const judged = search.judged + std::int64_t{set} * search.most_features;
    for (std::int32_t i = thread(); i < n; i += n_threads())
      if (judged[i].before(best)) best = judged[i];
    best = first_of_block(best, shared<Candidate>());
    if (best.feature >= 0 && !best.missing) best.missing_left = heavier_left(set, best);
    return best;
  }

  PYGBT_KERNEL bool heavier_left(std::int32_t set, const Candidate& cut) const {
    double left = 0.0, all = 0.0;
    const NodeSet nodes = search.sets[set];
    for (std::int32_t q = nodes.first; q < nodes.first + nodes.n; ++q)
      for (std::int32_t k = 0; k < search.width; ++k) {
        left += static_cast<double>(search.left(q, cut.feature, cut.step, false)[k].h) * search.h_units[k];
        all += static_cast<double>(search.sums[std::int64_t{q} * search.width + k].h) * search.h_units[k];
      }
    return left >= all - left;
  }

  // Categories of the winning set, and those that occur in no node on the side of the missing.
  PYGBT_KERNEL void write_bins(std::int32_t set, const Feature& feature, const Candidate& cut,
                               std::uint32_t* words) const {
    for (std::int32_t i = thread(); i < found.n_words; i += n_threads()) words[i] = 0;
    sync();
    const std::int64_t first = search.bin_of(set, feature);
    for (std::int32_t bin = thread(); bin < feature.n_bins; bin += n_threads()) {
      const std::uint8_t category = bin == kMissingBin ? std::uint8_t{kAbsent} : search.category[first + bin];
      if (category == kAbsent && cut.missing_left) set_bit(words, bin);
    }
    const std::int32_t begin = search.one_hot(feature) ? cut.step - 1 : 0;
    for (std::int32_t i = begin + thread(); i < cut.step; i += n_threads()) {
      const std::uint16_t entry = search.order[first + i];
      if (entry != kRarePool) {
        set_bit(words, entry);
        continue;
      }
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
    const auto task = FeatureTask<Team>::mine(search.most_features);
    if (n == 0 && block() == 0) then();
    if (task.item >= n) return;
    if (task.number < search.most_features) {
      RunningKernel<Team>{search}.add_up(task.item, task.number);
      Team::wait();
      JudgeKernel<kWidth, Team>{search}.judge_all(task.item, task.number);
    }
    if (!search.features_of(task.item).last_of(FeatureTask<Team>::blocks_of_item(search.most_features))) return;
    const ChooseKernel<Nothing> choose{search, found, {}};
    choose.choose(task.item);
    if (search.all_queries().last_of(n)) then();
  }
};

Rules rules_of(const SplitRules& rules) {
  return {{rules.reg_lambda, rules.reg_alpha, rules.max_delta_step},
          rules.min_child_weight,
          rules.min_child_samples,
          rules.min_split_gain,
          rules.max_cat_to_onehot,
          rules.max_cat_threshold,
          rules.cat_smooth,
          rules.cat_l2};
}

}  // namespace

// Memory of a search for so many queries and sets, lists of so many features; what is found out on the way.
Search CudaBackend::search_memory(const SplitRules& rules, std::size_t n_queries, std::size_t n_sets, bool shared,
                                  std::int32_t most_features) {
  SearchMemory& memory = search_;
  const auto n_bins = static_cast<std::size_t>(table_.n_bins()), width = static_cast<std::size_t>(request_.width);
  Search search{};
  search.features = table_.features();
  search.rules = rules_of(rules);
  search.n_bins = table_.n_bins();
  search.most_features = most_features;
  search.width = request_.width;
  search.shared = shared;
  search.n_features = table_.n_features();
  search.running = memory.running.make(n_queries * n_bins * width);
  search.running_counts = request_.count_rows ? memory.counts.make(n_queries * n_bins) : nullptr;
  search.judged = memory.judged.make(n_sets * static_cast<std::size_t>(most_features));
  if (arrivals_.size() < n_queries + 1) arrivals_.make_zero(n_queries + 1);
  search.arrivals = arrivals_.data();
  if (!table_.any_categorical()) return search;
  search.order = memory.order.make(n_sets * n_bins);
  search.category = memory.category.make(n_sets * n_bins);
  search.n_order = memory.n_order.make(n_sets * static_cast<std::size_t>(table_.n_features()));
  memory.keys.make(n_sets * n_bins);
  memory.pool.make(n_sets * n_bins * width);
  return search;
}

template <class Then>
void CudaBackend::launch_search(const Search& search, const Found& found, std::int64_t n_queries, std::int64_t n_sets,
                                const Then& then) {
  const int n_threads = device_.policy().n_threads;
  const std::size_t scratch = warps() * sizeof(Candidate);  // the largest of what a block sums up or compares
  if (table_.any_categorical())
    device_.launch(n_sets * search.most_features, n_threads,
                   OrderKernel{search, search_.keys.data(), search_.pool.data()}, scratch);
  const auto by = [&]<int kWidth, class Team>(std::integral_constant<int, kWidth>, Team, std::int64_t of_item) {
    if (!search.shared) {
      device_.launch(n_queries * of_item, n_threads, SearchKernel<kWidth, Team, Then>{search, found, then}, scratch);
      return;
    }
    device_.launch(n_queries * of_item, n_threads, RunningKernel<Team>{search}, scratch);
    device_.launch(n_sets * of_item, n_threads, JudgeKernel<kWidth, Team>{search}, scratch);
    device_.launch(n_queries, n_threads, ChooseKernel<Then>{search, found, then}, scratch);
  };
  const auto of_width = [&](auto width) {
    const auto n_warps = static_cast<std::int64_t>(warps());
    if (table_.most_bins() <= device_.policy().warp_bins)
      by(width, WarpTeam{}, (search.most_features + n_warps - 1) / n_warps);
    else
      by(width, BlockTeam{}, search.most_features);
  };
  if (search.width == 1)
    of_width(std::integral_constant<int, 1>{});
  else
    of_width(std::integral_constant<int, 0>{});
}

void CudaBackend::launch_search(const Search& search, const Found& found, std::int64_t n_queries, std::int64_t n_sets,
                                const Frontier& tree) {
  launch_search(search, found, n_queries, n_sets, ExpandKernel{tree, table_.features()});
}

std::int32_t CudaBackend::category_words() const {
  return table_.any_categorical() ? (table_.most_bins() + 31) / 32 : 0;
}

// Sends queries, searches and fetches what was found.
void CudaBackend::search(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                         std::span<Split> out) {
  const auto width = static_cast<std::size_t>(request_.width);
  std::vector<Query> given;
  std::vector<NodeSet> sets;
  std::vector<Cell> sums;
  std::vector<double> lower, upper, units(2 * width);
  std::vector<FeatureId> features;
  std::vector<std::size_t> list_begin;  // [list]
  std::vector<std::int32_t> list_sizes;
  std::span<const FeatureId> last;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const SplitQuery& query = queries[i];
    if (!shared || i == 0) {
      if (i == 0 || query.features.data() != last.data() || query.features.size() != last.size()) {
        last = query.features;
        list_begin.push_back(features.size());
        list_sizes.push_back(static_cast<std::int32_t>(last.size()));
        features.insert(features.end(), last.begin(), last.end());
      }
      sets.push_back({static_cast<std::int32_t>(i), 0, static_cast<std::int32_t>(list_sizes.size()) - 1});
    }
    ++sets.back().n;
    Histogram& histogram = histogram_at(query.node);
    const bool bounded = !query.lower.empty();
    given.push_back({place_of(histogram), {}, query.count, static_cast<std::int32_t>(sets.size()) - 1, bounded});
    sums.insert(sums.end(), query.sums.begin(), query.sums.end());
    for (std::size_t k = 0; k < width; ++k) {
      lower.push_back(bounded ? query.lower[k] : 0.0);
      upper.push_back(bounded ? query.upper[k] : 0.0);
    }
  }
  for (std::size_t k = 0; k < width; ++k) {
    const CellUnits unit = rules.units_of(k, units_[k]);
    units[k] = unit.g;
    units[width + k] = unit.h;
  }
  const std::int32_t most_features = *std::max_element(list_sizes.begin(), list_sizes.end());
  if (most_features == 0) {
    std::fill(out.begin(), out.end(), Split{});
    return;
  }
  Search search = search_memory(rules, queries.size(), sets.size(), shared, most_features);
  const std::vector<std::int32_t> sizes = {static_cast<std::int32_t>(given.size()),
                                           static_cast<std::int32_t>(sets.size())};
  // Lists point into the parcel: their features are sent first.
  const FeatureId* const features_there = search_.features.put(features);
  std::vector<FeatureList> lists;
  for (std::size_t i = 0; i < list_sizes.size(); ++i) lists.push_back({features_there + list_begin[i], list_sizes[i]});
  Parcel parcel(given_);
  const auto queries_part = parcel.put(given);
  const auto sets_part = parcel.put(sets);
  const auto sizes_part = parcel.put(sizes);
  const auto lists_part = parcel.put(lists);
  const auto sums_part = parcel.put(sums);
  const auto lower_part = parcel.put(lower);
  const auto upper_part = parcel.put(upper);
  const auto units_part = parcel.put(units);
  const auto least_part = parcel.put(std::vector<double>{rules.min_category_hessian});
  const auto monotone_part = parcel.put(rules.monotone);
  parcel.send();
  search.queries = parcel.at(queries_part);
  search.sets = parcel.at(sets_part);
  search.n_queries = parcel.at(sizes_part);
  search.n_sets = search.n_queries + 1;
  search.lists = parcel.at(lists_part);
  search.n_lists = static_cast<std::int32_t>(lists.size());
  search.sums = parcel.at(sums_part);
  search.lower = parcel.at(lower_part);
  search.upper = parcel.at(upper_part);
  search.g_units = parcel.at(units_part);
  search.h_units = search.g_units + width;
  search.min_category_hessian = parcel.at(least_part);
  search.monotone = rules.monotone.empty() ? nullptr : parcel.at(monotone_part);

  Parcel results(search_.results);
  const auto n_words = static_cast<std::size_t>(category_words());
  const auto cuts_part = results.room<Candidate>(queries.size());
  const auto left_part = results.room<Cell>(queries.size() * width);
  const auto bins_part = results.room<std::uint32_t>(queries.size() * n_words);
  results.open();
  launch_search(search,
                {nullptr, results.at(cuts_part), results.at(left_part), results.at(bins_part),
                 static_cast<std::int32_t>(n_words)},
                static_cast<std::int64_t>(queries.size()), static_cast<std::int64_t>(sets.size()), Nothing{});
  results.fetch();
  const std::vector<Candidate> cuts = results.host(cuts_part);
  const std::vector<Cell> left = results.host(left_part);
  const std::vector<std::uint32_t> left_bins = results.host(bins_part);
  for (std::size_t q = 0; q < out.size(); ++q)
    out[q] = split_of(cuts[q], left.data() + q * width, left_bins.data() + q * n_words);
}

// A cut as the host keeps it.
Split CudaBackend::split_of(const Candidate& cut, const Cell* left, const std::uint32_t* left_bins) const {
  Split split;
  if (cut.feature < 0) return split;
  split.gain = cut.gain;
  split.feature = cut.feature;
  split.bin = cut.bin;
  split.missing_left = cut.missing_left;
  split.categorical = table_.categorical(cut.feature);
  split.left.assign(left, left + request_.width);
  if (!split.categorical) return split;
  const std::vector<std::int64_t>& offset = table_.bin_offset();
  const auto f = static_cast<std::size_t>(cut.feature);
  split.left_bins.assign(left_bins, left_bins + (offset[f + 1] - offset[f] + 31) / 32);
  return split;
}

// Nodes with cuts of their own are searched as many at a time as the running sums may take memory.
void CudaBackend::best_splits(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                              std::span<Split> out) {
  if (rules.counts_needed() && !request_.count_rows) throw std::logic_error("min_child_samples needs count_rows");
  const std::size_t bytes = static_cast<std::size_t>(table_.n_bins() * request_.width) * sizeof(Cell);
  const std::size_t most =
      shared ? queries.size()
             : std::max<std::size_t>(1, device_.policy().scratch_bytes / std::max<std::size_t>(1, bytes));
  for (std::size_t first = 0; first < queries.size(); first += most) {
    const std::size_t n = std::min(most, queries.size() - first);
    search(rules, queries.subspan(first, n), shared, out.subspan(first, n));
  }
}

}  // namespace pygbt::device
