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
void CartGrower<Criterion>::split(CartTree::Writer& tree, OpenNode& node, Worker& worker, bool parallel, OpenNode& left,
                                  OpenNode& right) {
  const std::int32_t child = tree.add_two();
  CartNode& grown = tree.node(node.node);
  grown.child = child;
  std::size_t n_left = 0;
  std::size_t n_right = 0;
  if (options_.missing == MissingRows::kDirection) {
    n_left = divide(grown, node, worker, left, right);
    n_right = node.end - node.begin - n_left;
    tree.ask(grown, node.found[0], {}, std::span(node.found).subspan(1));
  } else {
    std::vector<Surrogate> surrogates;
    n_left = divide_by_surrogates(grown, node, worker, parallel, surrogates, n_right);
    tree.ask(grown, node.found[0], surrogates, std::span(node.found).subspan(1));
  }
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
std::size_t CartGrower<Criterion>::divide(CartNode& into, const OpenNode& node, Worker& worker, OpenNode& left,
                                          OpenNode& right) {
  const SplitCandidate& asked = node.found[0];
  const Criterion& criterion = worker.search.criterion();
  const std::size_t n = node.end - node.begin;
  Case* cases = cases_->data() + node.begin;
  if (worker.spare.size() < n) worker.spare.resize(n);
  const auto width = static_cast<std::size_t>(criterion.width);
  left.total.resize(width);
  right.total = node.total;
  std::size_t n_left = 0;
  const auto each = [&](const auto& goes_right) {
    n_left = part_cases(criterion, cases, n, worker.spare.data(), node.left_known ? node.left.data() : nullptr,
                        left.total.data(), right.total.data(), goes_right);
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
  else if (node.local)
    visit_rows(rows_, worker.local.rows(), asked.feature, column.width, [&](const auto& code_at) {
      by_code([&](std::size_t, const Case& one) { return Code{code_at(one.row)}; });
    });
  else
    visit_column(column, [&](const auto& codes) {
      by_code([&codes](std::size_t, const Case& one) { return Code{codes[one.row]}; });
    });
  // Missing values follow the search, else the heavier side.
  into.fallback = asked.has_missing ? (asked.missing_left ? 0 : 1) : right.total[0] > left.total[0] ? 1 : 0;
  return n_left;
}

template <class Criterion>
std::size_t CartGrower<Criterion>::divide_by_surrogates(CartNode& into, const OpenNode& node, Worker& worker,
                                                        bool parallel, std::vector<Surrogate>& surrogates,
                                                        std::size_t& n_right) {
  const std::span<const Case> cases = cases_of(node);
  const SplitCandidate& asked = node.found[0];
  worker.side.resize(cases.size());
  std::int64_t weight[3] = {0, 0, 0};
  visit_column(table_.columns[static_cast<std::size_t>(asked.feature)], [&](const auto& codes) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const std::int32_t child = asked.child(codes[cases[i].row]);
      worker.side[i] = child < 0 ? kUndecided : static_cast<std::uint8_t>(child);
      weight[worker.side[i]] += cases[i].weight;
    }
  });
  // The majority of the rows that the question decides; at 50:50 none.
  into.fallback = options_.use_surrogates < 2 || weight[0] == weight[1] ? kStays : weight[1] > weight[0] ? 1 : 0;
  if (options_.use_surrogates > 0 && options_.max_surrogates > 0) surrogates = find_surrogates(node, worker, parallel);
  return partition(into.fallback, surrogates, node, worker, n_right);
}

template <class Criterion>
std::vector<Surrogate> CartGrower<Criterion>::find_surrogates(const OpenNode& node, Worker& worker, bool parallel) {
  const std::span<const Case> cases = cases_of(node);
  const FeatureId asked = node.found[0].feature;
  const std::span<const std::uint8_t> side(worker.side.data(), cases.size());
  std::vector<Surrogate> found(static_cast<std::size_t>(table_.n_features()));
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
  std::erase_if(found, [](const Surrogate& s) { return !s.split.found(); });
  std::stable_sort(found.begin(), found.end(),
                   [](const Surrogate& a, const Surrogate& b) { return a.agreement > b.agreement; });
  if (found.size() > static_cast<std::size_t>(options_.max_surrogates))
    found.resize(static_cast<std::size_t>(options_.max_surrogates));
  return found;
}

// Cases of child 0 first, then those of child 1, each in their order; those that stay come last. Returns the number of
// the first.
template <class Criterion>
std::size_t CartGrower<Criterion>::partition(std::int32_t fallback, std::span<const Surrogate> surrogates,
                                             const OpenNode& node, Worker& worker, std::size_t& n_right) {
  const std::size_t n = node.end - node.begin;
  Case* cases = cases_->data() + node.begin;
  if (worker.spare.size() < n) worker.spare.resize(n);
  std::size_t n_left = 0, n_stays = 0;
  n_right = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::int32_t side = worker.side[i];
    for (std::size_t s = 0; s < surrogates.size() && side == kUndecided; ++s) {
      const SplitCandidate& surrogate = surrogates[s].split;
      const std::int32_t child = surrogate.child(code(surrogate.feature, cases[i].row));
      if (child >= 0) side = child;
    }
    if (side == kUndecided) side = fallback >= 0 ? fallback : kUndecided;
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
