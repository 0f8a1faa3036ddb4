// SPDX-License-Identifier: Apache-2.0
// The cut of extremely randomised trees (Geurts, Ernst & Wehenkel 2006): drawn uniformly between the extremes that a node
// has in a column.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/rng.h"
#include "cart/cart_options.h"
#include "decision/coded_table.h"
#include "math/round_down.h"

namespace pygbt {

inline std::uint32_t threshold_bits(const CartOptions& options, std::uint64_t node_key, FeatureId feature,
                                    std::uint32_t which) {
  return random_bits(options.seed, Draw::kThreshold, options.tree, node_key ^ static_cast<std::uint64_t>(feature),
                     which);
}

struct DrawnCut {
  Code low = 0;  // the largest code that goes low
  double drawn = 0.0;  // over exact codes: the threshold itself
};

// first < last: the least and the largest code of the node.
inline DrawnCut draw_cut(const CodedTable& table, FeatureId feature, Code first, Code last, const CartOptions& options,
                         std::uint64_t node_key) {
  const CodedColumn& column = table.columns[static_cast<std::size_t>(feature)];
  const double share = (threshold_bits(options, node_key, feature, 0) + 0.5) * 0x1p-32;
  if (!table.exact) return {first + static_cast<Code>(share * static_cast<double>(last - first)), 0.0};
  const double least = column.value[first - 1], most = column.value[last - 1];
  double drawn = least + share * (most - least);
  if (!column.wide) drawn = round_down(drawn);
  drawn = std::max(drawn, least);
  if (!(drawn < most))  // the largest value goes high, whatever lies between
    drawn = column.wide ? std::nextafter(most, least)
                        : static_cast<double>(std::nextafter(static_cast<float>(most), static_cast<float>(least)));
  // The largest code whose value does not lie above; values that spread evenly have it near the drawn share.
  const auto value = [&](Code code) { return column.value[code - 1]; };
  Code low = first + static_cast<Code>(share * static_cast<double>(last - first)), high = last;
  Code step = 1;
  if (value(low) <= drawn) {
    while (high - low > step && value(low + step) <= drawn) {
      low += step;
      step *= 2;
    }
    high = std::min(high, low + step);
  } else {
    high = low;
    while (high - first > step && value(high - step) > drawn) {
      high -= step;
      step *= 2;
    }
    low = std::max(first, high - std::min(step, high - first));
  }
  while (high - low > 1) {
    const Code middle = low + (high - low) / 2;
    (value(middle) <= drawn ? low : high) = middle;
  }
  return {low, drawn};
}

}  // namespace pygbt
