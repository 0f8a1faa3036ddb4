// SPDX-License-Identifier: Apache-2.0
// The seam to several machines: ranks that hold parts of the rows train the model that one process trains, bit for bit.
#include <thread>
#include <vector>

#include "base/rng.h"
#include "boost/trainer.h"
#include "check.h"
#include "comm/thread_comm.h"
#include "data/dataset.h"

namespace pygbt {
namespace {

constexpr std::int64_t kRows = 3000;
constexpr std::int32_t kFeatures = 4;

struct Table {
  std::vector<float> x;  // [row][feature]
  std::vector<float> y;  // [row]
};

Table make_table(bool classes) {
  Table table;
  for (std::int64_t row = 0; row < kRows; ++row) {
    float sum = 0.0f;
    for (std::int32_t f = 0; f < kFeatures; ++f) {
      const std::uint32_t bits =
          random_bits(1, Draw::kRow, 0, static_cast<std::uint64_t>(row), static_cast<std::uint32_t>(f));
      const float value = static_cast<float>(bits >> 8) * 0x1p-24f;
      table.x.push_back(value);
      sum += f % 2 == 0 ? value : -value * value;
    }
    table.y.push_back(classes ? static_cast<float>((sum > 0.2f) + (sum > 0.6f)) : sum * 10.0f);
  }
  return table;
}

DatasetPtr make_part(const Table& table, std::int64_t begin, std::int64_t end, CutsPtr cuts) {
  DatasetInput input;
  input.n_rows = end - begin;
  input.first_row = begin;
  for (std::int32_t f = 0; f < kFeatures; ++f) {
    ColumnView column;
    column.data = reinterpret_cast<const char*>(table.x.data() + begin * kFeatures + f);
    column.stride = kFeatures * static_cast<std::int64_t>(sizeof(float));
    input.columns.push_back(column);
    input.n_categories.push_back(-1);
  }
  input.labels = std::span(table.y).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  input.n_labels = 1;
  input.reference = std::move(cuts);
  input.n_threads = 1;
  return std::make_shared<const Dataset>(make_dataset(input));
}

std::vector<float> leaf_values(const Model& model) {
  std::vector<float> all(model.base_score());
  for (const TreePtr& tree : model.trees()) {
    all.insert(all.end(), tree->tree.leaf_value.begin(), tree->tree.leaf_value.end());
    for (const double threshold : tree->tree.threshold) all.push_back(static_cast<float>(threshold));
    for (const double cover : tree->tree.cover) all.push_back(static_cast<float>(cover));
  }
  return all;
}

std::vector<float> train(const Params& params, DatasetPtr data, std::shared_ptr<Communicator> comm) {
  Trainer trainer(params, std::move(data), nullptr, std::move(comm));
  for (int i = 0; i < 4; ++i) trainer.step(0.3);
  return leaf_values(trainer.model());
}

void check_workers(const Params& params, bool classes) {
  const Table table = make_table(classes);
  const DatasetPtr whole = make_part(table, 0, kRows, nullptr);
  const std::vector<float> alone = train(params, whole, std::make_shared<Solo>());
  CHECK(alone.size() > 50);
  for (const std::vector<std::int64_t>& bounds : {std::vector<std::int64_t>{0, 1700, kRows}, {0, 1, 900, kRows}}) {
    const auto n_ranks = static_cast<int>(bounds.size()) - 1;
    auto group = std::make_shared<ThreadGroup>(n_ranks);
    std::vector<std::vector<float>> found(static_cast<std::size_t>(n_ranks));
    {
      std::vector<std::jthread> ranks;
      for (int rank = 0; rank < n_ranks; ++rank)
        ranks.emplace_back([&, rank] {
          const auto at = static_cast<std::size_t>(rank);
          found[at] = train(params, make_part(table, bounds[at], bounds[at + 1], whole->cuts),
                            std::make_shared<ThreadComm>(group, rank));
        });
    }
    for (const auto& values : found) CHECK(values == alone);
  }
}

TEST(workers_train_the_model_of_one_process) {
  Params params;
  params.n_threads = 1;
  params.max_depth = 4;
  params.subsample = 0.7;
  check_workers(params, false);
  params.grow_policy = GrowPolicy::kLossguide;
  params.max_leaves = 9;
  params.min_child_samples = 5;
  check_workers(params, false);
  params.objective = Objective::kAbsoluteError;
  check_workers(params, false);
}

TEST(workers_agree_on_classes_and_vector_leaves) {
  Params params;
  params.n_threads = 1;
  params.objective = Objective::kSoftmax;
  params.n_classes = 3;
  params.max_depth = 3;
  check_workers(params, true);
  params.multi_strategy = MultiStrategy::kVectorLeaf;
  check_workers(params, true);
  params.grow_policy = GrowPolicy::kSymmetric;
  check_workers(params, true);
}

}  // namespace
}  // namespace pygbt
