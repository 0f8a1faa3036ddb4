// SPDX-License-Identifier: Apache-2.0
// Sub-trees of few cases, which are most nodes of a forest: their codes lie by rows in a tile that stays in L1, nodes on
// a small stack, and no node takes memory or reads what it does not ask. The same draws, cuts and order as elsewhere.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "backend/isa_dispatch.h"
#include "backend/kernels.h"
#include "cart/cart_options.h"
#include "cart/cart_tree.h"
#include "cart/code_cuts.h"
#include "cart/cut_judge.h"
#include "cart/drawn_cut.h"
#include "cart/feature_bits.h"
#include "cart/feature_draw.h"
#include "cart/low_cells.h"
#include "cart/part_cases.h"
#include "cart/ranked_codes.h"
#include "cart/scanner.h"
#include "decision/coded_table.h"
#include "decision/row_codes.h"

namespace pygbt {

// A node that may be split, with its cases [begin, end) among those of the sub-tree.
struct FewNode {
  std::int32_t node = 0;  // in the tree
  std::int32_t depth = 0;
  std::uint64_t key = 1;
  std::size_t begin = 0, end = 0;
};

template <class Criterion>
class FewCases {
 public:
  using Case = typename Criterion::Case;
  static constexpr std::size_t kMost = RankedCodes::kMost;  // cases

  FewCases(const CodedTable& table, const RowCodes& rows, const Response& response, const CartOptions& options,
           LeastSide least)
      : table_(table),
        rows_(rows),
        options_(options),
        criterion_(response, options),
        width_(static_cast<std::size_t>(criterion_.width)),
        tile_stride_((rows.stride + kChunk - 1) / kChunk * kChunk),
        totals_(kSlots * width_),
        left_(width_),
        ranks_(table),
        cuts_(table, criterion_, options, least) {
    judge_.least = least;
    judge_.must_gain = options.cp >= 0.0;
    fits_ = fits();
    place_varying();
    // Where most features are asked in every node, ranking them once a sub-tree pays.
    ranked_ =
        !options.random_thresholds && (options.max_features <= 0 || 2 * options.max_features >= table.n_features());
  }

  // Whether these trees ask nothing but cuts of numbers that no row lacks.
  bool fit() const { return fits_; }

  // Grows the node, with what its cases add up to and the features known to have one value there. rows: of the
  // cases. open(node, cases, total) fills in the statistics of a FewNode; whether it may be split.
  template <class Open>
  void grow(CartTree::Writer& tree, const FewNode& root, std::span<Case> cases, const std::int64_t* total,
            const FeatureBits& constant, const RowsAt& rows, FeatureDraw& draw, const Open& open) {
    take_rows(cases, rows);
    constant_ = &constant;
    stack_[0] = root;
    std::copy_n(total, width_, slot_total(0));
    std::size_t top = 1;
    while (top > 0) {
      const std::size_t slot = --top;
      const FewNode node = stack_[slot];
      const std::span<Case> own = cases.subspan(node.begin, node.end - node.begin);
      if (!search(node, own, slot, draw)) continue;
      const std::int32_t child = tree.add_two();
      const std::size_t middle = node.begin + split(tree, node, own, child, slot);
      stack_[slot] = {child + 1, node.depth + 1, child_key(node.key, 1), middle, node.end};
      stack_[slot + 1] = {child, node.depth + 1, child_key(node.key, 0), node.begin, middle};
      for (std::size_t side : {slot, slot + 1}) {
        const FewNode& one = stack_[side];
        if (open(one, cases.subspan(one.begin, one.end - one.begin), slot_total(side))) keep(side, top++);
      }
    }
  }

 private:
  static constexpr int kPlaceBits = 6;
  static_assert(kMost <= std::size_t{1} << kPlaceBits);
  static constexpr std::size_t kTogether = CodeCuts<Criterion>::kMostColumns;  // features
  static constexpr std::size_t kSlots = kMost / 2 + 2;  // open nodes have two cases or more
  static constexpr std::size_t kTileBytes = 1 << 14;
  static constexpr std::size_t kChunk = 16;  // bytes; rows of the tile are made of them

  bool fits() const {
    if (!Criterion::kCells || criterion_.reads_rows() || rows_.empty() || options_.missing != MissingRows::kDirection ||
        options_.max_competitors > 0 || options_.max_leaves > 0 || !options_.feature_cost.empty())
      return false;
    return std::all_of(table_.columns.begin(), table_.columns.end(), [](const CodedColumn& column) {
      return !column.nominal && !column.has_missing && column.n_codes < 1 << (31 - kPlaceBits);
    });
  }

