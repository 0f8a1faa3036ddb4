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

// The largest code from `first` on, below `last`, whose value does not lie above `drawn`. Values that spread evenly have
// it near the `guess`. value(code)
template <class Value>
Code code_below(double drawn, Code first, Code last, Code guess, const Value& value) {
  constexpr Code kFew = 32;
  Code low = first, high = last;
  if (last - first <= kFew) {
    for (Code code = first + 1; code < last; ++code) low += value(code) <= drawn ? 1 : 0;
    return low;
  }
  Code step = 1;
  if (value(guess) <= drawn) {
    low = guess;
    while (high - low > step && value(low + step) <= drawn) {
      low += step;
      step *= 2;
    }
    high = std::min(high, low + step);
  } else {
    high = guess;
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
  return low;
}

// first < last: the least and the largest code of the node. bits: threshold_bits 0 of the feature.
inline DrawnCut draw_cut(const CodedTable& table, FeatureId feature, Code first, Code last, std::uint32_t bits) {
  const CodedColumn& column = table.columns[static_cast<std::size_t>(feature)];
  const double share = (bits + 0.5) * 0x1p-32;
  const Code guess = first + static_cast<Code>(share * static_cast<double>(last - first));
  if (!table.exact) return {guess, 0.0};
  const double least = column.number(first), most = column.number(last);
  double drawn = least + share * (most - least);
  if (!column.wide) drawn = round_down(drawn);
  drawn = std::max(drawn, least);
  if (!(drawn < most))  // the largest value goes high, whatever lies between
    drawn = column.wide ? std::nextafter(most, least)
                        : static_cast<double>(std::nextafter(static_cast<float>(most), static_cast<float>(least)));
  if (column.keyed()) return {code_below(drawn, first, last, guess, [](Code code) { return value_of(code); }), drawn};
  return {column.value.visit([&](const auto* values) {
            return code_below(drawn, first, last, guess,
                              [values](Code code) { return static_cast<double>(values[code - 1]); });
          }),
          drawn};
}

}  // namespace pygbt
