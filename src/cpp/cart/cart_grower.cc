// SPDX-License-Identifier: Apache-2.0
#include "cart/cart_grower.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/pool.h"
#include "cart/absolute_error.h"
#include "cart/cart_batch.h"
#include "cart/cart_divide.h"
#include "cart/class_criteria.h"
#include "cart/value_criteria.h"

namespace pygbt {
namespace {

constexpr std::size_t kTaskCases = 2048;  // a sub-tree of fewer cases is never split among threads
constexpr std::size_t kTasksPerThread = 8;
constexpr std::size_t kLocalBytes = 3 << 17;  // of codes by rows that are copied for a sub-tree: they stay in L2

// Whole units of a weight.
std::int64_t units(double weight, double unit) {
  return static_cast<std::int64_t>(std::ceil(std::min(weight / unit, 0x1p62) * (1.0 - 0x1p-40)));
}

}  // namespace

template <class Criterion>
CartGrower<Criterion>::CartGrower(const CodedTable& table, const RowCodes& rows, const Response& response,
                                  const CartOptions& options, int n_threads, bool summaries)
    : table_(table), rows_(rows), response_(response), options_(options), n_threads_(n_threads), summaries_(summaries) {
  const double unit = options.count_rows ? 1.0 : response.weight_unit;
  std::int64_t& bucket = options.count_rows ? least_.rows : least_.weight;
  bucket = std::max<std::int64_t>(1, units(options.min_bucket, unit));
  (options.count_rows ? least_split_rows_ : least_split_weight_) = units(options.min_split, unit);
  for (int i = 0; i < std::max(1, n_threads); ++i)
    workers_.push_back(std::make_unique<Worker>(table, rows, response, options, least_));
}

template <class Criterion>
void CartGrower<Criterion>::start(CartTree& tree, std::size_t n_cases) const {
  const std::int32_t n_values = response_.n_classes > 0                              ? response_.n_classes
                                : options_.criterion == CartCriterion::kSquaredError ? response_.n_targets
                                                                                     : 1;
  const std::int32_t others = table_.n_features() - 1;
  const std::int32_t n_questions =
      1 + std::min(options_.max_surrogates, others) + std::min(options_.max_competitors, others);
  tree.start(n_values, n_cases, workers_.size(), static_cast<std::size_t>(n_questions));
}

template <class Criterion>
void CartGrower<Criterion>::grow(std::vector<Case>& cases, CartTree& grown) {
  cases_ = &cases;
  root_risk_ = root_rate_ = 0.0;
  start(grown, cases.size());
  CartTree::Writer tree(grown);
  OpenNode root;
  root.node = tree.add_root();
  root.end = cases.size();
  root.constant = FeatureBits(table_.n_features());
  Worker& first = *workers_.front();
  set_total(root, first.search.criterion());
  if constexpr (std::is_same_v<Criterion, PoissonSides>) {  // the rate of the root shrinks all others
    const double time_unit = response_.n_targets > 1 ? response_.target_unit[1] : 1.0;
    const double time = static_cast<double>(root.total[2]) * time_unit;
    root_rate_ = time > 0.0 ? static_cast<double>(root.total[1]) * response_.target_unit[0] / time : 0.0;
  }
  if (!open(tree, root, first)) return;
  root_risk_ = tree.node(root.node).risk;
  if (options_.max_leaves > 0)
    grow_best_first(tree, std::move(root));
  else if (n_threads_ <= 1)
    grow_subtree(tree, std::move(root), first);
  else
    grow_by_threads(tree, std::move(root));
  if (options_.cp >= 0.0) undo_weak_splits(grown, options_.cp * root_risk_);
}

// Large nodes by all threads, whose memory for them goes in between; then sub-trees as tasks.
template <class Criterion>
void CartGrower<Criterion>::grow_by_threads(CartTree::Writer& tree, OpenNode root) {
  Worker& first = *workers_.front();
  const std::size_t task =
      std::max(kTaskCases, cases_->size() / (kTasksPerThread * static_cast<std::size_t>(n_threads_)));
  std::vector<OpenNode> large, small;
  (cases_->size() > task ? large : small).push_back(std::move(root));
  while (!large.empty()) {
    OpenNode node = std::move(large.back());
    large.pop_back();
    const bool found = search(node, first, true);
    for (const auto& worker : workers_) worker->release();
    node.asked = nullptr;
    tell(found ? 0 : node.end - node.begin);
    if (!found) continue;
    OpenNode children[2];
    split(tree, node, first, true, children[0], children[1]);
    first.spare = PageVector<Case>();
    for (OpenNode& child : children)
      if (opens(tree, child, first)) (child.end - child.begin > task ? large : small).push_back(std::move(child));
  }
  std::vector<CartTree::Writer> writers(workers_.size(), CartTree::Writer(tree.tree()));
  parallel_for(n_threads_, static_cast<std::int64_t>(small.size()), [&](std::int64_t i, int thread) {
    const auto own = static_cast<std::size_t>(thread);
    grow_subtree(writers[own], std::move(small[static_cast<std::size_t>(i)]), *workers_[own]);
  });
}

template <class Criterion>
void CartGrower<Criterion>::grow_subtree(CartTree::Writer& tree, OpenNode root, Worker& worker) {
  std::vector<OpenNode>& stack = worker.stack;
  if (stack.empty()) stack.resize(64);
  stack[0] = std::move(root);
  std::size_t top = 1;
  OpenNode& node = worker.current;
  while (top > 0) {
    std::swap(node, stack[--top]);
    if (worker.few.fit() && node.end - node.begin <= FewCases<Criterion>::kMost) {
      grow_few(tree, node, worker);
      tell(node.end - node.begin);
      continue;
    }
    make_local(node, worker);
    if (!search(node, worker, false)) {
      tell(node.end - node.begin);
      continue;
    }
    tell(0);
    if (stack.size() < top + 2) stack.resize(2 * stack.size());
    OpenNode& right = stack[top];
    OpenNode& left = stack[top + 1];  // comes next
    split(tree, node, worker, false, left, right);
    const bool goes_on = opens(tree, right, worker);
    if (goes_on) ++top;
    if (!opens(tree, left, worker)) continue;
    if (!goes_on) std::swap(left, right);
    ++top;
  }
}

template <class Criterion>
void CartGrower<Criterion>::grow_few(CartTree::Writer& tree, const OpenNode& root, Worker& worker) {
  const std::span<Case> cases(cases_->data() + root.begin, root.end - root.begin);
  const auto open_few = [&](const FewNode& node, std::span<const Case> own, const std::int64_t* total) {
    return open(tree, node.node, node.depth, own, total, worker.search.criterion());
  };
  worker.few.grow(tree, {root.node, root.depth, root.key, 0, cases.size()}, cases, root.total.data(), root.constant,
                  rows_of(root, worker), worker.draw, open_few);
}

// Always the leaf whose question improves most, of equal ones the older.
template <class Criterion>
void CartGrower<Criterion>::grow_best_first(CartTree::Writer& tree, OpenNode root) {
  Worker& worker = *workers_.front();
  std::vector<OpenNode> leaves;
  const auto consider = [&](OpenNode&& node) {
    if (search(node, worker, n_threads_ > 1)) {
      node.asked = nullptr;  // the searches of other leaves overwrite its codes
      leaves.push_back(std::move(node));
    } else {
      tell(node.end - node.begin);
    }
  };
  consider(std::move(root));
  for (std::int32_t n_leaves = 1; n_leaves < options_.max_leaves && !leaves.empty(); ++n_leaves) {
    const auto best = std::max_element(leaves.begin(), leaves.end(), [](const OpenNode& a, const OpenNode& b) {
      const double x = a.found[0].improvement, y = b.found[0].improvement;
      return x < y || (x == y && a.node > b.node);
    });
    OpenNode node = std::move(*best);
    leaves.erase(best);
    OpenNode children[2];
    split(tree, node, worker, n_threads_ > 1, children[0], children[1]);
    for (OpenNode& child : children)
      if (opens(tree, child, worker)) consider(std::move(child));
    tell(0);
  }
}

template <class Criterion>
void CartGrower<Criterion>::set_total(OpenNode& node, const Criterion& criterion) const {
  node.total.assign(static_cast<std::size_t>(criterion.width), 0);
  for (const Case& one : cases_of(node)) criterion.count(node.total.data(), one);
  criterion.finish_cell(node.total.data());
}

template <class Criterion>
bool CartGrower<Criterion>::open(CartTree::Writer& tree, std::int32_t at, std::int32_t depth,
                                 std::span<const Case> cases, const std::int64_t* total,
                                 const Criterion& criterion) const {
  CartNode& grown = tree.node(at);
  grown.count = static_cast<std::uint32_t>(cases.size());
  grown.weight = static_cast<double>(total[0]) * response_.weight_unit;
  const NodeSummary summary =
      summarise(criterion, {response_, options_, root_rate_, summaries_}, cases, total, tree.value(at));
  grown.label = summary.label;
  grown.risk = summary.risk;
  grown.impurity = summary.impurity;
  const bool weak = options_.cp >= 0.0 && depth > 0 && summary.risk <= options_.cp * root_risk_;
  return !summary.pure && !weak && depth < options_.max_depth && cases.size() >= 2 &&
         static_cast<std::int64_t>(cases.size()) >= least_split_rows_ && total[0] >= least_split_weight_;
}

template <class Criterion>
bool CartGrower<Criterion>::search(OpenNode& node, Worker& worker, bool parallel) {
  node.asked = nullptr;
  node.left_known = false;
  node.found.clear();
  if (options_.max_features > 0 || (!parallel && options_.max_competitors == 0))
    search_here(node, worker, node.found);
  else
    search_all(node, worker, parallel, node.found);
  return !node.found.empty() && node.found[0].found();
}

// One thread and no competitors: all features, or a number of drawn ones and then one more at a time until there is a
// question.
template <class Criterion>
void CartGrower<Criterion>::search_here(OpenNode& node, Worker& worker, std::vector<SplitCandidate>& found) {
  const SearchNode<Case> of{cases_of(node), node.total.data(), node.key};
  const bool drawn = options_.max_features > 0;
  SplitCandidate best;
  const auto take = [&](const NodeCodes* asked) {  // what was found last is the best
    node.asked = asked;
    const std::span<const std::int64_t> left = worker.search.left();
    node.left_known = !left.empty();
    node.left.assign(left.begin(), left.end());
  };
  const auto keep = [&](SplitCandidate&& candidate, const NodeCodes* asked) {
    if (!candidate.found() || !candidate.better_than(best)) return;
    best = std::move(candidate);
    take(asked);
  };
  const auto judge_cells = [&](FeatureId feature, std::size_t n_codes, const std::int64_t* cells) {
    SplitCandidate candidate;
    if (!worker.search.best_of_cells(of, feature, n_codes, cells, candidate))
      node.constant.set(feature);
    else
      keep(std::move(candidate), nullptr);
  };
  const auto search_batch = [&] {
    if (judge_by_code(node, worker, best)) take(nullptr);
    if (worker.batch.empty()) return;
    count_two_valued(node, worker, [&](FeatureId f, const std::int64_t* cells) { judge_cells(f, 3, cells); });
    count_batch(node, worker);
    read_batch(node, worker);
    node.asked = nullptr;  // its codes were overwritten
    worker.cells.each([&](const CellBatch::Column& column, const std::int64_t* cells) {
      judge_cells(column.feature, column.n_codes, cells);
    });
    for (std::size_t i = 0; i < worker.batch.size(); ++i) {
      if (best.perfect && worker.batch[i] > best.feature && options_.feature_cost.empty()) continue;
      NodeCodes& codes = worker.codes[i];
      if (worker.search.constant(codes)) {
        node.constant.set(worker.batch[i]);
        continue;
      }
      keep(worker.search.best(of, worker.batch[i], codes), &codes);
    }
    worker.batch.clear();
  };
  worker.batch.clear();
  if (drawn) worker.draw.begin(options_, node.key);
  std::int32_t wanted = drawn ? options_.max_features : table_.n_features();
  std::size_t bytes = 0;
  for (FeatureId next = 0; wanted > 0 || (drawn && !best.found());) {
    if (drawn ? !worker.draw.more() : next == table_.n_features()) break;
    const FeatureId feature = drawn ? worker.draw.next() : next++;
    if (!node.constant.has(feature)) {
      worker.batch.push_back(feature);
      bytes += rows_.empty() ? code_bytes(node, feature) : 0;
    }
    --wanted;
    if (wanted > 0 && worker.batch.size() < kBatch && bytes < kBatchBytes) continue;
    search_batch();
    bytes = 0;
  }
  if (!worker.batch.empty()) search_batch();
  found.push_back(std::move(best));
}

template <class Criterion>
void CartGrower<Criterion>::make_local(OpenNode& node, Worker& worker) {
  const std::size_t n = node.end - node.begin;
  if (node.local || rows_.empty() || n * rows_.row_bytes() > kLocalBytes || worker.search.criterion().reads_rows())
    return;
  worker.local.take(rows_, all_rows(rows_), std::span<Case>(cases_->data() + node.begin, n), rows_.stride);
  node.local = true;
}

// All features; the best first, then the competitors.
template <class Criterion>
void CartGrower<Criterion>::search_all(OpenNode& node, Worker& worker, bool parallel,
                                       std::vector<SplitCandidate>& found) {
  const SearchNode<Case> of{cases_of(node), node.total.data(), node.key};
  const std::int32_t n_features = table_.n_features();
  std::vector<FeatureId> varying;
  for (FeatureId f = 0; f < n_features; ++f)
    if (!node.constant.has(f)) varying.push_back(f);
  std::vector<SplitCandidate> candidates(parallel || options_.max_competitors > 0 ? varying.size() : 0);
  std::vector<std::uint8_t> constant(varying.size(), 0);
  SplitCandidate best;
  // Features [begin, end) of the varying ones, read together.
  const auto some = [&](std::size_t begin, std::size_t end, Worker& own) {
    own.batch.assign(varying.begin() + static_cast<std::ptrdiff_t>(begin),
                     varying.begin() + static_cast<std::ptrdiff_t>(end));
    read_batch(node, own);
    for (std::size_t i = begin; i < end; ++i) {
      NodeCodes& codes = own.codes[i - begin];
      if (own.search.constant(codes)) {
        constant[i] = 1;
        continue;
      }
      SplitCandidate candidate = own.search.best(of, varying[i], codes);
      if (!candidates.empty())
        candidates[i] = std::move(candidate);
      else if (candidate.found() && candidate.better_than(best))
        best = std::move(candidate);
    }
    own.batch.clear();
  };
  const std::vector<std::size_t> begin = batches(node, varying, parallel ? 4 * n_threads_ : 1);
  if (parallel) {
    parallel_for(n_threads_, static_cast<std::int64_t>(begin.size()) - 1, [&](std::int64_t i, int thread) {
      const auto batch = static_cast<std::size_t>(i);
      some(begin[batch], begin[batch + 1], *workers_[static_cast<std::size_t>(thread)]);
    });
  } else {
    for (std::size_t batch = 0; batch + 1 < begin.size(); ++batch) some(begin[batch], begin[batch + 1], worker);
  }
  for (std::size_t i = 0; i < varying.size(); ++i)
    if (constant[i] != 0) node.constant.set(varying[i]);
  found.clear();
  if (candidates.empty()) {
    found.push_back(std::move(best));
    return;
  }
  std::erase_if(candidates, [](const SplitCandidate& c) { return !c.found(); });
  std::sort(candidates.begin(), candidates.end(),
            [](const SplitCandidate& a, const SplitCandidate& b) { return a.better_than(b); });
  const std::size_t keep = std::min(candidates.size(), 1 + static_cast<std::size_t>(options_.max_competitors));
  candidates.resize(keep);
  found = std::move(candidates);
}

template class CartGrower<GiniCounts>;
template class CartGrower<ClassFactors<CartCriterion::kGini>>;
template class CartGrower<ClassFactors<CartCriterion::kEntropy>>;
template class CartGrower<ClassFactors<CartCriterion::kTwoing>>;
template class CartGrower<SquaredSides>;
template class CartGrower<AbsoluteSides>;
template class CartGrower<PoissonSides>;

}  // namespace pygbt
