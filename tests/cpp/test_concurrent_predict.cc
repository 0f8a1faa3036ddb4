// SPDX-License-Identifier: Apache-2.0
// Many threads on one Model, with the pool in use beside them: equal results, and no race for ThreadSanitizer to find.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "base/pool.h"
#include "boost/trainer.h"
#include "check.h"
#include "model/arrays.h"
#include "model/predict.h"
#include "random_model.h"

using namespace pygbt;
using namespace pygbt::testing;

TEST(concurrent_predict_on_one_model) {
  Random random(3);
  const auto table = random_table(2500, 8, random);
  const Dataset data = bins_of(*table, 32);
  const Model model = random_model(data.cuts, Objective::kSoftmax, 3, 12, false, random);
  PredictInput input;
  input.n_rows = table->n_rows;
  input.columns = table->columns;
  input.end = model.n_iterations();
  input.n_threads = 1;
  const auto n_cells = static_cast<std::size_t>(table->n_rows * model.n_outputs());
  std::vector<float> expected(n_cells);
  predict_scores(model, input, Output::kValue, expected);
  std::vector<std::int32_t> expected_leaves(static_cast<std::size_t>(table->n_rows * model.n_trees()));
  predict_leaves(model, input, expected_leaves);

  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      PredictInput mine = input;
      mine.n_threads = 1 + caller % 4;
      std::vector<float> out(n_cells);
      std::vector<std::int32_t> leaves(expected_leaves.size());
      for (int repeat = 0; repeat < 5; ++repeat) {
        predict_scores(model, mine, Output::kValue, out);
        wrong += std::memcmp(out.data(), expected.data(), n_cells * sizeof(float)) != 0;
        predict_leaves(model, mine, leaves);
        wrong += leaves != expected_leaves;
        std::atomic<std::int64_t> sum{0};
        parallel_for(3, 50, [&](std::int64_t task, int) { sum += task; });
        wrong += sum.load() != 1225;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK_EQ(wrong.load(), 0);
}

// Trainings at once, each on several threads, beside predictions with a model that grows: the same trees every time.
TEST(concurrent_training_and_prediction) {
  Random random(5);
  const auto table = random_table(1500, 6, random);
  std::vector<float> labels;
  for (std::int64_t i = 0; i < table->n_rows; ++i) labels.push_back(static_cast<float>(random.below(3)));
  DatasetInput given;
  given.n_rows = table->n_rows;
  given.columns = table->columns;
  given.n_categories = table->n_categories;
  given.labels = labels;
  given.n_labels = 1;
  const auto data = std::make_shared<const Dataset>(make_dataset(given));

  const auto train = [&](int n_threads) {
    Params params;
    params.objective = Objective::kSoftmax;
    params.max_depth = 4;
    params.subsample = 0.8;
    params.n_threads = n_threads;
    Trainer trainer(params, data, nullptr, std::make_shared<Solo>());
    std::vector<float> out(labels.size() * 3);
    for (int i = 0; i < 4; ++i) {
      trainer.step(0.3);
      const Model model = trainer.model();
      PredictInput input;
      input.n_rows = table->n_rows;
      input.columns = table->columns;
      input.end = model.n_iterations();
      input.n_threads = n_threads;
      predict_scores(model, input, Output::kMargin, out);
      if (!std::equal(out.begin(), out.end(), trainer.scores(-1).begin())) return ModelArrays{};
    }
    return to_arrays(trainer.model());
  };
  const ModelArrays expected = train(1);
  CHECK_EQ(expected.tree_nodes.size(), std::size_t{12});
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      const ModelArrays mine = train(1 + caller);
      wrong +=
          mine.left != expected.left || mine.threshold != expected.threshold || mine.leaf_value != expected.leaf_value;
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(concurrent_copies_and_slices_of_one_model) {
  Random random(4);
  const auto table = random_table(100, 5, random);
  const Dataset data = bins_of(*table, 32);
  const Model model = random_model(data.cuts, Objective::kSquaredError, 1, 20, false, random);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 100; ++repeat) CHECK_EQ(Model(model).slice(i, 20).n_iterations(), 20 - i);
    });
  }
  for (auto& thread : threads) thread.join();
}