  std::int64_t* slot_total(std::size_t slot) { return &totals_[slot * width_]; }

  // Copies the codes of the cases, unless rows are too long.
  void take_rows(std::span<Case> cases, const RowsAt& rows) {
    at_ = rows;
    if (!tiled_) return;
    tile_.take(rows_, rows, cases, tile_stride_);
    if (ranked_) ranks_.rank(rows_, cases.size(), tile_);
    at_ = tile_.rows();
  }

  // Where `varies_` has what is said of a feature.
  struct VaryingBits {
    std::uint32_t byte, mask;
  };
  void place_varying() {
    tiled_ = !rows_.empty() && kMost * tile_stride_ <= kTileBytes;
    if (!tiled_) return;
    varies_.resize(tile_stride_ + rows_.n_words * sizeof(std::uint64_t) + RowCodes::kPadding);
    for (std::size_t f = 0; f < table_.columns.size(); ++f) {
      const auto bit = static_cast<std::uint32_t>(rows_.bit[f]);
      if (rows_.bit[f] >= 0)
        varying_.push_back({static_cast<std::uint32_t>(tile_stride_) + bit / 8, 1u << bit % 8});
      else
        varying_.push_back({rows_.offset[f], ~std::uint32_t{0} >> (32 - 8 * table_.columns[f].width)});
    }
  }

  // varies_ [byte of a row]: the bits that the cases do not have in common.
  void find_varying(std::span<const Case> cases) {
    std::size_t byte = 0;
    for (; byte + 4 * kChunk <= at_.stride; byte += 4 * kChunk) find_varying<4>(cases, byte);
    for (; byte < at_.stride; byte += kChunk) find_varying<1>(cases, byte);
    for (std::size_t word = 0; word < rows_.n_words; ++word) {
      const auto bits = [&](const Case& one) { return at_.bits[one.row * rows_.n_words + word]; };
      std::uint64_t varies = 0;
      for (const Case& one : cases.subspan(1)) varies |= bits(one) ^ bits(cases[0]);
      std::memcpy(&varies_[tile_stride_ + word * sizeof(varies)], &varies, sizeof(varies));
    }
  }
  template <std::size_t kChunks>
  void find_varying(std::span<const Case> cases, std::size_t byte) {
    typedef std::uint64_t Chunk __attribute__((vector_size(kChunk), aligned(8), may_alias));
    const auto chunks = [&](const Case& one) {
      return reinterpret_cast<const Chunk*>(at_.codes + one.row * at_.stride + byte);
    };
    Chunk first[kChunks], varies[kChunks];
    for (std::size_t c = 0; c < kChunks; ++c) {
      first[c] = chunks(cases[0])[c];
      varies[c] = Chunk{};
    }
    for (std::size_t i = 1; i < cases.size(); ++i) {
      const Chunk* own = chunks(cases[i]);
      for (std::size_t c = 0; c < kChunks; ++c) varies[c] |= own[c] ^ first[c];
    }
    for (std::size_t c = 0; c < kChunks; ++c) reinterpret_cast<Chunk*>(&varies_[byte])[c] = varies[c];
  }

  void keep(std::size_t from, std::size_t to) {
    if (from == to) return;
    stack_[to] = stack_[from];
    std::copy_n(slot_total(from), width_, slot_total(to));
  }

  bool search(const FewNode& node, std::span<const Case> cases, std::size_t slot, FeatureDraw& draw) {
    judge_.best = SplitCandidate();
    judge_.n_rows = static_cast<std::int64_t>(cases.size());
    criterion_.start(cases, slot_total(slot));
    judge_.parent = criterion_.parent();
    if (tiled_) find_varying(cases);
    left_known_ = false;
    const bool drawn = options_.max_features > 0, by_code = cuts_.fits(slot_total(slot));
    if (drawn) draw.begin(options_, node.key);
    std::int32_t wanted = drawn ? options_.max_features : table_.n_features();
    FeatureId next = 0;
    for (bool more = true; more && (wanted > 0 || (drawn && !judge_.best.found()));) {
      std::size_t n = 0;  // features at a time: their thresholds are drawn side by side
      do {
        more = drawn ? draw.more() : next < table_.n_features();
        if (!more) break;
        const FeatureId feature = drawn ? draw.next() : next++;
        --wanted;
        features_[n] = feature;
        n += varies(cases, feature) ? 1 : 0;  // without a branch: nobody foresees it
      } while (wanted > 0 && n < kTogether);
      if (options_.random_thresholds)
        for (std::size_t i = 0; i < n; ++i) bits_[i] = threshold_bits(options_, node.key, features_[i], 0);
      if (by_code) n = judge_by_code(cases, slot, n);
      for (std::size_t i = 0; i < n; ++i) judge_feature(cases, slot_total(slot), features_[i], bits_[i]);
    }
    return judge_.best.found();
  }

