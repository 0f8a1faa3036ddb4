// SPDX-License-Identifier: Apache-2.0
// The vector scan for numeric cuts on made-up histograms that no table would show: ties everywhere, gains that differ in
// the last bits, sums near 2^61, units from 2^-300 to 2^100. Every instruction set and both cell formats must name the
// cut that brute force over the exact formula names, with the same gain.
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "backend/isa_dispatch.h"
#include "backend/split_search.h"
#include "base/rng.h"
#include "check.h"

namespace pygbt {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : seed_(seed) {}
  std::int64_t below(std::int64_t n) {
    const std::uint64_t high = bits(), low = bits();
    return static_cast<std::int64_t>(((high << 32) | low) % static_cast<std::uint64_t>(n));
  }
  std::int64_t within(std::int64_t most) { return below(2 * most + 1) - most; }
  bool chance(int percent) { return below(100) < percent; }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<std::int64_t>(values.size()))];
  }

 private:
  std::uint64_t bits() { return random_bits(seed_, Draw::kRow, 1, next_++); }
  std::uint64_t seed_;
  std::uint64_t next_ = 0;
};

// One node of width 1 over numeric features, all of whose cells add up to the same sums.
struct Node {
  Cuts cuts;
  std::vector<std::int64_t> bin_offset = {0};
  std::vector<FeatureId> features;
  std::vector<Cell> cells;
  std::vector<std::int64_t> counts;
  Cell sums;
  std::int64_t count = 0;
  SplitRules rules;
  CellUnits units;
};

// `total` cut at random into `parts`, many of them empty.
std::vector<std::int64_t> partition(Random& random, std::int64_t total, std::size_t parts, int empty) {
  std::vector<std::int64_t> out(parts, 0);
  std::int64_t left = total;
  for (std::size_t i = 0; i < parts && left > 0; ++i) {
    if (random.chance(empty)) continue;
    out[i] = random.below(std::max<std::int64_t>(1, std::min(left, 3 * total / static_cast<std::int64_t>(parts))) + 1);
    left -= out[i];
  }
  out[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(parts)))] += left;
  return out;
}

