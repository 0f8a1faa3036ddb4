// SPDX-License-Identifier: Apache-2.0
// What one call of best_splits searches, and the two searches over it: numeric features of a node by the vector scan
// (numeric_search.cc), and every other kind of cut one by one (general_search.cc, categories.cc).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "backend/split_kernels.h"
#include "data/cuts.h"
#include "math/cut_search.h"

namespace pygbt {

// A node's histogram: cells or packed cells [bin][width]; counts [bin] or nullptr.
struct NodeHistogram {
  const Cell* cells = nullptr;
  const std::uint64_t* packed = nullptr;
  const std::int64_t* counts = nullptr;
};

enum class CutKind { kNumeric, kOneHot, kOrdered };

// The best cut of some features, before the winner's sums are worked out.
struct CutCandidate {
  double gain = 0.0;               // children - parent, summed over the nodes that share the cut
  FeatureId feature = -1;
  Bin bin = 0;                     // see Split::bin
  bool missing_left = false;
  std::int32_t step = 0;           // cut number in the visiting order
};

inline bool better(const CutCandidate& a, const CutCandidate& b) {
  if ((a.feature >= 0) != (b.feature >= 0)) return a.feature >= 0;
  return better(a.gain, a.feature, a.bin, a.missing_left, b.gain, b.feature, b.bin, b.missing_left);
}

// Keeps the better of `best` and a cut worth `children`, if it gains enough.
inline void offer(const SplitRules& rules, double children, double gain, const CutCandidate& cut, CutCandidate& best) {
  if (!(gain > rules.min_split_gain) || !(gain > kRelativeGainFloor * children)) return;
  if (better(cut, best)) best = cut;
}

struct SplitSearch {
  const SplitRules& rules;
  const Cuts& cuts;
  std::span<const std::int64_t> bin_offset;  // [feature + 1]
  std::span<const SplitQuery> queries;
  bool shared = false;
  std::int32_t width = 1;
  std::vector<double> g_units, h_units;      // [width]
  std::vector<NodeHistogram> histograms;     // [query]
  const SplitKernels* kernels = nullptr;

