// SPDX-License-Identifier: Apache-2.0
// Many threads on one Model, with the pool in use beside them: equal results, and no race for ThreadSanitizer to find.
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "base/pool.h"
#include "check.h"
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
