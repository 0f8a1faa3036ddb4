// SPDX-License-Identifier: Apache-2.0
// The search for cuts: every cut is judged by the exact formula, and the total order of cuts picks the winner.
#include <algorithm>
#include <stdexcept>

#include "block.h"
#include "categories.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"
#include "parcel.h"
#include "split_search.h"

namespace pygbt::device {

namespace {

struct QueryFeature {
  std::int32_t query = 0;
  FeatureId feature = 0;
};

// Left sums of all steps of a feature in a node. A block a feature of a node.
struct RunningKernel {
  Search search;
  const QueryFeature* tasks;

  PYGBT_KERNEL void operator()() const {
    const auto [q, f] = tasks[block()];
    const Query& query = search.queries[q];
    const Feature feature = search.features[f];
    const std::int32_t n = search.n_steps(query.set, f);
    const std::uint16_t* const order = search.order + (feature.categorical ? search.bin_of(query.set, feature) : 0);
    const std::uint8_t* const category =
        search.category + (feature.categorical ? search.bin_of(query.set, feature) : 0);
    const bool pooled = search.ordered(feature) && n > 0 && has_pool(order, n);
    const bool sum = !search.one_hot(feature);
    for (std::int32_t k = 0; k < search.width; ++k) {
      Cell* const out = search.running + search.bin_of(q, feature) * search.width + k;
      const auto of_bin = [&](std::int32_t bin) { return search.cell(query, feature, bin)[k]; };
      Cell rare{0, 0};
      if (pooled) {
        rare.g = pool(feature, category, [&](std::int32_t bin) { return of_bin(bin).g; });
        rare.h = pool(feature, category, [&](std::int32_t bin) { return of_bin(bin).h; });
      }
      const auto of_step = [&](std::int32_t step) {
        if (!feature.categorical) return of_bin(step);
        const std::uint16_t entry = order[step - 1];
        return entry == kRarePool ? rare : of_bin(entry);
      };
      run(
          n, sum, [&](std::int32_t step) { return of_step(step).g; },
          [&](std::int32_t step, std::int64_t g) { out[std::int64_t{step - 1} * search.width].g = g; });
      run(
          n, sum, [&](std::int32_t step) { return of_step(step).h; },
          [&](std::int32_t step, std::int64_t h) { out[std::int64_t{step - 1} * search.width].h = h; });
    }
    if (search.running_counts == nullptr) return;
    std::int64_t* const out = search.running_counts + search.bin_of(q, feature);
    const auto of_bin = [&](std::int32_t bin) { return search.count(query, feature, bin); };
    const std::int64_t rare = pooled ? pool(feature, category, of_bin) : 0;
    run(
        n, sum,
        [&](std::int32_t step) {
          if (!feature.categorical) return of_bin(step);
          return order[step - 1] == kRarePool ? rare : of_bin(order[step - 1]);
        },
        [&](std::int32_t step, std::int64_t count) { out[step - 1] = count; });
  }

  PYGBT_KERNEL bool has_pool(const std::uint16_t* order, std::int32_t n) const {
    std::int64_t here = 0;
    for (std::int32_t i = thread(); i < n; i += n_threads()) here += order[i] == kRarePool;
    return block_sum(here, shared<std::int64_t>()) > 0;
  }

  template <class Value>
  PYGBT_KERNEL std::int64_t pool(const Feature& feature, const std::uint8_t* category, Value&& value) const {
    std::int64_t sum = 0;
    for (std::int32_t bin = 1 + thread(); bin < feature.n_bins; bin += n_threads())
      if (category[bin] == kRare) sum += value(bin);
    return block_sum(sum, shared<std::int64_t>());
  }

