// SPDX-License-Identifier: Apache-2.0
#include "model/device_predict.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "backend/walker.h"
#include "base/huge_pages.h"
#include "base/pool.h"
#include "math/layout.h"
#include "model/plain_walk.h"

namespace pygbt {
namespace {

constexpr std::int64_t kChunkValues = std::int64_t{1} << 22;  // values on the device at a time
constexpr std::int64_t kReadRows = 4096;                      // rows of a column that a task reads

// Trees [first, first + n) of a model; features become places in `features`.
WalkForest pack(const Model& model, std::size_t first, std::size_t n, std::span<const FeatureId> features) {
  std::vector<std::uint32_t> place(model.cuts().features.size(), 0);
  for (std::size_t i = 0; i < features.size(); ++i)
    place[static_cast<std::size_t>(features[i])] = static_cast<std::uint32_t>(i);
  const auto size = [](const auto& items) { return static_cast<std::int64_t>(items.size()); };
  const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  WalkForest forest;
  forest.n_outputs = model.n_outputs();
  for (std::size_t t = first; t < first + n; ++t) {
    const ModelTree& tree = *model.trees()[t];
    forest.roots.push_back({size(forest.nodes), size(forest.values), size(forest.sets), size(forest.words),
                            tree.tree.target, tree.tree.width});
    for (WalkNode node : tree.nodes) {
      node.test = (node.test & ~WalkNode::kFeature) | place[node.test & WalkNode::kFeature];
      forest.nodes.push_back(node);
    }
    append(forest.leaf, tree.leaf);
    append(forest.values, tree.tree.leaf_value);
    append(forest.sets, tree.sets);
    append(forest.words, tree.tree.cat_bits);
  }
  return forest;
}

// Calls use(walker, values, first row, rows) for chunks of rows, of which n_out values come back each.
template <class Use>
void walk_chunks(const PredictDevice& device, const Model& model, const PredictInput& input, const PredictPlan& plan,
                 std::int64_t n_out, Use&& use) {
  const std::unique_ptr<Walker> walker = make_walker(device.name, device.ordinal);
  walker->load(pack(model, plan.first_tree, plan.n_trees, plan.features));
  const auto n_columns = static_cast<std::int64_t>(plan.features.size());
  const std::int64_t chunk = std::max<std::int64_t>(1, kChunkValues / std::max<std::int64_t>(1, n_columns + n_out));
  HugeVector<double> values;
  for (std::int64_t first = 0; first < input.n_rows; first += chunk) {
    const std::int64_t n_rows = std::min(chunk, input.n_rows - first);
    values.resize(static_cast<std::size_t>(n_columns * n_rows));
    const std::int64_t n_parts = (n_rows + kReadRows - 1) / kReadRows;
    parallel_for(plan.n_threads, n_columns * n_parts, [&](std::int64_t task, int) {
      const std::int64_t column = task / n_parts, begin = task % n_parts * kReadRows;
      const auto f = static_cast<std::size_t>(plan.features[static_cast<std::size_t>(column)]);
      read_values(input.columns[f], model.cuts().features[f], first + begin,
                  first + std::min(n_rows, begin + kReadRows), values.data() + column * n_rows + begin);
    });
    use(*walker, std::span<const double>(values), first, n_rows);
  }
}

}  // namespace

void predict_scores_on(const PredictDevice& device, const Model& model, const PredictInput& input, Output output,
                       std::span<float> out) {
  const PredictPlan plan = plan_scores(model, input, out);
  const std::int32_t k = model.n_outputs();
  if (!input.base_margin.empty())
    std::copy(input.base_margin.begin(), input.base_margin.end(), out.begin());
  else
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = model.base_score()[i % static_cast<std::size_t>(k)];
  const Link link = output == Output::kValue ? link_of(model.loss().objective) : Link::kIdentity;
  walk_chunks(device, model, input, plan, k,
              [&](Walker& walker, std::span<const double> values, std::int64_t first, std::int64_t n_rows) {
                walker.add_scores(values, n_rows, link,
                                  out.subspan(static_cast<std::size_t>(row_major(first, 0, k)),
                                              static_cast<std::size_t>(row_major(n_rows, 0, k))));
              });
}

void predict_leaves_on(const PredictDevice& device, const Model& model, const PredictInput& input,
                       std::span<std::int32_t> out) {
  const PredictPlan plan = plan_leaves(model, input, out);
  const auto n_trees = static_cast<std::int32_t>(plan.n_trees);
  walk_chunks(device, model, input, plan, n_trees,
              [&](Walker& walker, std::span<const double> values, std::int64_t first, std::int64_t n_rows) {
                walker.leaves(values, n_rows,
                              out.subspan(static_cast<std::size_t>(row_major(first, 0, n_trees)),
                                          static_cast<std::size_t>(row_major(n_rows, 0, n_trees))));
              });
}

}  // namespace pygbt
