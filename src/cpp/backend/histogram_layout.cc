// SPDX-License-Identifier: Apache-2.0
#include "backend/histogram_layout.h"

#include <algorithm>

#include "backend/kernels.h"

namespace pygbt {
namespace {

Marginal marginal(const Slot& slot, std::size_t i, std::span<const std::int64_t> bin_offset) {
  const auto feature = static_cast<std::size_t>(slot.features[i]);
  Marginal out;
  out.first = bin_offset[feature];
  out.last = bin_offset[feature + 1];
  std::vector<std::vector<std::uint8_t>> codes(static_cast<std::size_t>(out.last - out.first));
  for (std::size_t code = 0; code < static_cast<std::size_t>(slot.n_codes); ++code)
    codes[slot.bin(code, i)].push_back(static_cast<std::uint8_t>(code));
  const auto most =
      std::max_element(codes.begin(), codes.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  out.rest = out.first + (most - codes.begin());
  for (std::size_t bin = 0; bin < codes.size(); ++bin) {
    const std::int64_t at = out.first + static_cast<std::int64_t>(bin);
    if (at == out.rest || codes[bin].empty()) continue;
    const auto begin = static_cast<std::int32_t>(out.codes.size());
    out.codes.insert(out.codes.end(), codes[bin].begin(), codes[bin].end());
    out.parts.push_back({at, begin, static_cast<std::int32_t>(out.codes.size())});
  }
  return out;
}

}  // namespace

std::vector<BlockLayout> lay_out_blocks(const Dataset& data, std::span<const std::int64_t> bin_offset) {
  std::vector<BlockLayout> layouts;
  for (const BinBlock& block : data.bins->blocks) {
    BlockLayout& layout = layouts.emplace_back();
    for (const Slot& slot : block.slots) {
      SlotLayout& at = layout.slots.emplace_back();
      at.offset = layout.size;
      at.n_codes = slot.n_codes;
      at.bin = bin_offset[static_cast<std::size_t>(slot.features.front())];
      if (slot.joint())
        for (std::size_t i = 0; i < slot.features.size(); ++i) at.marginals.push_back(marginal(slot, i, bin_offset));
      layout.joint = layout.joint || slot.joint();
      layout.flush_work += slot.joint() ? at.n_codes : at.n_codes / 2;  // vectors of cells, against sums one by one
      for (const Marginal& one : at.marginals) layout.flush_work += static_cast<std::int64_t>(one.codes.size());
      layout.offsets.push_back(at.offset);
      layout.bins.push_back(at.bin);
      layout.size += block.two_byte ? at.n_codes : kPackedBins;
    }
  }
  return layouts;
}

std::vector<FeatureId> features_by_block(const Dataset& data) {
  std::vector<FeatureId> first = {0};
  for (const BinBlock& block : data.bins->blocks) {
    std::vector<FeatureId> features;
    for (const Slot& slot : block.slots) features.insert(features.end(), slot.features.begin(), slot.features.end());
    std::sort(features.begin(), features.end());
    const auto n = static_cast<FeatureId>(features.size());
    if (n == 0 || features.front() != first.back() || features.back() != first.back() + n - 1) return {};
    first.push_back(first.back() + n);
  }
  return first.back() == data.n_features() && data.bins->sparse_blocks.empty() ? first : std::vector<FeatureId>{};
}

}  // namespace pygbt
