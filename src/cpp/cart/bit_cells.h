// SPDX-License-Identifier: Apache-2.0
// Sums of the cases of a node by the values of several two-valued columns, in one pass: a case is added once, to the cell
// of all its bits, and the cells are folded into a cell a column.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "backend/isa_dispatch.h"
#include "backend/kernels.h"
#include "decision/row_codes.h"

namespace pygbt {

template <class Criterion>
class BitCells {
 public:
  using Case = typename Criterion::Case;
  static constexpr int kMost = 7;  // columns that are added up together

  explicit BitCells(const RowCodes& layout) : layout_(layout) {}

  void add(FeatureId feature) { features_.push_back(feature); }

  // Calls use(feature, cells) for the columns that were added, ascending; cells: [code][width] as of a column of codes 0, 1
  // and 2. total: [width] cell of the cases. far: the rows are not in the cache.
  template <class Use>
  void count(const Criterion& criterion, std::span<const Case> cases, const std::int64_t* total, const RowsAt& rows,
             bool far, const Use& use) {
    const auto place = [&](FeatureId f) { return static_cast<std::size_t>(layout_.bit[static_cast<std::size_t>(f)]); };
    std::sort(features_.begin(), features_.end(), [&](FeatureId a, FeatureId b) { return place(a) < place(b); });
    const auto width = static_cast<std::size_t>(criterion.width);
    cells_.assign(3 * width, 0);
    // Not more cells than a quarter of the cases.
    const auto most =
        static_cast<std::size_t>(std::clamp(static_cast<int>(std::bit_width(cases.size())) - 3, 1, kMost));
    const bool narrow = fits_narrow(criterion, total);
    for (std::size_t first = 0; first < features_.size();) {
      const std::size_t word = place(features_[first]) / 64;
      std::uint64_t mask = 0;
      std::size_t end = first;
      for (; end < features_.size() && end < first + most && place(features_[end]) / 64 == word; ++end)
        mask |= std::uint64_t{1} << place(features_[end]) % 64;
      if (narrow) {
        count_narrow(criterion, cases, rows.bits + word, mask, end - first, far);
      } else {
        count_joint(criterion, cases, rows.bits + word, mask, end - first, far);
        fold(criterion, end - first);
      }
      for (std::size_t bit = 0; first + bit < end; ++bit) {
        const std::int64_t* high = &high_[bit * width];
        for (std::size_t k = 0; k < width; ++k) {
          cells_[width + k] = total[k] - high[k];
          cells_[2 * width + k] = high[k];
        }
        use(features_[first + bit], cells_.data());
      }
      first = end;
    }
    features_.clear();
  }

 private:
  static constexpr std::size_t kBlock = 256;  // cases
  static constexpr std::size_t kCopies = 2;  // of the cells, added to in turn: the next addition need not wait

  // Whether the node's weights of classes fit narrow cells.
  static bool fits_narrow(const Criterion& criterion, const std::int64_t* total) {
    if constexpr (std::is_same_v<Case, ClassCase>)
      return criterion.width - 1 <= kMostClassParts * kClassesAPart && total[0] <= kMostClassWeight;
    return false;
  }

  // high_ [bit][width], by cells of 16 bits.
  void count_narrow(const Criterion& criterion, std::span<const Case> cases, const std::uint64_t* words,
                    std::uint64_t mask, std::size_t n_bits, bool far) {
    if constexpr (std::is_same_v<Case, ClassCase>) {
      const auto part = static_cast<std::size_t>((criterion.width - 2) / kClassesAPart);
      const std::size_t classes = (part + 1) * kClassesAPart;
      narrow_.resize(2 * kMostClassParts * kClassesAPart << kMost, 0);
      const auto bits = static_cast<std::int32_t>(n_bits);
      each_block(cases, words, far, [&](std::span<const Case> block) {
        kernels_->count_joint[part](words, layout_.n_words, mask, bits, block.data(),
                                    static_cast<std::int64_t>(block.size()), narrow_.data());
      });
      std::uint16_t high[kMost * kMostClassParts * kClassesAPart];
      kernels_->fold_joint[part](narrow_.data(), bits, high);
      const auto width = static_cast<std::size_t>(criterion.width);
      high_.resize(n_bits * width);
      for (std::size_t bit = 0; bit < n_bits; ++bit) {
        for (std::size_t k = 1; k < width; ++k) high_[bit * width + k] = high[bit * classes + k - 1];
        criterion.finish_cell(&high_[bit * width]);
      }
    }
  }

  // Calls use(block); the words of the rows of the next block are fetched ahead, if they are far.
  template <class Use>
  void each_block(std::span<const Case> cases, const std::uint64_t* words, bool far, const Use& use) const {
    for (std::size_t begin = 0; begin < cases.size(); begin += kBlock) {
      for (std::size_t i = begin + kBlock; far && i < std::min(cases.size(), begin + 2 * kBlock); ++i)
        __builtin_prefetch(words + cases[i].row * layout_.n_words);
      use(cases.subspan(begin, std::min(kBlock, cases.size() - begin)));
    }
  }

  // joint_ [copy][bits of the mask][width]
  void count_joint(const Criterion& criterion, std::span<const Case> cases, const std::uint64_t* words,
                   std::uint64_t mask, std::size_t n_bits, bool far) {
    const auto width = static_cast<std::size_t>(criterion.width);
    const std::size_t n_cells = width << n_bits;
    joint_.assign(kCopies * n_cells, 0);
    std::int64_t* const cells = joint_.data();
    std::array<std::uint8_t, kBlock> bits;
    each_block(cases, words, far, [&](std::span<const Case> block) {
      kernels_->joint_bits[std::is_same_v<Case, ClassCase> ? 0 : 1](
          words, layout_.n_words, mask, block.data(), static_cast<std::int64_t>(block.size()), bits.data());
      std::size_t i = 0;
      for (; i + kCopies <= block.size(); i += kCopies)
        for (std::size_t copy = 0; copy < kCopies; ++copy)
          criterion.count(cells + copy * n_cells + bits[i + copy] * width, block[i + copy]);
      for (; i < block.size(); ++i) criterion.count(cells + bits[i] * width, block[i]);
    });
    for (std::size_t copy = 1; copy < kCopies; ++copy)
      for (std::size_t i = 0; i < n_cells; ++i) cells[i] += cells[copy * n_cells + i];
  }

  // high_ [bit][width]. From the highest bit to the lowest: the upper half of the cells is the bit's, and joins the lower.
  void fold(const Criterion& criterion, std::size_t n_bits) {
    const auto width = static_cast<std::size_t>(criterion.width);
    high_.assign(n_bits * width, 0);
    for (std::size_t bit = n_bits; bit-- > 0;) {
      const std::size_t half = std::size_t{1} << bit;
      std::int64_t* const high = &high_[bit * width];
      for (std::size_t i = 0; i < half; ++i) {
        const std::int64_t* upper = &joint_[(half + i) * width];
        for (std::size_t k = 0; k < width; ++k) {
          high[k] += upper[k];
          joint_[i * width + k] += upper[k];
        }
      }
      criterion.finish_cell(high);
    }
  }

  const RowCodes& layout_;
  const CutKernels* kernels_ = &kernels().cuts;
  std::vector<FeatureId> features_;
  std::vector<std::int64_t> joint_;
  std::vector<std::uint16_t> narrow_;  // [copy][bits of the mask][class]; 0 between two nodes
  std::vector<std::int64_t> high_;  // [bit][width]
  std::vector<std::int64_t> cells_;  // [code][width]
};

}  // namespace pygbt
