// SPDX-License-Identifier: Apache-2.0
// What the kernels of a tree read, whoever leads its growth: the grow loop on the host, or the device itself.
#pragma once

#include <cstdint>

#include "base/types.h"

namespace pygbt::device {

// What differs from tree to tree of a training.
struct TreeArguments {
  std::uint32_t iteration = 0;
  std::int32_t first_target = 0;  // of those that cuts are searched on
  std::int32_t first_leaf_target = 0;
  std::int64_t record = 0;  // byte at which the finished tree goes
  double learning_rate = 0.0;
  std::uint32_t number = 0;  // in the model: it keys the draws of columns
};

// Of the integers of one target of a tree's rows, weighted.
struct DrawnSums {
  std::int64_t g = 0, magnitude = 0, h = 0, weight = 0;
};

// Where a node's histogram is.
struct HistogramPlace {
  Cell* cells = nullptr;           // [bin][width]
  std::int64_t* counts = nullptr;  // [bin], of trees that count rows
};

// Two histograms of which one becomes the difference.
struct HistogramPair {
  HistogramPlace parent;  // becomes parent - built
  HistogramPlace built;
};

}  // namespace pygbt::device
