// SPDX-License-Identifier: Apache-2.0
#include "cart/cart_grower.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/pool.h"
#include "cart/absolute_error.h"
#include "cart/criteria.h"

namespace pygbt {
namespace {

constexpr std::size_t kTaskCases = 2048;  // a sub-tree of fewer cases is never split among threads
constexpr std::size_t kTasksPerThread = 8;
constexpr std::size_t kLocalBytes = std::size_t{3}
                                    << 17;  // of codes by rows that are copied for a sub-tree: stay in L2

bool bit(const std::vector<std::uint64_t>& bits, FeatureId feature) {
  return ((bits[static_cast<std::size_t>(feature) / 64] >> (feature % 64)) & 1u) != 0;
}
void set_bit(std::vector<std::uint64_t>& bits, FeatureId feature) {
  bits[static_cast<std::size_t>(feature) / 64] |= std::uint64_t{1} << (feature % 64);
}

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
    workers_.push_back(std::make_unique<Worker>(table, response, options, least_));
}

template <class Criterion>
CartTree CartGrower<Criterion>::new_tree() const {
  CartTree tree;
  tree.n_values = response_.n_classes > 0                              ? response_.n_classes
                  : options_.criterion == CartCriterion::kSquaredError ? response_.n_targets
                                                                       : 1;
  return tree;
}

template <class Criterion>
CartTree CartGrower<Criterion>::grow(std::vector<Case>& cases) {
  cases_ = &cases;
  root_risk_ = root_rate_ = 0.0;
  CartTree tree = new_tree();
  OpenNode root;
  root.node = tree.add();
  root.end = cases.size();
  root.constant.assign((static_cast<std::size_t>(table_.n_features()) + 63) / 64, 0);
  Worker& first = *workers_.front();
  set_total(root, first.search.criterion());
  if constexpr (std::is_same_v<Criterion, PoissonSides>) {  // the rate of the root shrinks all others
    const double time_unit = response_.n_targets > 1 ? response_.target_unit[1] : 1.0;
    const double time = static_cast<double>(root.total[2]) * time_unit;
    root_rate_ = time > 0.0 ? static_cast<double>(root.total[1]) * response_.target_unit[0] / time : 0.0;
  }
  if (!open(tree, root, first)) return tree;
  root_risk_ = tree.nodes[0].risk;
  if (options_.max_leaves > 0) {
    grow_best_first(tree, std::move(root));
  } else if (n_threads_ <= 1) {
    grow_subtree(tree, std::move(root), first);
  } else {
    const std::size_t task =
        std::max(kTaskCases, cases.size() / (kTasksPerThread * static_cast<std::size_t>(n_threads_)));
    std::vector<OpenNode> large, small;
    (cases.size() > task ? large : small).push_back(std::move(root));
    while (!large.empty()) {
      OpenNode node = std::move(large.back());
      large.pop_back();
      if (!search(node, first, true)) continue;
      OpenNode children[2];
      split(tree, node, first, true, children[0], children[1]);
      for (OpenNode& child : children)
        if (open(tree, child, first)) (child.end - child.begin > task ? large : small).push_back(std::move(child));
    }
    std::vector<CartTree> parts(small.size());
    std::vector<std::int32_t> at(small.size());
    for (std::size_t i = 0; i < small.size(); ++i) at[i] = small[i].node;
    parallel_for(n_threads_, static_cast<std::int64_t>(small.size()), [&](std::int64_t i, int thread) {
      const auto task_id = static_cast<std::size_t>(i);
      Worker& worker = *workers_[static_cast<std::size_t>(thread)];
      parts[task_id] = new_tree();
      OpenNode& start = small[task_id];
      start.node = parts[task_id].add();
      open(parts[task_id], start, worker);  // its statistics
      grow_subtree(parts[task_id], std::move(start), worker);
    });
    for (std::size_t i = 0; i < parts.size(); ++i) graft(tree, at[i], std::move(parts[i]));
  }
  if (options_.cp >= 0.0) undo_weak_splits(tree, options_.cp * root_risk_);
  return tree;
}

template <class Criterion>
void CartGrower<Criterion>::grow_subtree(CartTree& tree, OpenNode root, Worker& worker) {
  std::vector<OpenNode>& stack = worker.stack;
  if (stack.empty()) stack.resize(64);
  stack[0] = std::move(root);
  std::size_t top = 1;
  OpenNode& node = worker.current;
  while (top > 0) {
    std::swap(node, stack[--top]);
    make_local(node, worker);
    if (!search(node, worker, false)) continue;
    if (stack.size() < top + 2) stack.resize(2 * stack.size());
    OpenNode& left = stack[top];
    OpenNode& right = stack[top + 1];
    split(tree, node, worker, false, left, right);
    const bool goes_on = open(tree, left, worker);
    if (goes_on) ++top;
    if (!open(tree, right, worker)) continue;
    if (!goes_on) std::swap(left, right);
    ++top;
  }
}

// Always the leaf whose question improves most, of equal ones the older.
template <class Criterion>
void CartGrower<Criterion>::grow_best_first(CartTree& tree, OpenNode root) {
  Worker& worker = *workers_.front();
  std::vector<OpenNode> leaves;
  const auto consider = [&](OpenNode&& node) {
    if (search(node, worker, n_threads_ > 1)) leaves.push_back(std::move(node));
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
      if (open(tree, child, worker)) consider(std::move(child));
  }
}

template <class Criterion>
void CartGrower<Criterion>::set_total(OpenNode& node, const Criterion& criterion) const {
  node.total.assign(static_cast<std::size_t>(criterion.width), 0);
  for (const Case& one : cases_of(node)) criterion.count(node.total.data(), one);
  criterion.finish_cell(node.total.data());
}

template <class Criterion>
bool CartGrower<Criterion>::open(CartTree& tree, OpenNode& node, Worker& worker) {
  const std::span<const Case> cases = cases_of(node);
  CartNode& grown = tree.nodes[static_cast<std::size_t>(node.node)];
  grown.count = static_cast<std::int64_t>(cases.size());
  grown.weight = static_cast<double>(node.total[0]) * response_.weight_unit;
  const NodeSummary summary = summarise(worker.search.criterion(), {response_, options_, root_rate_, summaries_}, cases,
                                        node.total.data(), tree.value(node.node));
  grown.label = summary.label;
  grown.risk = summary.risk;
  grown.impurity = summary.impurity;
  const bool weak = options_.cp >= 0.0 && node.depth > 0 && summary.risk <= options_.cp * root_risk_;
  return !summary.pure && !weak && node.depth < options_.max_depth && cases.size() >= 2 &&
         grown.count >= least_split_rows_ && node.total[0] >= least_split_weight_;
}

template <class Criterion>
bool CartGrower<Criterion>::search(OpenNode& node, Worker& worker, bool parallel) {
  node.asked = nullptr;
  node.found.clear();
  if (options_.max_features > 0)
    search_drawn(node, worker, node.found);
  else
    search_all(node, worker, parallel, node.found);
  return !node.found.empty() && node.found[0].found();
}

// A number of drawn features, and then one more at a time until there is a question.
template <class Criterion>
void CartGrower<Criterion>::search_drawn(OpenNode& node, Worker& worker, std::vector<SplitCandidate>& found) {
  const SearchNode<Case> of{cases_of(node), node.total.data(), node.key};
  worker.draw.begin(options_, node.key);
  SplitCandidate best;
  std::int32_t wanted = options_.max_features;
  while (worker.draw.more() && !best.found()) {
    worker.drawn.clear();
    for (; wanted > 0 && worker.draw.more(); --wanted) {
      const FeatureId feature = worker.draw.next();
      if (!bit(node.constant, feature)) worker.drawn.push_back(feature);
    }
    wanted = 1;
    read_drawn(node, worker);
    for (std::size_t i = 0; i < worker.drawn.size(); ++i) {
      NodeCodes& codes = worker.codes[i];
      if (worker.search.constant(codes)) {
        set_bit(node.constant, worker.drawn[i]);
        continue;
      }
      SplitCandidate candidate = worker.search.best(of, worker.drawn[i], codes);
      if (!candidate.found() || !candidate.better_than(best)) continue;
      best = std::move(candidate);
      node.asked = &codes;
    }
  }
  found.push_back(std::move(best));
}

template <class Criterion>
void CartGrower<Criterion>::make_local(OpenNode& node, Worker& worker) {
  const std::size_t n = node.end - node.begin;
  if (node.local || rows_.empty() || n * rows_.stride > kLocalBytes || worker.search.criterion().reads_rows()) return;
  worker.local.resize(n * rows_.stride);
  Case* cases = cases_->data() + node.begin;
  for (std::size_t i = 0; i < n; ++i) {
    std::copy_n(rows_.row(cases[i].row), rows_.stride, &worker.local[i * rows_.stride]);
    cases[i].row = static_cast<std::uint32_t>(i);
  }
  node.local = true;
}

// Codes of the drawn features: row by row, so that a line of a row is read once for all of them.
template <class Criterion>
void CartGrower<Criterion>::read_drawn(const OpenNode& node, Worker& worker) const {
  const std::span<const Case> cases = cases_of(node);
  if (worker.codes.size() < worker.drawn.size()) worker.codes.resize(worker.drawn.size());
  for (std::size_t i = 0; i < worker.drawn.size(); ++i) {
    const CodedColumn& column = table_.columns[static_cast<std::size_t>(worker.drawn[i])];
    if (rows_.empty())
      worker.codes[i].read(column, cases);
    else
      worker.codes[i].start(column, cases.size());
  }
  if (rows_.empty()) return;
  const std::uint8_t* by_row = node.local ? worker.local.data() : rows_.codes.data();
  constexpr std::size_t kBlock = 64;  // rows whose lines stay in L1; those of the next block are fetched ahead
  for (std::size_t begin = 0; begin < cases.size(); begin += kBlock) {
    const std::size_t end = std::min(cases.size(), begin + kBlock);
    for (std::size_t place = end; place < std::min(cases.size(), end + kBlock); ++place)
      for (std::size_t byte = 0; byte < rows_.stride; byte += 64)
        __builtin_prefetch(rows_.row(cases[place].row) + byte);
    for (std::size_t i = 0; i < worker.drawn.size(); ++i) {
      NodeCodes& codes = worker.codes[i];
      const std::uint8_t* first = by_row + rows_.offset[static_cast<std::size_t>(worker.drawn[i])];
      codes.visit([&]<class T>(const T*) {
        T* out = static_cast<T*>(codes.data());
        for (std::size_t place = begin; place < end; ++place)
          out[place] = *reinterpret_cast<const T*>(first + cases[place].row * rows_.stride);
      });
    }
  }
  for (std::size_t i = 0; i < worker.drawn.size(); ++i) worker.codes[i].finish();
}

// All features; the best first, then the competitors.
template <class Criterion>
void CartGrower<Criterion>::search_all(OpenNode& node, Worker& worker, bool parallel,
                                       std::vector<SplitCandidate>& found) {
  const SearchNode<Case> of{cases_of(node), node.total.data(), node.key};
  const std::int32_t n_features = table_.n_features();
  std::vector<FeatureId> varying;
  for (FeatureId f = 0; f < n_features; ++f)
    if (!bit(node.constant, f)) varying.push_back(f);
  std::vector<SplitCandidate> candidates(parallel || options_.max_competitors > 0 ? varying.size() : 0);
  std::vector<std::uint8_t> constant(varying.size(), 0);
  SplitCandidate best;
  const auto one = [&](std::size_t i, Worker& own) {
    NodeCodes& codes = own.codes[0];
    codes.read(table_.columns[static_cast<std::size_t>(varying[i])], of.cases);
    if (own.search.constant(codes)) {
      constant[i] = 1;
      return;
    }
    SplitCandidate candidate = own.search.best(of, varying[i], codes);
    if (!candidates.empty())
      candidates[i] = std::move(candidate);
    else if (candidate.found() && candidate.better_than(best))
      best = std::move(candidate);
  };
  if (parallel) {
    parallel_for(n_threads_, static_cast<std::int64_t>(varying.size()), [&](std::int64_t i, int thread) {
      one(static_cast<std::size_t>(i), *workers_[static_cast<std::size_t>(thread)]);
    });
  } else {
    for (std::size_t i = 0; i < varying.size(); ++i) one(i, worker);
  }
  for (std::size_t i = 0; i < varying.size(); ++i)
    if (constant[i] != 0) set_bit(node.constant, varying[i]);
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

template <class Criterion>
void CartGrower<Criterion>::split(CartTree& tree, OpenNode& node, Worker& worker, bool parallel, OpenNode& left,
                                  OpenNode& right) {
  const std::int32_t child = tree.add();
  tree.add();
  CartNode& grown = tree.nodes[static_cast<std::size_t>(node.node)];
  grown.child = child;
  grown.questions.reserve(node.found.size());
  grown.questions.push_back({std::move(node.found[0]), 0.0, 0.0});
  std::size_t n_left = 0;
  std::size_t n_right = 0;
  if (options_.missing == MissingRows::kDirection) {
    n_left = divide(grown, node, worker, left, right);
    n_right = node.end - node.begin - n_left;
  } else {
    n_left = divide_by_surrogates(grown, node, worker, parallel, n_right);
  }
  for (std::size_t i = 1; i < node.found.size(); ++i) grown.questions.push_back({std::move(node.found[i]), 0.0, 0.0});
  left.begin = node.begin;
  left.end = right.begin = node.begin + n_left;
  right.end = right.begin + n_right;
  std::uint32_t side = 0;
  for (OpenNode* one : {&left, &right}) {
    one->node = child + static_cast<std::int32_t>(side);
    one->depth = node.depth + 1;
    one->key = child_key(node.key, side++);
    one->constant = node.constant;
    one->local = node.local;
    if (options_.missing != MissingRows::kDirection) set_total(*one, worker.search.criterion());
  }
}

template <class Criterion>
std::size_t CartGrower<Criterion>::divide(CartNode& into, OpenNode& node, Worker& worker, OpenNode& left,
                                          OpenNode& right) {
  const SplitCandidate& asked = into.questions[0].split;
  const Criterion& criterion = worker.search.criterion();
  const std::size_t n = node.end - node.begin;
  Case* cases = cases_->data() + node.begin;
  if (worker.spare.size() < n) worker.spare.resize(n);
  Case* spare = worker.spare.data();
  const auto width = static_cast<std::size_t>(criterion.width);
  left.total.assign(width, 0);
  right.total.assign(width, 0);
  std::int64_t* totals[2] = {left.total.data(), right.total.data()};
  std::size_t n_left = 0, n_right = 0;
  const auto each = [&](const auto& goes_right) {
    for (std::size_t i = 0; i < n; ++i) {
      const Case one = cases[i];
      const std::size_t side = goes_right(i, one) ? 1 : 0;
      criterion.count(totals[side], one);
      cases[n_left] = one;  // its place has been read
      spare[n_right] = one;
      n_left += 1 - side;
      n_right += side;
    }
  };
  const CodedColumn& column = table_.columns[static_cast<std::size_t>(asked.feature)];
  const auto by_code = [&](const auto& code_at) {
    if (asked.nominal) {
      const bool missing_right = !asked.missing_left;
      each([&](std::size_t i, const Case& one) {
        const Code code = code_at(i, one);
        return code == kMissingCode ? missing_right : asked.branches[code - 1] != 0;
      });
    } else {  // a missing code, 0, wraps to above all others where it goes right
      const Code shift = asked.missing_left ? 0 : 1;
      each([&](std::size_t i, const Case& one) { return code_at(i, one) - shift > asked.low - shift; });
    }
  };
  if (node.asked != nullptr)
    node.asked->visit([&](const auto* codes) {
      by_code([codes](std::size_t i, const Case&) { return static_cast<Code>(codes[i]); });
    });
  else
    visit_codes(column, [&](const auto* codes) {
      by_code([codes](std::size_t, const Case& one) { return static_cast<Code>(codes[one.row]); });
    });
  std::copy_n(spare, n_right, cases + n_left);
  criterion.finish_cell(totals[0]);
  criterion.finish_cell(totals[1]);
  // Missing values follow the search, else the heavier side.
  into.fallback = asked.has_missing ? (asked.missing_left ? 0 : 1) : totals[1][0] > totals[0][0] ? 1 : 0;
  return n_left;
}

template <class Criterion>
std::size_t CartGrower<Criterion>::divide_by_surrogates(CartNode& into, OpenNode& node, Worker& worker, bool parallel,
                                                        std::size_t& n_right) {
  const std::span<const Case> cases = cases_of(node);
  const SplitCandidate& asked = into.questions[0].split;
  worker.side.resize(cases.size());
  std::int64_t weight[3] = {0, 0, 0};
  visit_codes(table_.columns[static_cast<std::size_t>(asked.feature)], [&](const auto* codes) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const std::int32_t child = asked.child(codes[cases[i].row]);
      worker.side[i] = child < 0 ? kUndecided : static_cast<std::uint8_t>(child);
      weight[worker.side[i]] += cases[i].weight;
    }
  });
  // The majority of the rows that the question decides; at 50:50 none.
  into.fallback = options_.use_surrogates < 2 || weight[0] == weight[1] ? kStays : weight[1] > weight[0] ? 1 : 0;
  if (options_.use_surrogates > 0 && options_.max_surrogates > 0) find_surrogates(into, node, worker, parallel);
  return partition(into, node, worker, n_right);
}

