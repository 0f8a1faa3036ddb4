// SPDX-License-Identifier: Apache-2.0
// The search for cuts: every cut is judged by the exact formula, and the total order of cuts picks the winner.
#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "block.h"
#include "categories.h"
#include "cuda_backend.h"
#include "cut_account.h"
#include "cut_kernels.h"
#include "device.h"
#include "frontier_expand.h"
#include "math/layout.h"
#include "parcel.h"
#include "split_search.h"

namespace pygbt::device {

namespace {

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
                                const Frontier& tree, Cell* leaf_sums) {
  launch_search(search, found, n_queries, n_sets, ExpandKernel{tree, table_.features(), leaf_sums});
}

void CudaBackend::launch_search(const Search& search, const Found& found, std::int64_t n_queries,
                                const AccountKernel& account) {
  launch_search<AccountKernel>(search, found, n_queries, n_queries, account);
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