// like: the features of another node.
Node random_node(std::uint64_t seed, bool small, const Cuts* like = nullptr) {
  Random random(seed);
  Node node;
  const int h_bits = small ? random.one_of({3, 8, 16, 30}) : random.one_of({3, 8, 30, 61});
  const int g_bits = small ? random.one_of({2, 8, 15, 24}) : random.one_of({2, 8, 30, 56});
  node.count = 1 + random.below(60000);
  node.sums.h = 1 + random.below(std::int64_t{1} << h_bits);
  const std::int64_t step_g = std::max<std::int64_t>(1, (std::int64_t{1} << g_bits) / 1024);
  const bool pure = random.chance(10), still = random.chance(5);  // g in proportion to h; no gradient
  const std::int64_t slope = random.within(1);
  const std::int64_t n_features = like != nullptr ? like->n_features() : 1 + random.below(8);
  const int empty = random.one_of({0, 50, 95});
  const bool missing_too = random.chance(40);
  node.sums.g = pure ? slope * node.sums.h : random.within(step_g * 16);
  for (FeatureId f = 0; f < n_features; ++f) {
    FeatureCuts cuts;
    cuts.n_bins = random.one_of({1, 2, 3, 4, 7, 8, 9, 16, 17, 63, 255, 256, 256, 700});
    if (like != nullptr) cuts.n_bins = like->features[static_cast<std::size_t>(f)].n_bins;
    const bool twin =
        like == nullptr && f > 0 && random.chance(30);  // of the feature before, but for a bit: gains next to equal
    if (twin) cuts.n_bins = node.cuts.features.back().n_bins;
    const auto n = static_cast<std::size_t>(cuts.n_bins);
    const std::size_t first = missing_too || n == 1 ? 0 : 1;
    std::vector<Cell> cells(n);
    std::vector<std::int64_t> counts(n, 0);
    if (twin) {
      cells.assign(node.cells.end() - static_cast<std::ptrdiff_t>(n), node.cells.end());
      counts.assign(node.counts.end() - static_cast<std::ptrdiff_t>(n), node.counts.end());
      if (n > 2 && random.chance(60)) {
        const auto a = first + static_cast<std::size_t>(random.below(static_cast<std::int64_t>(n - first)));
        cells[a].g += 1;
        cells[n - 1].g -= 1;
      }
    } else {
      const auto h = partition(random, node.sums.h, n - first, empty);
      const auto rows = partition(random, node.count, n - first, empty);
      std::int64_t left = node.sums.g;
      for (std::size_t bin = first; bin < n; ++bin) {
        counts[bin] = rows[bin - first];
        cells[bin].h = h[bin - first];
        if (still || random.chance(empty)) continue;
        cells[bin].g = pure ? slope * cells[bin].h : random.within(step_g);
        constexpr std::int64_t kRoom = std::int64_t{1} << 49;  // sums of 256 such cells stay below 2^62
        if (random.chance(2) && cells[bin].g > -kRoom && cells[bin].g < kRoom) cells[bin].g *= 16;
        left -= cells[bin].g;
      }
      cells[n - 1].g += left;
    }
    node.features.push_back(f);
    node.cuts.features.push_back(cuts);
    node.bin_offset.push_back(node.bin_offset.back() + cuts.n_bins);
    node.cells.insert(node.cells.end(), cells.begin(), cells.end());
    node.counts.insert(node.counts.end(), counts.begin(), counts.end());
  }
  node.units.g = random.one_of({1.0, 0x1p-15, 0.37 * 0x1p-20, 0x1p100, 0x1p-120, 0x1p-300});
  node.units.h = random.one_of({1.0, 1.0, 0x1p-16, 0.37 * 0x1p-30, 0x1p100, 0x1p-120, 0x1p-300});
  const double whole = static_cast<double>(node.sums.h) * node.units.h;
  node.rules.reg_lambda = random.one_of({0.0, 1.0, 1.0, 2.5, 1e-9, 1e9, whole});
  node.rules.reg_alpha = random.one_of({0.0, 0.0, 0.0, 0.5, static_cast<double>(step_g) * node.units.g});
  node.rules.min_child_weight = random.one_of({0.0, 1.0, 1.0, whole * 0.01, whole * 0.3, whole * 0.5, 1e-300});
  node.rules.min_child_samples = random.chance(30) ? 1 + random.below(node.count) / 3 : 1;
  node.rules.min_split_gain = random.chance(10) ? whole : 0.0;
  return node;
}

// Every cut of every feature by the exact formula, from scratch.
CutCandidate brute_force(const SplitSearch& search, const Node& node) {
  CutCandidate best;
  for (const FeatureId f : node.features) {
    const auto first = static_cast<std::size_t>(node.bin_offset[static_cast<std::size_t>(f)]);
    const std::int32_t n_bins = node.cuts.features[static_cast<std::size_t>(f)].n_bins;
    const CutContext context = search.context(0, f);
    const double parent = set_gain<1>(context.sums, context);
    const bool missing = node.cells[first] != Cell{} || (search.histograms[0].counts && node.counts[first] != 0);
    for (std::int32_t step = 1; step < n_bins; ++step) {
      for (const bool missing_left : {true, false}) {
        if (missing_left ? !missing || step == n_bins - 1 : !missing && step == n_bins - 1) continue;
        Cell left;
        std::int64_t count = 0;
        for (std::int32_t bin = missing_left ? 0 : 1; bin <= step; ++bin) {
          left += node.cells[first + static_cast<std::size_t>(bin)];
          count += node.counts[first + static_cast<std::size_t>(bin)];
        }
        const double children = cut_gain<1>(&left, count, context, parent);
        offer(node.rules, children, children - parent,
              {children - parent, f, static_cast<Bin>(step), missing_left, step}, best);
      }
    }
  }
  return best;
}