template <class Criterion>
void CartGrower<Criterion>::find_surrogates(CartNode& into, const OpenNode& node, Worker& worker, bool parallel) {
  const std::span<const Case> cases = cases_of(node);
  const FeatureId asked = into.questions[0].split.feature;
  const std::span<const std::uint8_t> side(worker.side.data(), cases.size());
  std::vector<CartQuestion> found(static_cast<std::size_t>(table_.n_features()));
  const auto one = [&](std::size_t f, Worker& own) {
    const auto feature = static_cast<FeatureId>(f);
    if (feature != asked && !bit(node.constant, feature)) found[f] = own.surrogates.best(cases, side, feature);
  };
  if (parallel) {
    parallel_for(n_threads_, table_.n_features(), [&](std::int64_t f, int thread) {
      one(static_cast<std::size_t>(f), *workers_[static_cast<std::size_t>(thread)]);
    });
  } else {
    for (std::size_t f = 0; f < found.size(); ++f) one(f, worker);
  }
  std::erase_if(found, [](const CartQuestion& q) { return !q.split.found(); });
  std::stable_sort(found.begin(), found.end(),
                   [](const CartQuestion& a, const CartQuestion& b) { return a.agreement > b.agreement; });
  if (found.size() > static_cast<std::size_t>(options_.max_surrogates))
    found.resize(static_cast<std::size_t>(options_.max_surrogates));
  into.n_surrogates = static_cast<std::int32_t>(found.size());
  for (CartQuestion& surrogate : found) into.questions.push_back(std::move(surrogate));
}