  // Writes the values of steps 1 .. n, summed up to each step or as they are.
  template <class Value, class Write>
  PYGBT_KERNEL void run(std::int32_t n, bool sum, Value&& value, Write&& write) const {
    std::int64_t before = 0;
    for (std::int32_t first = 1; first <= n; first += n_threads()) {
      const std::int32_t step = first + thread();
      const std::int64_t here = step <= n ? value(step) : 0;
      std::int64_t total = 0;
      const std::int64_t lower = block_scan(here, shared<std::int64_t>(), total);
      if (step <= n) write(step, sum ? before + lower + here : here);
      before += total;
    }
  }
};

// The best cut of a feature in a set of nodes. A block a feature of a set.
template <int kWidth>
struct JudgeKernel {
  Search search;
  const SetFeature* tasks;
  Candidate* out;  // [block]

  PYGBT_KERNEL void operator()() const {
    const auto [set, f] = tasks[block()];
    const Feature feature = search.features[f];
    const std::int32_t n = search.n_steps(set, f);
    Candidate best;
    best.missing = has_missing(set, feature);
    const bool one_hot = search.one_hot(feature);
    for (std::int32_t step = 1 + thread(); step <= n; step += n_threads()) {
      if (search.ordered(feature) && (step < n - step ? step : n - step) > search.rules.max_cat_threshold) continue;
      if (best.missing) {
        if (one_hot ? n > 1 : step < n) judge(set, f, step, true, best);
        judge(set, f, step, false, best);
      } else if (one_hot ? n > 1 : step < n) {
        judge(set, f, step, false, best);
      }
    }
    first_of_block(best, shared<Candidate>());
    if (thread() == 0) out[block()] = *shared<Candidate>();
  }

  PYGBT_KERNEL bool has_missing(std::int32_t set, const Feature& feature) const {
    std::int64_t n = 0;
    for (std::int32_t q = search.set_begin[set] + thread(); q < search.set_begin[set + 1]; q += n_threads())
      n += search.occurs(search.queries[q], feature, kMissingBin);
    return block_sum(n, shared<std::int64_t>()) > 0;
  }

  PYGBT_KERNEL void judge(std::int32_t set, FeatureId f, std::int32_t step, bool missing_left, Candidate& best) const {
    double worth = 0.0, gain = 0.0;
    const std::int32_t begin = search.set_begin[set], end = search.set_begin[set + 1];
    for (std::int32_t q = begin; q < end; ++q) {
      const CutContext node = search.context(q, f);
      const double parent = set_gain<kWidth>(node.sums, node);
      const double children = cut_gain<kWidth>(search.left(q, f, step, missing_left),
                                               search.left_count(q, f, step, missing_left), node, parent);
      worth += children;
      gain += children - parent;
    }
    if (!(gain > search.rules.min_split_gain) || !(gain > kRelativeGainFloor * worth)) return;
    Candidate cut = best;
    cut.gain = gain;
    cut.feature = f;
    cut.step = step;
    cut.bin = search.one_hot(search.features[f]) ? search.order[search.bin_of(set, search.features[f]) + step - 1]
                                                 : static_cast<Bin>(step);
    cut.missing_left = missing_left;
    if (cut.before(best)) best = cut;
  }
};

// The best cut of a set over its features, and the side of missing rows where training saw none. A block a set.
struct ChooseKernel {
  Search search;
  const Candidate* candidates;    // of the sets, one after the other
  const std::int64_t* set_tasks;  // [set + 1] first candidate of each
  Candidate* out;                 // [set]

  PYGBT_KERNEL void operator()() const {
    const auto set = static_cast<std::int32_t>(block());
    Candidate best;
    for (std::int64_t i = set_tasks[set] + thread(); i < set_tasks[set + 1]; i += n_threads())
      if (candidates[i].before(best)) best = candidates[i];
    first_of_block(best, shared<Candidate>());
    if (thread() != 0) return;
    best = *shared<Candidate>();
    if (best.feature >= 0 && !best.missing) best.missing_left = heavier_left(set, best);
    out[set] = best;
  }