struct Tally {
  int quick = 0, found = 0;
};

void check_node(std::uint64_t seed, bool small, Tally& tally) {
  const Node node = random_node(seed, small);
  std::vector<std::uint64_t> packed;
  for (const Cell& cell : node.cells)
    packed.push_back((static_cast<std::uint64_t>(cell.g) << 32) + static_cast<std::uint64_t>(cell.h));
  const SplitQuery query{0, {&node.sums, 1}, node.count, node.features, {}, {}};
  SplitSearch search{node.rules, node.cuts,      node.bin_offset, {&query, 1}, false,
                     1,          {node.units.g}, {node.units.h},  {},          nullptr};
  const bool counted = node.rules.counts_needed() || seed % 3 == 0;
  const std::int64_t* counts = counted ? node.counts.data() : nullptr;
  search.histograms = {{node.cells.data(), nullptr, counts}};
  const CutCandidate expected = brute_force(search, node);
  tally.found += expected.feature >= 0;
  QuickGain quick;
  tally.quick +=
      quick_gain(node.sums, node.units.g, node.units.h, search.context(0, 0).rule, node.rules.min_child_weight, quick);
  const auto check_same = [&](const CutCandidate& found, const std::string& where) {
    const bool same = std::bit_cast<std::uint64_t>(found.gain) == std::bit_cast<std::uint64_t>(expected.gain) &&
                      found.feature == expected.feature && found.bin == expected.bin &&
                      found.missing_left == expected.missing_left && found.step == expected.step;
    if (!same)
      std::cerr << "node " << seed << " " << where << ": feature " << found.feature << " bin " << found.bin << " gain "
                << found.gain << ", expected " << expected.feature << " " << expected.bin << " " << expected.gain
                << "\n";
    CHECK(same);
  };
  for (const std::string& isa : available_isas()) {
    const SplitKernels kernels = kernels_of(isa).split;
    search.kernels = &kernels;
    const NumericRules numeric = numeric_rules(search);
    CHECK(numeric.usable);
    for (const bool pack : {false, true}) {
      if (pack && !small) continue;
      search.histograms = {{pack ? nullptr : node.cells.data(), pack ? packed.data() : nullptr, counts}};
      NumericScratch scratch;
      const auto judged = [&](const std::vector<NumericRival>& rivals, double least) {
        CutCandidate best;
        for (const NumericRival& rival : rivals)
          if (rival.score >= least) judge_rival(search, numeric, rival, least, scratch, best);
        return best;
      };
      std::vector<NumericRival> rivals;
      double least = -1.0;
      scan_numeric(search, numeric, 0, node.features, scratch, rivals, least);
      check_same(judged(rivals, least), isa + (pack ? " packed" : " wide"));
      rivals.clear();
      least = -1.0;
      for (const FeatureId& feature : node.features) {  // as tasks find them: each knows its own features only
        double of_task = -1.0;
        scan_numeric(search, numeric, 0, {&feature, 1}, scratch, rivals, of_task);
        least = std::max(least, of_task);
      }
      check_same(judged(rivals, least), isa + " in parts");
    }
  }
  GeneralScratch general;
  CutCandidate best;
  for (const FeatureId feature : node.features) {
    look(search, feature, 0, 1, general.view);
    const CutCandidate found = search_feature(search, general);
    if (better(found, best)) best = found;
  }
  check_same(best, "one by one");
}

TEST(scan_names_the_cut_of_brute_force) {
  constexpr int kNodes = 6000;
  for (const bool small : {true, false}) {
    Tally tally;
    for (std::uint64_t seed = 0; seed < kNodes && testing::failures() == 0; ++seed) check_node(seed, small, tally);
    CHECK(tally.quick > kNodes / 8 && tally.quick < kNodes);  // the quick and the exact scan, cuts and none
    CHECK(tally.found > kNodes / 4 && tally.found < kNodes);
  }
}

