// SPDX-License-Identifier: Apache-2.0
#include "model/device_models.h"

#include "base/error.h"
#include "model/model.h"
#include "model/walk_forest.h"

namespace pygbt {

DeviceModels::Lease DeviceModels::lease(const Model& model, const std::string& device, int ordinal, std::int64_t n_rows,
                                        std::optional<WalkPath> path) {
  std::shared_ptr<Lease::Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    auto& place = entries_[{device, ordinal}];
    if (place == nullptr) place = std::make_shared<Lease::Entry>();
    entry = place;
  }
  const std::lock_guard lock(entry->mutex);
  if (entry->walker == nullptr) {
    auto walker = make_walker(device, ordinal);
    WalkForest forest = make_walk_forest(model);
    walker->load(forest);
    forest.narrow = {};
    forest.leaf_values = {};
    entry->forest = std::move(forest);
    entry->walker = std::move(walker);
  }
  const WalkPath taken = path ? *path : entry->walker->path_for(entry->forest, n_rows);
  require(entry->walker->fits(entry->forest, taken), "the model does not fit this path on this device");
  const auto once = [](bool& there, auto&& load) {
    if (there) return;
    load();
    there = true;
  };
  switch (taken) {
    case WalkPath::kPerfect:
      once(entry->perfect, [&] { entry->walker->load(make_perfect_trees(model, entry->forest)); });
      break;
    case WalkPath::kPacked:
    case WalkPath::kTrees:
      once(entry->packed, [&] { entry->walker->load(make_packed_trees(model, entry->forest)); });
      break;
    case WalkPath::kRaw:
      once(entry->raw, [&] { entry->walker->load(make_raw_trees(model, entry->forest)); });
      break;
  }
  return {entry, taken};
}

}  // namespace pygbt
