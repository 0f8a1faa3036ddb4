// SPDX-License-Identifier: Apache-2.0
// Grows one binary tree: search, surrogates, partition, node by node. Large nodes are searched by all threads, feature
// by feature; then whole sub-trees are tasks. What a node becomes depends on its cases alone, so threads change nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <queue>
#include <span>
#include <vector>

#include "base/progress.h"
#include "cart/bit_cells.h"
#include "cart/cart_options.h"
#include "cart/cart_tree.h"
#include "cart/cases.h"
#include "cart/cell_batch.h"
#include "cart/code_cuts.h"
#include "cart/feature_bits.h"
#include "cart/feature_draw.h"
#include "cart/feature_search.h"
#include "cart/few_cases.h"
#include "cart/node_summary.h"
#include "cart/surrogate_search.h"
#include "decision/row_codes.h"

namespace pygbt {

template <class Criterion>
class CartGrower {
 public:
  using Case = typename Criterion::Case;

  // All outlive the grower. rows: the same codes by rows, or empty. summaries: compute risk and impurity of every node
  // (forests do not read them).
  CartGrower(const CodedTable& table, const RowCodes& rows, const Response& response, const CartOptions& options,
             int n_threads, bool summaries);

  // Told of the cases of finished leaves, where it is there; outlives the grower. Whoever stops the work leaves nothing to use.
  void set_progress(Progress* progress) { progress_ = progress; }

  // Grows a tree on these cases, in place of what `tree` was; they are reordered. `options` may differ from tree to tree in `tree` alone.
  void grow(std::vector<Case>& cases, CartTree& tree);

 private:
  struct OpenNode {
    std::int32_t node = 0;  // in the tree that it grows in
    std::size_t begin = 0, end = 0;  // its cases
    std::int32_t depth = 0;
    std::uint64_t key = 1;
    std::vector<std::int64_t> total;  // [width] cell of its cases
    FeatureBits constant;  // features known to have one value here
    std::vector<SplitCandidate> found;  // what the search left, the best first
    bool local = false;  // rows of its cases are places in Worker::local
    std::vector<std::int64_t> left;  // [width] cell of the left side of the best
    bool left_known = false;
    const NodeCodes* asked = nullptr;  // codes in the column of the best, where they are at hand
  };

  // What one thread works with.
  struct Worker {
    Worker(const CodedTable& table, const RowCodes& rows, const Response& response, const CartOptions& options,
           LeastSide least)
        : search(table, response, options, least),
          few(table, rows, response, options, least),
          surrogates(table, options, response.weight_unit),
          draw(table.n_features()),
          cuts(table, search.criterion(), options, least),
          codes(1),
          bits(rows) {}
    // Gives back the memory of the search of a large node.
    void release() {
      search.release();
      surrogates.release();
      for (NodeCodes& of : codes) of.release();
    }

    FeatureSearch<Criterion> search;
    FewCases<Criterion> few;
    SurrogateSearch surrogates;
    FeatureDraw draw;
    std::vector<FeatureId> batch;  // features that are read together
    CodeCuts<Criterion> cuts;  // of those that have few codes, in a node of narrow sums
    std::vector<NodeCodes> codes;  // of each
    BitCells<Criterion> bits;  // of those that have two values
    CellBatch cells;  // of those that are counted otherwise
    RowCopies local;  // codes by rows of the cases of a sub-tree
    PageVector<Case> spare;
    std::vector<std::uint8_t> side;
    OpenNode current;
    std::vector<OpenNode> stack;  // those below `top` are open, the others keep their memory
  };