  CutKind kind_of(FeatureId feature) const;
  CutContext context(std::size_t query, FeatureId feature) const;
  // One feature of one node; packed cells are written out into `unpacked`.
  FeatureHistogram slice(std::size_t query, FeatureId feature, std::vector<Cell>& unpacked) const;
};

// ----------------------------------------------------------------------------------------------- numeric cuts, width 1

// Least integer hessian that is heavy enough; the product is monotone in it.
std::int64_t least_hessian(double min_child_weight, double h_unit);

// What the vector scan needs to know once a call.
struct NumericRules {
  bool usable = false;       // some features of the call can be scanned
  std::int64_t h_least = 0;  // least hessian of a child
};
NumericRules numeric_rules(const SplitSearch& search);
bool scannable(const SplitSearch& search, std::size_t query, FeatureId feature);

// A feature whose best cut may be the best numeric one of its node.
struct NumericRival {
  std::size_t query = 0;
  FeatureId feature = 0;
  double score = 0.0;  // see CutRival
};

// Scratch of one worker.
struct NumericScratch {
  std::vector<FeatureId> features;
  std::vector<CutRival> rivals;
  std::vector<Cell> unpacked;
  std::vector<double> sums;  // of a shared cut
};

// Appends the rivals among scannable features of one node. least: rivals score as much, or a later one beat them; -1 to
// begin with.
void scan_numeric(const SplitSearch& search, const NumericRules& numeric, std::size_t query,
                  std::span<const FeatureId> features, NumericScratch& scratch, std::vector<NumericRival>& rivals,
                  double& least);
// Improves `best` by the cuts of a rival, of which those that score less than `least` cannot be the node's best.
void judge_rival(const SplitSearch& search, const NumericRules& numeric, const NumericRival& rival, double least,
                 NumericScratch& scratch, CutCandidate& best);
// Improves `best` by the cuts of one scannable feature that all nodes share.
void search_shared_numeric(const SplitSearch& search, const NumericRules& numeric, FeatureId feature,
                           NumericScratch& scratch, CutCandidate& best);

// -------------------------------------------------------------------------------------- numeric cuts of several targets

// What the scan of packed cells needs to know once a call, see TargetScan.
struct TargetRules {
  bool usable = false;  // some features of the call can be scanned
  std::vector<float> factors, ridges;
  std::vector<std::uint32_t> h_least;
  double kept = 1.0;  // a cut that scores less than this share of the best one is not the best
};
TargetRules target_rules(const SplitSearch& search);

// A cut that may be the best numeric one of its node.
struct TargetRival {
  std::size_t query = 0;
  FeatureId feature = 0;
  std::int32_t step = 0;
  bool missing_left = false;
  double score = 0.0;
};

// Scratch of one worker.
struct TargetScratch {
  std::vector<FeatureId> features;
  std::vector<std::int32_t> g;
  std::vector<std::uint32_t> h;
  std::vector<std::uint64_t> left;
  std::vector<float> scores;
};

// Appends the rivals among scannable features of a node with packed cells. least: as in scan_numeric.
void scan_targets(const SplitSearch& search, const TargetRules& rules, std::size_t query,
                  std::span<const FeatureId> features, TargetScratch& scratch, std::vector<TargetRival>& rivals,
                  double& least);
void judge_target_rival(const SplitSearch& search, const TargetRival& rival, TargetScratch& scratch,
                        CutCandidate& best);
// Sums [width] of the rows left of a numeric cut of a node with packed cells.
std::vector<Cell> sums_left_of(const SplitSearch& search, std::size_t query, const CutCandidate& cut);

// ------------------------------------------------------------------------------------------------------ any other cuts

// One feature over the nodes that share its cut: one node, or all nodes of a symmetric level.
struct FeatureView {
  FeatureId feature = 0;
  CutKind kind = CutKind::kNumeric;
  std::vector<FeatureHistogram> histograms;  // [node]
  std::vector<CutContext> nodes;             // [node]
  std::vector<std::uint16_t> order;          // categories: bins in visiting order, kRarePool for all rare ones
  std::vector<std::uint32_t> occurs;         // categories: bit a bin, set where some node has the category
  std::vector<std::uint32_t> judged;         // and it is not one of the rare ones
  std::vector<Cell> rare_cells;              // [node][width] behind FeatureHistogram::rare
  std::vector<std::vector<Cell>> unpacked;   // [node] behind FeatureHistogram::cells of packed nodes
  CategorySorter sorter;
  bool missing = false;                      // some node has missing rows here

  std::int32_t n_steps() const {
    return kind == CutKind::kNumeric ? histograms[0].n_bins - 1 : static_cast<std::int32_t>(order.size());
  }
  Bin bin_of(std::int32_t step) const {
    return kind == CutKind::kOneHot ? static_cast<Bin>(order[static_cast<std::size_t>(step - 1)])
                                    : static_cast<Bin>(step);
  }
};

// Scratch of one worker.
struct GeneralScratch {
  FeatureView view;
  std::vector<Cell> left, with_missing;
  std::vector<double> gains, worth;  // symmetric: [step][missing side] summed over nodes
  std::vector<char> seen;
};

// Fills in the histograms, the categories and their order: view.nodes are the queries from `first` on.
void find_categories(const SplitSearch& search, std::size_t first, FeatureView& view);
// Categories of the winning set, and those that occur in no node on the side of the missing: a bit a bin.
std::vector<std::uint32_t> left_bins(const FeatureView& view, const CutCandidate& cut, bool missing_left);

// The nodes [first, first + n) that one cut serves, seen through one feature.
void look(const SplitSearch& search, FeatureId feature, std::size_t first, std::size_t n, FeatureView& view);
CutCandidate search_feature(const SplitSearch& search, GeneralScratch& scratch);  // of scratch.view
// Writes the cut into the Split of each node of the view.
void write_splits(const SplitSearch& search, const FeatureView& view, const CutCandidate& best, std::span<Split> out);

}  // namespace pygbt
