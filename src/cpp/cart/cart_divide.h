// SPDX-License-Identifier: Apache-2.0
// How the question of a node sends its cases to the children: at once, or by surrogates where values are missing. The
// part of CartGrower that moves cases; included by cart_grower.cc, which instantiates it.
#pragma once

#include <algorithm>
#include <utility>

#include "base/pool.h"
#include "cart/cart_grower.h"
#include "cart/part_cases.h"

namespace pygbt {

template <class Criterion>
void CartGrower<Criterion>::split(CartTree& tree, OpenNode& node, Worker& worker, bool parallel, OpenNode& left,
                                  OpenNode& right) {
  const std::int32_t child = tree.add();
  tree.add();
  CartNode& grown = tree.node(node.node);
  grown.child = child;
  tree.ask(grown, {std::move(node.found[0]), 0.0, 0.0});
  std::size_t n_left = 0;
  std::size_t n_right = 0;
  if (options_.missing == MissingRows::kDirection) {
    n_left = divide(tree, grown, node, worker, left, right);
    n_right = node.end - node.begin - n_left;
  } else {
    n_left = divide_by_surrogates(tree, grown, node, worker, parallel, n_right);
  }
  for (std::size_t i = 1; i < node.found.size(); ++i) tree.ask(grown, {std::move(node.found[i]), 0.0, 0.0});
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
std::size_t CartGrower<Criterion>::divide(const CartTree& tree, CartNode& into, const OpenNode& node, Worker& worker,
                                          OpenNode& left, OpenNode& right) {
  const SplitCandidate& asked = tree.questions_of(into)[0].split;
  const Criterion& criterion = worker.search.criterion();
  const std::size_t n = node.end - node.begin;
  Case* cases = cases_->data() + node.begin;
  if (worker.spare.size() < n) worker.spare.resize(n);
  const auto width = static_cast<std::size_t>(criterion.width);
  left.total.assign(width, 0);
  right.total.assign(width, 0);
  std::int64_t* totals[2] = {left.total.data(), right.total.data()};
  std::size_t n_left = 0;
  const auto each = [&](const auto& goes_right) {
    n_left = part_cases(criterion, cases, n, worker.spare.data(), totals, goes_right);
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
    visit_codes(column, [&]<class T>(const T* codes) {
      if (!node.local) return by_code([codes](std::size_t, const Case& one) { return Code{codes[one.row]}; });
      const std::uint8_t* first = worker.local.data() + rows_.offset[static_cast<std::size_t>(asked.feature)];
      by_code([&](std::size_t, const Case& one) {
        return Code{*reinterpret_cast<const T*>(first + one.row * rows_.stride)};
      });
    });
  // Missing values follow the search, else the heavier side.
  into.fallback = asked.has_missing ? (asked.missing_left ? 0 : 1) : totals[1][0] > totals[0][0] ? 1 : 0;
  return n_left;
}

template <class Criterion>
std::size_t CartGrower<Criterion>::divide_by_surrogates(CartTree& tree, CartNode& into, const OpenNode& node,
                                                        Worker& worker, bool parallel, std::size_t& n_right) {
  const std::span<const Case> cases = cases_of(node);
  const SplitCandidate& asked = tree.questions_of(into)[0].split;
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
  if (options_.use_surrogates > 0 && options_.max_surrogates > 0) find_surrogates(tree, into, node, worker, parallel);
  return partition(tree, into, node, worker, n_right);
}

template <class Criterion>
void CartGrower<Criterion>::find_surrogates(CartTree& tree, CartNode& into, const OpenNode& node, Worker& worker,
                                            bool parallel) {
  const std::span<const Case> cases = cases_of(node);
  const FeatureId asked = tree.questions_of(into)[0].split.feature;
  const std::span<const std::uint8_t> side(worker.side.data(), cases.size());
  std::vector<CartQuestion> found(static_cast<std::size_t>(table_.n_features()));
  const auto one = [&](std::size_t f, Worker& own) {
    const auto feature = static_cast<FeatureId>(f);
    if (feature != asked && !node.constant.has(feature)) found[f] = own.surrogates.best(cases, side, feature);
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
  for (CartQuestion& surrogate : found) tree.ask(into, std::move(surrogate));
}

// Cases of child 0 first, then those of child 1, each in their order; those that stay come last. Returns the number of
// the first.
template <class Criterion>
std::size_t CartGrower<Criterion>::partition(const CartTree& tree, const CartNode& of, const OpenNode& node,
                                             Worker& worker, std::size_t& n_right) {
  const std::size_t n = node.end - node.begin;
  Case* cases = cases_->data() + node.begin;
  worker.spare.resize(std::max(worker.spare.size(), n));
  const std::span<const CartQuestion> questions = tree.questions_of(of);
  std::size_t n_left = 0, n_stays = 0;
  n_right = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::int32_t side = worker.side[i];
    for (std::int32_t s = 1; s <= of.n_surrogates && side == kUndecided; ++s) {
      const SplitCandidate& surrogate = questions[static_cast<std::size_t>(s)].split;
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

}  // namespace pygbt