  // Judges those of the n features that have few codes; the others are left. Returns their number.
  std::size_t judge_by_code(std::span<const Case> cases, std::size_t slot, std::size_t n) {
    const FeatureId* two_valued = std::partition(features_.data(), features_.data() + n,
                                                 [&](FeatureId feature) { return rows_.is_bit(feature); });
    const auto n_bits = static_cast<std::size_t>(two_valued - features_.data());
    std::sort(features_.begin(), features_.begin() + n_bits);
    std::size_t left = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const FeatureId feature = features_[i];
      if (i < n_bits)
        add_two_valued(cases, slot, feature);
      else if (has_ranks(feature))
        cuts_.add_ranks(feature, ranks_.n_codes(feature), at_.codes + rows_.offset[static_cast<std::size_t>(feature)],
                        at_.stride);
      else if (cuts_.fits(feature))
        cuts_.add(feature, at_.codes + rows_.offset[static_cast<std::size_t>(feature)], at_.stride);
      else
        features_[left++] = feature;
    }
    if (cuts_.empty()) return left;
    cuts_.count(cases);
    left_known_ |= cuts_.judge(criterion_, slot_total(slot), judge_, left_.data(), [](FeatureId) {});
    return left;
  }

  void add_two_valued(std::span<const Case> cases, std::size_t slot, FeatureId feature) {
    if constexpr (Criterion::kCells) {
      visit_codes_of(feature, [&](const auto& code_at) {
        count_low(criterion_, cases, low_, [&](std::size_t i) { return code_at(cases[i].row) == 1; });
      });
      cuts_.add_two(feature, low_.data(), slot_total(slot));
    }
  }

  void judge_feature(std::span<const Case> cases, const std::int64_t* total, FeatureId feature, std::uint32_t bits) {
    if (judge_.best.perfect && feature > judge_.best.feature) return;
    judge_.feature = feature;
    if (rows_.is_bit(feature))
      visit_codes_of(feature, [&](const auto& code_at) {
        judge_two(cases, total, 1, bits, [&](std::size_t i) { return code_at(cases[i].row) == 1; });
      });
    else
      judge_cuts(cases, total, bits);
  }

  bool has_ranks(FeatureId feature) const { return tiled_ && ranked_ && ranks_.has(feature); }

  template <class Use>
  decltype(auto) visit_codes_of(FeatureId feature, const Use& use) const {
    return visit_rows(rows_, at_, feature, table_.columns[static_cast<std::size_t>(feature)].width, use);
  }

  bool varies(std::span<const Case> cases, FeatureId feature) const {
    if (tiled_) {
      static_assert(std::endian::native == std::endian::little);
      const VaryingBits& of = varying_[static_cast<std::size_t>(feature)];
      std::uint32_t word;
      std::memcpy(&word, &varies_[of.byte], sizeof(word));
      return (word & of.mask) != 0;
    }
    if (constant_->has(feature)) return false;
    return visit_codes_of(feature, [&](const auto& code_at) {
      return std::any_of(cases.begin(), cases.end(),
                         [&](const Case& one) { return code_at(one.row) != code_at(cases[0].row); });
    });
  }

  void read(std::span<const Case> cases, FeatureId feature) {
    visit_codes_of(feature, [&](const auto& code_at) {
      for (std::size_t i = 0; i < cases.size(); ++i)
        keys_[i] = Code{code_at(cases[i].row)} << kPlaceBits | static_cast<std::uint32_t>(i);
    });
  }