  PYGBT_KERNEL bool heavier_left(std::int32_t set, const Candidate& cut) const {
    double left = 0.0, all = 0.0;
    for (std::int32_t q = search.set_begin[set]; q < search.set_begin[set + 1]; ++q)
      for (std::int32_t k = 0; k < search.width; ++k) {
        left += static_cast<double>(search.left(q, cut.feature, cut.step, false)[k].h) * search.h_units[k];
        all += static_cast<double>(search.sums[std::int64_t{q} * search.width + k].h) * search.h_units[k];
      }
    return left >= all - left;
  }
};

// The cut as each of its nodes sees it. A block a node.
struct WriteKernel {
  Search search;
  const Candidate* chosen;  // [set]
  double* gains;            // [query] of the node alone
  Cell* left;               // [query][width]
  std::uint32_t* left_bins;  // [query][n_words], categorical cuts
  std::int32_t n_words;

  PYGBT_KERNEL void operator()() const {
    const auto q = static_cast<std::int32_t>(block());
    const std::int32_t set = search.queries[q].set;
    const Candidate cut = chosen[set];
    if (cut.feature < 0) return;
    const bool add_missing = cut.missing && cut.missing_left;
    const Search::Left sums = search.left(q, cut.feature, cut.step, add_missing);
    for (std::int32_t k = thread(); k < search.width; k += n_threads()) left[row_major(q, k, search.width)] = sums[k];
    if (thread() == 0) {
      gains[q] = cut.gain;
      if (search.shared) {
        const CutContext node = search.context(q, cut.feature);
        const double parent = set_gain<0>(node.sums, node);
        gains[q] = cut_gain<0>(sums, search.left_count(q, cut.feature, cut.step, add_missing), node, parent) - parent;
      }
    }
    const Feature feature = search.features[cut.feature];
    if (feature.categorical) write_bins(set, feature, cut, left_bins + std::int64_t{q} * n_words);
  }

  // Categories of the winning set, and those that occur in no node on the side of the missing.
  PYGBT_KERNEL void write_bins(std::int32_t set, const Feature& feature, const Candidate& cut,
                               std::uint32_t* words) const {
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

Rules rules_of(const SplitRules& rules) {
  return {{rules.reg_lambda, rules.reg_alpha, rules.max_delta_step},
          rules.min_child_weight,
          rules.min_child_samples,
          rules.min_split_gain,
          rules.max_cat_to_onehot,
          rules.max_cat_threshold,
          rules.cat_smooth,
          rules.cat_l2,
          rules.min_category_hessian};
}

}  // namespace

// Searches, one after the other: their memory is used again.
class CudaBackend::Splitter {
 public:
  explicit Splitter(CudaBackend& backend) : backend_(backend), device_(backend.device_), table_(backend.table_) {}

  void run(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared, std::span<Split> out) {
    width_ = backend_.request_.width;
    read(queries, shared, rules.monotone);
    fill_search(queries.size(), rules, shared);
    const int n_threads = device_.policy().n_threads;
    const std::size_t scratch = backend_.warps() * sizeof(std::int64_t);
    const std::size_t candidates = std::max(static_cast<std::size_t>(n_threads) * sizeof(Candidate), scratch);
    if (n_categorical_ > 0)
      device_.launch(n_categorical_, n_threads,
                     OrderKernel{search_, categorical_tasks_, keys_.make(n_sets_ * table_.n_bins()),
                                 pool_.make(n_sets_ * table_.n_bins() * width_)},
                     candidates);  // as much as an Energy a thread
    device_.launch(n_running_, n_threads, RunningKernel{search_, running_tasks_}, scratch);
    judged_.make(n_tasks_);
    if (width_ == 1)
      device_.launch(n_tasks_, n_threads, JudgeKernel<1>{search_, tasks_, judged_.data()}, candidates);
    else
      device_.launch(n_tasks_, n_threads, JudgeKernel<0>{search_, tasks_, judged_.data()}, candidates);

    Parcel results(results_);
    const std::size_t n_words = table_.any_categorical() ? static_cast<std::size_t>((table_.most_bins() + 31) / 32) : 0;
    const auto chosen = results.room<Candidate>(static_cast<std::size_t>(n_sets_));
    const auto gains = results.room<double>(queries.size());
    const auto left = results.room<Cell>(queries.size() * static_cast<std::size_t>(width_));
    const auto left_bins = results.room<std::uint32_t>(queries.size() * n_words);
    results.open();
    device_.launch(n_sets_, n_threads, ChooseKernel{search_, judged_.data(), set_tasks_, results.at(chosen)},
                   candidates);
    device_.launch(static_cast<std::int64_t>(queries.size()), n_threads,
                   WriteKernel{search_, results.at(chosen), results.at(gains), results.at(left), results.at(left_bins),
                               static_cast<std::int32_t>(n_words)});
    results.fetch();
    write(results.host(chosen), results.host(gains), results.host(left), results.host(left_bins), n_words, shared, out);
  }