// Cases of child 0 first, then those of child 1, each in their order; those that stay come last. Returns the number of
// the first.
template <class Criterion>
std::size_t CartGrower<Criterion>::partition(const CartNode& of, const OpenNode& node, Worker& worker,
                                             std::size_t& n_right) {
  const std::size_t n = node.end - node.begin;
  Case* cases = cases_->data() + node.begin;
  worker.spare.resize(std::max(worker.spare.size(), n));
  std::size_t n_left = 0, n_stays = 0;
  n_right = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::int32_t side = worker.side[i];
    for (std::int32_t s = 1; s <= of.n_surrogates && side == kUndecided; ++s) {
      const SplitCandidate& surrogate = of.questions[static_cast<std::size_t>(s)].split;
      const std::int32_t child = surrogate.child(code(surrogate.feature, cases[i].row));
      if (child >= 0) side = child;
    }
    if (side == kUndecided) side = of.fallback >= 0 ? of.fallback : kUndecided;
    const Case one = cases[i];
    if (side == 0)
      cases[n_left++] = one;  // its place was read
    else if (side == 1)
      worker.spare[n_right++] = one;
    else
      worker.spare[n - ++n_stays] = one;
  }
  std::copy_n(worker.spare.begin(), n_right, cases + n_left);
  std::copy_n(worker.spare.begin() + static_cast<std::ptrdiff_t>(n - n_stays), n_stays, cases + n_left + n_right);
  return n_left;
}

template class CartGrower<GiniCounts>;
template class CartGrower<ClassFactors<CartCriterion::kGini>>;
template class CartGrower<ClassFactors<CartCriterion::kEntropy>>;
template class CartGrower<ClassFactors<CartCriterion::kTwoing>>;
template class CartGrower<SquaredSides>;
template class CartGrower<AbsoluteSides>;
template class CartGrower<PoissonSides>;

}  // namespace pygbt
