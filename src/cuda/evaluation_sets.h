// SPDX-License-Identifier: Apache-2.0
// Evaluation sets on the device: their bins by column, their scores, which every tree adds to.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "buffer.h"
#include "device_rows.h"
#include "table.h"
#include "tree/binned_tree.h"

namespace pygbt::device {

class EvaluationSets {
 public:
  explicit EvaluationSets(Device& device) : device_(device) {}

  // scores: [row][n_targets]. What is returned is the set's, for as long as it lives.
  DeviceScoredRows* add(const Dataset& data, std::span<const float> scores);
  void add_tree(const BinnedTree& tree);

 private:
  struct Set {
    explicit Set(Device& device) : table(device), scores(device), rows(device, table, scores) {}
    Table table;
    Buffer<float> scores;
    DeviceRows rows;
  };

  Device& device_;
  std::vector<std::unique_ptr<Set>> sets_;
};

}  // namespace pygbt::device