  // Fills in the statistics of a node of the tree; whether it may be split.
  bool open(CartTree::Writer& tree, std::int32_t at, std::int32_t depth, std::span<const Case> cases,
            const std::int64_t* total, const Criterion& criterion) const;
  bool open(CartTree::Writer& tree, const OpenNode& node, const Worker& worker) const {
    return open(tree, node.node, node.depth, cases_of(node), node.total.data(), worker.search.criterion());
  }
  // The same; a node that may not is done with.
  bool opens(CartTree::Writer& tree, const OpenNode& node, const Worker& worker) const {
    if (open(tree, node, worker)) return true;
    tell(node.end - node.begin);
    return false;
  }
  void tell(std::size_t n_settled) const {
    if (progress_ != nullptr) progress_->advance(static_cast<std::int64_t>(n_settled));
  }
  // Finds questions; false: there is none. parallel: by all threads.
  bool search(OpenNode& node, Worker& worker, bool parallel);
  void search_here(OpenNode& node, Worker& worker, std::vector<SplitCandidate>& found);
  bool by_column(const OpenNode& node) const;
  // Bytes of the codes of its cases in one column.
  std::size_t code_bytes(const OpenNode& node, FeatureId feature) const {
    return (node.end - node.begin) * table_.columns[static_cast<std::size_t>(feature)].width;
  }
  void read_batch(const OpenNode& node, Worker& worker) const;
  std::vector<std::size_t> batches(const OpenNode& node, std::span<const FeatureId> features, int least) const;
  // Takes the features out of the batch whose cuts are judged by code, and judges them; whether one beats `best`.
  bool judge_by_code(OpenNode& node, Worker& worker, SplitCandidate& best) const;
  // Those that cost least as cells, and counts these.
  void count_batch(const OpenNode& node, Worker& worker) const;
  // Takes those of two values out, and counts them. use(feature, cells): see BitCells.
  template <class Use>
  void count_two_valued(OpenNode& node, Worker& worker, const Use& use) const;
  // Codes by rows of the node's cases.
  RowsAt rows_of(const OpenNode& node, const Worker& worker) const {
    return node.local ? worker.local.rows() : all_rows(rows_);
  }
  // Copies the codes by rows of the node's cases, so that its sub-tree finds them in the cache.
  void make_local(OpenNode& node, Worker& worker);
  void search_all(OpenNode& node, Worker& worker, bool parallel, std::vector<SplitCandidate>& found);
  // Asks the best question found: partition, two children with their totals.
  void split(CartTree::Writer& tree, OpenNode& node, Worker& worker, bool parallel, OpenNode& left, OpenNode& right);
  // Without surrogates every case goes left or right at once.
  std::size_t divide(CartNode& into, const OpenNode& node, Worker& worker, OpenNode& left, OpenNode& right);
  // With them: sides of the rows, surrogates, partition. n_right: cases of child 1; the rest stays.
  std::size_t divide_by_surrogates(CartNode& into, const OpenNode& node, Worker& worker, bool parallel,
                                   std::vector<Surrogate>& surrogates, std::size_t& n_right);
  std::vector<Surrogate> find_surrogates(const OpenNode& node, Worker& worker, bool parallel);
  std::size_t partition(std::int32_t fallback, std::span<const Surrogate> surrogates, const OpenNode& node,
                        Worker& worker, std::size_t& n_right);
  void set_total(OpenNode& node, const Criterion& criterion) const;

  void grow_by_threads(CartTree::Writer& tree, OpenNode root);
  void grow_best_first(CartTree::Writer& tree, OpenNode root);
  void grow_subtree(CartTree::Writer& tree, OpenNode root, Worker& worker);
  void grow_few(CartTree::Writer& tree, const OpenNode& root, Worker& worker);
  void start(CartTree& tree, std::size_t n_cases) const;

  std::span<const Case> cases_of(const OpenNode& node) const {
    return {cases_->data() + node.begin, node.end - node.begin};
  }
  Code code(FeatureId feature, std::uint32_t row) const {
    return table_.columns[static_cast<std::size_t>(feature)].at(row);
  }

  const CodedTable& table_;
  const RowCodes& rows_;
  const Response& response_;
  const CartOptions& options_;
  int n_threads_;
  bool summaries_;
  LeastSide least_;
  std::int64_t least_split_rows_ = 0, least_split_weight_ = 0;
  double root_risk_ = 0.0, root_rate_ = 0.0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Case>* cases_ = nullptr;
  Progress* progress_ = nullptr;
};

}  // namespace pygbt