  // bits: of the threshold, where it is drawn.
  void judge_cuts(std::span<const Case> cases, const std::int64_t* total, std::uint32_t bits) {
    read(cases, judge_.feature);
    std::uint32_t least = keys_[0], most = keys_[0];
    for (std::size_t i = 1; i < cases.size(); ++i) {
      least = std::min(least, keys_[i]);
      most = std::max(most, keys_[i]);
    }
    const Code first = least >> kPlaceBits, last = most >> kPlaceBits;
    const auto below = [&](Code low) {
      return [this, above = (low + 1) << kPlaceBits](std::size_t i) { return keys_[i] < above; };
    };
    if (last - first == 1) {
      judge_two(cases, total, first, bits, below(first));
    } else if (options_.random_thresholds) {
      const DrawnCut cut = draw_cut(table_, judge_.feature, first, last, bits);
      if (judge_one(cases, total, cut.low, below(cut.low))) judge_.best.drawn = cut.drawn;
    } else {
      criterion_.start(cases, total);
      std::uint32_t order[kMost];
      sort_few_(keys_.data(), static_cast<std::int32_t>(cases.size()), order);
      scan_in_order<kPlaceBits>(criterion_, judge_, cases.data(), std::span<const std::uint32_t>(order, cases.size()),
                                0, false);
      if (judge_.best.feature == judge_.feature) left_known_ = false;
    }
  }

  // The one cut of codes `first` and first + 1, drawn or not.
  template <class Low>
  void judge_two(std::span<const Case> cases, const std::int64_t* total, Code first, std::uint32_t bits,
                 const Low& is_low) {
    if (judge_one(cases, total, first, is_low) && options_.random_thresholds && table_.exact)
      judge_.best.drawn = draw_cut(table_, judge_.feature, first, first + 1, bits).drawn;
  }

  // The cut above the code `low`; is_low(place in the node).
  template <class Low>
  bool judge_one(std::span<const Case> cases, const std::int64_t* total, Code low, const Low& is_low) {
    if constexpr (Criterion::kCells) {
      count_low(criterion_, cases, low_, is_low);
      std::int64_t rows = 0;
      for (std::size_t i = 0; i < cases.size() && judge_.least.rows > 1; ++i) rows += is_low(i) ? 1 : 0;
      if (!judge_.better(OneCut<Criterion>(criterion_, cases, low_.data(), total), rows, false)) return false;
      judge_.best.low = low;
      judge_.best.high = low + 1;
      judge_.best.is_drawn = options_.random_thresholds && table_.exact;
      std::copy_n(low_.begin(), width_, left_.begin());
      left_known_ = true;
      return true;
    }
    return false;
  }

  // Parts the cases; what they add up to goes to the slot, on the right, and the next. Returns the number of the left.
  std::size_t split(CartTree::Writer& tree, const FewNode& node, std::span<Case> cases, std::int32_t child,
                    std::size_t slot) {
    SplitCandidate& asked = judge_.best;
    std::int64_t* left_total = slot_total(slot + 1);
    std::int64_t* right_total = slot_total(slot);
    const std::size_t n_left = visit_codes_of(asked.feature, [&](const auto& code_at) {
      return part_cases(criterion_, cases.data(), cases.size(), spare_.data(), left_known_ ? left_.data() : nullptr,
                        left_total, right_total,
                        [&](std::size_t, const Case& one) { return code_at(one.row) > asked.low; });
    });
    CartNode& grown = tree.node(node.node);
    grown.child = child;
    grown.fallback = right_total[0] > left_total[0] ? 1 : 0;
    if (has_ranks(asked.feature)) {
      asked.low = ranks_.code(asked.feature, asked.low);
      asked.high = ranks_.code(asked.feature, asked.high);
    }
    tree.ask(grown, asked);
    return n_left;
  }

  const CodedTable& table_;
  const RowCodes& rows_;
  const CartOptions& options_;
  decltype(Kernels::sort_few) sort_few_ = kernels().sort_few;
  Criterion criterion_;
  CutJudge judge_;
  bool fits_ = false;
  std::size_t width_, tile_stride_;
  bool tiled_ = false;
  RowsAt at_;
  RowCopies tile_;  // [place at the start][tile_stride_]
  std::vector<std::uint8_t> varies_;  // [byte of a row], then of its bits
  std::vector<VaryingBits> varying_;  // [feature]
  std::array<FewNode, kSlots> stack_;
  std::vector<std::int64_t> totals_;  // [slot][width]
  const FeatureBits* constant_ = nullptr;  // at the start
  std::vector<std::int64_t> low_;  // cell below a cut
  std::vector<std::int64_t> left_;  // that of the best, if it is known
  bool left_known_ = false;
  bool ranked_ = false;
  RankedCodes ranks_;
  CodeCuts<Criterion> cuts_;
  std::array<FeatureId, kTogether> features_;
  std::array<std::uint32_t, kTogether> bits_{};
  std::array<std::uint32_t, kMost> keys_;
  std::array<Case, kMost> spare_;
};

}  // namespace pygbt