 private:
  // The queries as the kernels want them, and their tasks, to the device.
  void read(std::span<const SplitQuery> queries, bool shared, const std::vector<std::int8_t>& monotone) {
    std::vector<Query> given;
    std::vector<std::int32_t> set_begin(1, 0);
    std::vector<std::int64_t> set_tasks(1, 0);
    std::vector<Cell> sums;
    std::vector<double> lower, upper, g_units, h_units;
    std::vector<SetFeature> tasks, categorical_tasks;
    std::vector<QueryFeature> running_tasks;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const SplitQuery& query = queries[i];
      const Histogram& histogram = backend_.histogram_at(query.node);
      const bool new_set = !shared || i == 0;
      const auto set = static_cast<std::int32_t>(new_set ? set_begin.size() - 1 : 0);
      const bool bounded = !query.lower.empty();
      given.push_back({histogram.cells.data(), backend_.request_.count_rows ? histogram.counts.data() : nullptr,
                       query.count, set, bounded});
      sums.insert(sums.end(), query.sums.begin(), query.sums.end());
      for (std::size_t k = 0; k < static_cast<std::size_t>(width_); ++k) {
        lower.push_back(bounded ? query.lower[k] : 0.0);
        upper.push_back(bounded ? query.upper[k] : 0.0);
      }
      for (const FeatureId f : shared ? queries[0].features : query.features) {
        running_tasks.push_back({static_cast<std::int32_t>(i), f});
        if (!new_set) continue;
        tasks.push_back({set, f});
        if (table_.categorical(f)) categorical_tasks.push_back({set, f});
      }
      if (new_set) {
        set_begin.push_back(0);
        set_tasks.push_back(static_cast<std::int64_t>(tasks.size()));
      }
      set_begin.back() = static_cast<std::int32_t>(i + 1);
    }
    for (const CellUnits& unit : backend_.units_) {
      g_units.push_back(unit.g);
      h_units.push_back(unit.h);
    }
    n_sets_ = static_cast<std::int64_t>(set_begin.size()) - 1;
    n_tasks_ = static_cast<std::int64_t>(tasks.size());
    n_categorical_ = static_cast<std::int64_t>(categorical_tasks.size());
    n_running_ = static_cast<std::int64_t>(running_tasks.size());

    Parcel parcel(given_);
    const auto queries_part = parcel.put(given);
    const auto set_begin_part = parcel.put(set_begin);
    const auto set_tasks_part = parcel.put(set_tasks);
    const auto sums_part = parcel.put(sums);
    const auto lower_part = parcel.put(lower);
    const auto upper_part = parcel.put(upper);
    const auto g_units_part = parcel.put(g_units);
    const auto h_units_part = parcel.put(h_units);
    const auto monotone_part = parcel.put(monotone);
    const auto tasks_part = parcel.put(tasks);
    const auto categorical_part = parcel.put(categorical_tasks);
    const auto running_part = parcel.put(running_tasks);
    parcel.send();
    search_.queries = parcel.at(queries_part);
    search_.set_begin = parcel.at(set_begin_part);
    search_.sums = parcel.at(sums_part);
    search_.lower = parcel.at(lower_part);
    search_.upper = parcel.at(upper_part);
    search_.g_units = parcel.at(g_units_part);
    search_.h_units = parcel.at(h_units_part);
    search_.monotone = monotone.empty() ? nullptr : parcel.at(monotone_part);
    set_tasks_ = parcel.at(set_tasks_part);
    tasks_ = parcel.at(tasks_part);
    categorical_tasks_ = parcel.at(categorical_part);
    running_tasks_ = parcel.at(running_part);
  }