void check_level(std::uint64_t seed, bool small) {
  std::vector<Node> nodes = {random_node(seed, small)};
  for (std::uint64_t i = 1; i < 4; ++i) {
    nodes.push_back(random_node(seed + i * 1000000, small, &nodes[0].cuts));
    nodes[i].units = nodes[0].units;
  }
  std::vector<std::vector<std::uint64_t>> packed;
  std::vector<SplitQuery> queries;
  for (const Node& node : nodes) {
    auto& cells = packed.emplace_back();
    for (const Cell& cell : node.cells)
      cells.push_back((static_cast<std::uint64_t>(cell.g) << 32) + static_cast<std::uint64_t>(cell.h));
    queries.push_back({0, {&node.sums, 1}, node.count, nodes[0].features, {}, {}});
  }
  const Node& first = nodes[0];
  SplitSearch search{first.rules, first.cuts,      first.bin_offset, queries, true,
                     1,           {first.units.g}, {first.units.h},  {},      nullptr};
  for (const std::string& isa : available_isas()) {
    const SplitKernels kernels = kernels_of(isa).split;
    search.kernels = &kernels;
    search.histograms.clear();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const bool pack = small && i % 2 == 1;
      search.histograms.push_back({nodes[i].cells.data(), pack ? packed[i].data() : nullptr, nodes[i].counts.data()});
    }
    for (const FeatureId feature : first.features) {
      NumericScratch scratch;
      CutCandidate found;
      search_shared_numeric(search, numeric_rules(search), feature, scratch, found);
      GeneralScratch general;
      look(search, feature, 0, nodes.size(), general.view);
      const CutCandidate expected = search_feature(search, general);
      CHECK_EQ(found.feature, expected.feature);
      CHECK_EQ(found.step, expected.step);
      CHECK_EQ(found.missing_left, expected.missing_left);
      CHECK_EQ(std::bit_cast<std::uint64_t>(found.gain), std::bit_cast<std::uint64_t>(expected.gain));
    }
  }
}

TEST(scan_of_a_shared_level_is_the_search_one_by_one) {
  for (const bool small : {true, false})
    for (std::uint64_t seed = 0; seed < 600 && testing::failures() == 0; ++seed) check_level(seed, small);
}

// The quick scan is there to leave little to the exact formula.
TEST(quick_scan_names_few_features) {
  Random random(5);
  Node node;
  constexpr std::int64_t kFeatures = 200, kBins = 256;
  node.sums = {12345, std::int64_t{1} << 30};
  for (FeatureId f = 0; f < kFeatures; ++f) {
    node.features.push_back(f);
    node.bin_offset.push_back((f + 1) * kBins);
    node.cells.emplace_back();
    std::int64_t g = node.sums.g;
    for (std::int64_t bin = 1; bin < kBins; ++bin) {
      node.cells.push_back({random.within(1 << 20), node.sums.h / (kBins - 1)});
      g -= node.cells.back().g;
    }
    node.cells.back().g += g;
    node.cells.back().h += node.sums.h % (kBins - 1);
  }
  CutScan scan;
  scan.cells = node.cells.data();
  scan.bin_offset = node.bin_offset.data();
  scan.features = node.features.data();
  scan.n_features = kFeatures;
  scan.sums = node.sums;
  scan.h_most = node.sums.h;
  scan.h_unit = 0x1p-16;
  CHECK(quick_gain(scan.sums, 1.0, scan.h_unit, scan.rule, 1.0, scan.quick));
  std::vector<CutRival> rivals(kFeatures);
  double least = -1.0;
  const std::int64_t n = kernels().split.scan_cuts[0][0](scan, rivals.data(), least);
  std::int64_t left = 0;
  for (std::int64_t i = 0; i < n; ++i) left += rivals[static_cast<std::size_t>(i)].score >= least;
  CHECK_EQ(left, std::int64_t{1});
  CHECK(n < 20);
}

}  // namespace
}  // namespace pygbt
