// SPDX-License-Identifier: Apache-2.0
// A step of a small table in one dispatch: a task makes the histograms of a block's features, subtracts and searches
// them. Where all of that takes some microseconds, to begin and end three dispatches would take as long.
#include "backend/cpu_calls.h"
#include "base/pool.h"

namespace pygbt {

namespace {

constexpr std::int64_t kBlockStepRows = 1 << 15;  // of the table, at most: larger steps are worth finer tasks
constexpr std::int64_t kLargeCells = 1 << 16;  // of a histogram: some of them are more than the caches hold

using Family = HistogramFamily;

// [node built] pairs and queries follow the order of the nodes that are built; empty where they do not.
std::vector<Family> families(const HistogramStep& step, std::span<const SplitQuery> queries) {
  std::vector<Family> out;
  std::size_t pair = 0, query = 0;
  for (const NodeId built : step.built) {
    Family family{pair, pair, query, query};
    const bool paired = pair < step.pairs.size() && step.pairs[pair].built == built;
    if (paired) family.pairs_end = ++pair;
    const auto belongs = [&](NodeId node) { return node == built || (paired && node == step.pairs[pair - 1].derived); };
    while (query < queries.size() && belongs(queries[query].node)) ++query;
    family.queries_end = query;
    out.push_back(family);
  }
  return pair == step.pairs.size() && query == queries.size() ? out : std::vector<Family>{};
}

}  // namespace

bool CpuBackend::goes_by_blocks(const HistogramStep& step) const {
  const auto n_blocks = static_cast<std::int64_t>(layouts_.size());
  const bool ready = step.built.size() == 1 && step.built[0] == 0 && !round_roots_.empty();
  return n_threads_ > 1 && n_rows_ <= kBlockStepRows && n_blocks >= n_threads_ && !block_features_.empty() &&
         request_.width == 1 && comm_->size() == 1 && !ready;
}

// A few families after the other: what one makes is in cache when it is searched, and the memory of those that nobody
// asks for again is the next one's.
void CpuBackend::split_by_families(const HistogramStep& step, const SplitRules& rules,
                                   std::span<const SplitQuery> queries, std::span<const Family> by_node,
                                   std::span<Split> out) {
  const auto together = static_cast<std::size_t>(n_threads_);
  for (std::size_t first = 0; first < by_node.size(); first += together) {
    const std::size_t n = std::min(together, by_node.size() - first);
    const Family& begin = by_node[first];
    const Family& end = by_node[first + n - 1];
    const HistogramStep part{step.built.subspan(first, n), step.pairs.subspan(begin.pair, end.pairs_end - begin.pair)};
    const std::size_t n_queries = end.queries_end - begin.query;
    Backend::build_and_split(part, rules, queries.subspan(begin.query, n_queries), false,
                             out.subspan(begin.query, n_queries));
    if (!step.last) continue;
    release(part.built);
    for (const SiblingPair& pair : part.pairs) release({&pair.derived, 1});
  }
}

void CpuBackend::build_and_split(const HistogramStep& step, const SplitRules& rules,
                                 std::span<const SplitQuery> queries, bool shared, std::span<Split> out) {
  if (request_.width > 1 && !shared && comm_->size() == 1 && bin_offset_.back() * request_.width >= kLargeCells) {
    const std::vector<Family> large = families(step, queries);
    if (!large.empty()) return split_by_families(step, rules, queries, large, out);
  }
  const std::vector<Family> by_node = !shared && goes_by_blocks(step) ? families(step, queries) : std::vector<Family>{};
  if (by_node.empty()) {
    Backend::build_and_split(step, rules, queries, shared, out);
    return;
  }
  HistogramCall build(*this, step.built);
  const SubtractCall subtract(*this, step.pairs);
  std::int64_t additions = 0;
  for (const NodeId node : step.built) additions += rows_at(node).count * data_->n_features();
  SplitCall split(*this, rules, queries, shared, additions);
  const auto n_threads = static_cast<std::size_t>(split.n_threads());
  if (histogram_buffers_.size() < n_threads) histogram_buffers_.resize(n_threads);
  parallel_for(split.n_threads(), static_cast<std::int64_t>(layouts_.size()), [&](std::int64_t block, int worker) {
    const auto b = static_cast<std::size_t>(block);
    const FeatureId begin = block_features_[b], end = block_features_[b + 1];
    for (std::size_t i = 0; i < by_node.size(); ++i) {  // the cells of a family stay in L1
      const Family& family = by_node[i];
      build.add_block(b, i, histogram_buffers_[static_cast<std::size_t>(worker)]);
      for (std::size_t pair = family.pair; pair < family.pairs_end; ++pair)
        subtract.subtract(pair, bin_offset_[static_cast<std::size_t>(begin)],
                          bin_offset_[static_cast<std::size_t>(end)]);
      split.scan(begin, end, family.query, family.queries_end, worker);
    }
  });
  split.judge(out);
}

}  // namespace pygbt