  void fill_search(std::size_t n_queries, const SplitRules& rules, bool shared) {
    search_.features = table_.features();
    search_.rules = rules_of(rules);
    search_.n_bins = table_.n_bins();
    search_.width = width_;
    search_.shared = shared;
    search_.running = running_.make(n_queries * static_cast<std::size_t>(table_.n_bins() * width_));
    search_.running_counts =
        backend_.request_.count_rows ? counts_.make(n_queries * static_cast<std::size_t>(table_.n_bins())) : nullptr;
    search_.n_features = table_.n_features();
    if (!table_.any_categorical()) return;
    search_.order = order_.make(n_sets_ * table_.n_bins());
    search_.category = category_.make(n_sets_ * table_.n_bins());
    search_.n_order = n_order_.make(n_sets_ * table_.n_features());
  }

  void write(const std::vector<Candidate>& chosen, const std::vector<double>& gains, const std::vector<Cell>& left,
             const std::vector<std::uint32_t>& left_bins, std::size_t n_words, bool shared,
             std::span<Split> out) const {
    for (std::size_t q = 0; q < out.size(); ++q) {
      const Candidate& cut = chosen[shared ? 0 : q];
      Split& split = out[q] = Split{};
      if (cut.feature < 0) continue;
      split.gain = gains[q];
      split.feature = cut.feature;
      split.bin = cut.bin;
      split.missing_left = cut.missing_left;
      split.categorical = table_.categorical(cut.feature);
      const auto at = left.begin() + static_cast<std::ptrdiff_t>(q) * width_;
      split.left.assign(at, at + width_);
      if (!split.categorical) continue;
      const std::vector<std::int64_t>& offset = table_.bin_offset();
      const auto f = static_cast<std::size_t>(cut.feature);
      const auto first = left_bins.begin() + static_cast<std::ptrdiff_t>(q * n_words);
      split.left_bins.assign(first, first + (offset[f + 1] - offset[f] + 31) / 32);
    }
  }

  CudaBackend& backend_;
  Device& device_;
  const Table& table_;

  // The search at hand.
  std::int32_t width_ = 1;
  Search search_{};
  std::int64_t n_sets_ = 0, n_tasks_ = 0, n_categorical_ = 0, n_running_ = 0;
  const std::int64_t* set_tasks_ = nullptr;          // on the device, like the next three
  const SetFeature* tasks_ = nullptr;
  const SetFeature* categorical_tasks_ = nullptr;
  const QueryFeature* running_tasks_ = nullptr;

  Buffer<std::byte> given_{device_}, results_{device_};
  Buffer<Cell> running_{device_}, pool_{device_};
  Buffer<double> keys_{device_};
  Buffer<std::int64_t> counts_{device_};
  Buffer<std::uint16_t> order_{device_};
  Buffer<std::uint8_t> category_{device_};
  Buffer<std::int32_t> n_order_{device_};
  Buffer<Candidate> judged_{device_};
};

// Nodes with cuts of their own are searched as many at a time as the running sums may take memory.
void CudaBackend::best_splits(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                              std::span<Split> out) {
  if (rules.counts_needed() && !request_.count_rows) throw std::logic_error("min_child_samples needs count_rows");
  if (!splitter_) splitter_ = std::make_shared<Splitter>(*this);
  const std::size_t bytes = static_cast<std::size_t>(table_.n_bins() * request_.width) * sizeof(Cell);
  const std::size_t most =
      shared ? queries.size()
             : std::max<std::size_t>(1, device_.policy().scratch_bytes / std::max<std::size_t>(1, bytes));
  for (std::size_t first = 0; first < queries.size(); first += most) {
    const std::size_t n = std::min(most, queries.size() - first);
    splitter_->run(rules, queries.subspan(first, n), shared, out.subspan(first, n));
  }
}

}  // namespace pygbt::device
