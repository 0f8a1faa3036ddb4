// SPDX-License-Identifier: Apache-2.0
// The scan over the numeric cuts of one node, width 1: which features may hold its best cut; and over its categories:
// which are there. Plain data, for the kernels that are compiled once per instruction set (isa/split.inc,
// isa/categories.inc).
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "base/types.h"
#include "math/gain.h"
#include "math/quick_gain.h"

namespace pygbt {

// A node and what its cuts must obey. Hessians and counts of a child: in [least, most].
struct CutScan {
  const void* cells = nullptr;  // [bin of all features] Cell, or packed (g << 32) + h, see PackedCell
  const std::int64_t* counts = nullptr;  // [bin] rows, or nullptr = not known
  const std::int64_t* bin_offset = nullptr;  // [feature + 1] first bin of each feature
  const FeatureId* features = nullptr;  // [n_features] numeric ones
  std::int64_t n_features = 0;
  Cell sums;  // of the node
  std::int64_t h_least = 0, h_most = 0;
  bool check_counts = false;
  std::int64_t count_least = 0, count_most = 0;
  std::int64_t n_rows = 0;  // of the node: it occupies no more bins of a feature, the missing one aside
  double g_unit = 1.0, h_unit = 1.0;
  LeafRule rule;
  QuickGain quick;  // for the quick scan
};

// A feature whose best score may be that of the node's best cut.
struct CutRival {
  std::int64_t at = 0;  // index in CutScan::features
  double score = 0.0;  // quick: QuickGain's; exact: gain of the children
};

// Finds the rivals among the features, in order, into out [n_features]; returns their number. A rival's score is at
// least that of `least` and of every earlier rival, less the margin of the scan; the caller drops those a later one
// beat. least: the score to begin with, negative = none; raised to the least score of a rival of the best.
using ScanCuts = std::int64_t (*)(const CutScan& scan, CutRival* out, double& least);

// Sums over the nodes that share a cut, for all cuts of one feature: [missing_left][bin], the arrays kCutPad longer than
// the bins (entry 0 and those past the last bin mean nothing).
struct CutSums {
  bool missing = false;  // some node has missing rows here: missing_left = true is wanted too
  double* gain[2] = {};  // children - parent
  double* worth[2] = {};  // children
};
inline constexpr std::int64_t kCutPad = 8;

// Adds one node's gains of the cuts of scan.features[0]; nothing where a child would be too small.
using AddCuts = void (*)(const CutScan& scan, double parent, const CutSums& out);

// The numeric cuts of one feature of a node of several targets, whose cells are packed. Arrays of targets are `padded`
// long and neutral past the last: zeros, ridges 1, h_least 2^32 - 1.
struct TargetScan {
  const std::uint64_t* cells = nullptr;  // [bin][width]
  std::int64_t n_bins = 0;
  std::int64_t width = 0;
  std::int64_t padded = 0;
  bool missing = false;             // rows of bin 0 may go left
  const std::int32_t* g = nullptr;  // sums of the node
  const std::uint32_t* h = nullptr;
  const float* factors = nullptr;  // a target is worth factor * g^2 / (h + ridge)
  const float* ridges = nullptr;
  const std::uint32_t* h_least = nullptr;  // of one of a child's targets
  std::uint64_t* scratch = nullptr;        // [2][padded]
};
inline constexpr std::int64_t kTargetPad = 16;

// scores [missing_left][bin], 0 without missing rows: worth of the children of each cut, but for a factor that all share
// and within target_scan_error; -1 where a child is too light.
using ScanTargets = void (*)(const TargetScan& scan, float* const* scores);

// Relative error of a score, in units of 2^-24: 16 of a term, the additions of a lane of four at least and of 16 lanes.
inline double target_scan_error(std::int64_t width) { return static_cast<double>(width / 4 + 40) * 0x1p-24; }

// The categories of one feature of a node of width 1.
struct CategoryScan {
  const void* cells = nullptr;  // [bin] Cell or packed
  const std::int64_t* counts = nullptr;  // [bin] rows, or nullptr = not known
  std::int64_t n_bins = 0;
  double h_unit = 1.0;
  double least = 0.0;  // hessian of a category that is judged by itself
  std::uint32_t* occurs = nullptr;  // out, a bit a bin: rows have the category. Bit 0, the missing, is clear
  std::uint32_t* judged = nullptr;  // out: it occurs and its hessian is not below `least`
};

// Sums of the categories that occur but are not judged.
struct RareSums {
  Cell cell;
  std::int64_t count = 0;
};

using ScanCategories = RareSums (*)(const CategoryScan& scan);

enum class CellFormat { kWide, kPacked };
enum class ScanKind { kQuick, kExact };

struct SplitKernels {
  ScanCuts scan_cuts[2][2];  // [CellFormat][ScanKind]
  AddCuts add_cuts[2];  // [CellFormat]
  ScanTargets scan_targets;
  ScanCategories scan_categories[2];  // [CellFormat]
};

}  // namespace pygbt
