// SPDX-License-Identifier: Apache-2.0
#include "cart/grow_cart.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/pool.h"
#include "cart/absolute_error.h"
#include "cart/cart_grower.h"
#include "cart/class_criteria.h"
#include "cart/value_criteria.h"

namespace pygbt {
namespace {

template <class T>
struct Type {
  using type = T;
};

bool plain(const std::vector<double>& factors) {
  return std::all_of(factors.begin(), factors.end(), [](double f) { return f == 1.0; });
}

// Calls use(Type<Criterion>) with the loops of the criterion. total: the weight that will be summed.
template <class Use>
void with_criterion(const Response& response, const CartOptions& options, std::uint64_t total, const Use& use) {
  constexpr std::uint64_t kSquaresFit = std::uint64_t{1} << 31;
  const bool classes = response.n_classes > 0;
  const auto needs = [&](bool fits, const char* what) {
    require(fits, std::string("criterion does not fit: it is one of ") + what);
  };
  switch (options.criterion) {
    case CartCriterion::kGini:
      needs(classes, "classification");
      if (plain(options.split_factor) && total < kSquaresFit) return use(Type<GiniCounts>());
      return use(Type<ClassFactors<CartCriterion::kGini>>());
    case CartCriterion::kEntropy:
      needs(classes, "classification");
      return use(Type<ClassFactors<CartCriterion::kEntropy>>());
    case CartCriterion::kTwoing:
      needs(classes, "classification");
      return use(Type<ClassFactors<CartCriterion::kTwoing>>());
    case CartCriterion::kSquaredError:
      needs(!classes, "regression");
      return use(Type<SquaredSides>());
    case CartCriterion::kAbsoluteError:
      needs(!classes && response.n_targets == 1, "regression of one target");
      return use(Type<AbsoluteSides>());
    case CartCriterion::kPoisson:
      needs(!classes && response.n_targets <= 2, "counts of events, with their times");
      for (const std::int64_t y : response.target) require(y >= 0, "y: criterion=\"poisson\" needs counts >= 0");
      return use(Type<PoissonSides>());
  }
}

// What a thread keeps from tree to tree of a forest: their memory above all.
template <class Criterion>
struct ForestWorker {
  ForestWorker(const CodedTable& table, const RowCodes& rows, const Response& response, const CartOptions& of_all,
               int n_threads)
      : options(of_all), grower(table, rows, response, options, n_threads, of_all.cp >= 0.0) {}

  CartOptions options;  // of the tree
  std::vector<std::uint32_t> weights;  // [row]
  std::vector<typename Criterion::Case> cases;
  CartTree tree;
  CartGrower<Criterion> grower;
};

void check(const CodedTable& table, const Response& response, const CartOptions& options) {
  const auto n_classes = static_cast<std::size_t>(response.n_classes);
  require(table.n_rows == response.n_rows, "X and y must have the same number of rows");
  require(options.feature_cost.empty() || options.feature_cost.size() == static_cast<std::size_t>(table.n_features()),
          "feature_costs: one for each column");
  require(options.losses.empty() || options.losses.size() == n_classes * n_classes, "losses: one for each two classes");
  for (const std::vector<double>* factors : {&options.class_factor, &options.split_factor})
    require(factors->empty() || factors->size() == n_classes, "class factors: one for each class");
}

}  // namespace

DecisionTree grow_cart(const CodedTable& table, const Response& response, const CartOptions& options, int n_threads,
                       Progress& progress) {
  check(table, response, options);
  DecisionTree tree;
  with_criterion(response, options, response.total_weight, [&]<class Criterion>(Type<Criterion>) {
    CartTree grown;
    {
      std::vector<typename Criterion::Case> cases;
      make_cases(response, {}, cases);
      const RowCodes none;
      CartGrower<Criterion> grower(table, none, response, options, resolve_threads(n_threads), true);
      grower.set_progress(&progress);
      grower.grow(cases, grown);
    }
    tree = to_decision_tree(grown, table, response, options);
  });
  return tree;
}

void grow_forest(const CodedTable& table, const RowCodes& rows, const Response& response, const CartOptions& options,
                 std::int32_t first, std::int32_t n, std::uint64_t total, int n_threads,
                 const std::function<void(std::int32_t, std::vector<std::uint32_t>&)>& weights,
                 const std::function<void(std::int32_t, const CartTree&, const CartOptions&)>& take) {
  check(table, response, options);
  const int threads = resolve_threads(n_threads);
  const bool by_tree = n >= threads;
  with_criterion(response, options, total, [&]<class Criterion>(Type<Criterion>) {
    std::vector<std::unique_ptr<ForestWorker<Criterion>>> workers(static_cast<std::size_t>(by_tree ? threads : 1));
    const auto grow_one = [&](std::int32_t index, std::size_t thread) {
      if (workers[thread] == nullptr)
        workers[thread] =
            std::make_unique<ForestWorker<Criterion>>(table, rows, response, options, by_tree ? 1 : threads);
      ForestWorker<Criterion>& own = *workers[thread];
      own.options.tree = static_cast<std::uint32_t>(index);
      weights(index, own.weights);
      make_cases(response, own.weights, own.cases);
      own.grower.grow(own.cases, own.tree);
      take(index, own.tree, own.options);
    };
    if (by_tree) {
      parallel_for(threads, n, [&](std::int64_t i, int thread) {
        grow_one(first + static_cast<std::int32_t>(i), static_cast<std::size_t>(thread));
      });
    } else {
      for (std::int32_t i = 0; i < n; ++i) grow_one(first + i, 0);
    }
  });
}

}  // namespace pygbt
