// SPDX-License-Identifier: Apache-2.0
// A binary tree while it grows: nodes in any order, questions over codes. What it becomes: a DecisionTree, with all that
// a reader wants, or a Tree of a Model, for the predictors of forests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include "base/pages.h"
#include "cart/cart_options.h"
#include "cart/split_candidate.h"
#include "decision/coded_table.h"
#include "decision/decision_tree.h"
#include "decision/response.h"
#include "tree/tree.h"

namespace pygbt {

// A question about another column that sends rows as the one asked does.
struct Surrogate {
  SplitCandidate split;
  double agreement = 0.0, adjusted = 0.0;
};

// A question of a node of the tree.
struct CartQuestion {
  double goodness = 0.0;  // of the search; of a surrogate its agreement
  double improvement = 0.0;  // of the search; of a surrogate its adjusted agreement
  union {
    Code cut[2] = {0, 0};  // numeric: codes on both sides
    double drawn;  // the threshold itself
  };
  const std::int8_t* branches = nullptr;  // nominal: [category] 0, 1, or -1: not in the node; kept by the tree
  FeatureId feature = -1;
  std::uint8_t low_child = 0;
  bool is_drawn = false;
};

struct CartNode {
  std::int32_t child = -1;  // first of two; -1: a leaf
  std::int32_t n_questions = 0;
  const CartQuestion* questions = nullptr;  // the one asked, surrogates, competitors
  std::int32_t n_surrogates = 0;
  std::int32_t label = -1;
  std::uint32_t count = 0;
  std::int8_t fallback = kStays;
  double weight = 0.0;  // real units
  double risk = 0.0, impurity = 0.0;

  std::span<const CartQuestion> asked() const { return {questions, static_cast<std::size_t>(n_questions)}; }
};

// Nodes and questions lie in blocks, so that threads grow sub-trees side by side, none is ever moved, and what has been
// turned into another tree can be given up block by block.
class CartTree {
 public:
  // No nodes; their memory stays. n_values: of a node. most_cases: of the tree. n_writers: threads that grow it.
  void start(std::int32_t n_values, std::size_t most_cases, std::size_t n_writers, std::size_t most_questions);

  std::int32_t n_values() const { return n_values_; }
  CartNode& node(std::int32_t node) { return block(node).nodes()[node & kInBlock]; }
  const CartNode& node(std::int32_t node) const { return block(node).nodes()[node & kInBlock]; }
  double* value(std::int32_t node) { return block(node).values() + value_place(node); }
  const double* value(std::int32_t node) const { return block(node).values() + value_place(node); }
  std::size_t n_writers() const { return n_writers_; }
  std::size_t n_nodes() const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < n_blocks_; ++i) n += static_cast<std::size_t>(blocks_[i].used);
    return n;
  }
  // Not fewer than there are.
  std::size_t most_nodes() const { return n_blocks_ * static_cast<std::size_t>(kBlock); }
  // The node, the root included, is not asked for any more: its memory goes when that holds for its whole block.
  void forget(std::int32_t node);

  // What one thread adds to the tree.
  class Writer {
   public:
    explicit Writer(CartTree& tree) : tree_(&tree) {}
    CartTree& tree() { return *tree_; }
    CartNode& node(std::int32_t node) { return tree_->node(node); }
    double* value(std::int32_t node) { return tree_->value(node); }
    // The root, which is node 0 where no other writer has begun.
    std::int32_t add_root();
    // Two leaves side by side; the first.
    std::int32_t add_two();
    // The questions of a node, which has none so far: the one asked, surrogates, competitors.
    void ask(CartNode& node, const SplitCandidate& asked, std::span<const Surrogate> surrogates = {},
             std::span<const SplitCandidate> competitors = {});

   private:
    std::int32_t add(std::int32_t n);
    void put(const SplitCandidate& split, double goodness, double improvement);

    CartTree* tree_;
    std::int32_t next_ = 0, end_ = 0;
    CartQuestion* question_ = nullptr;
    std::size_t questions_left_ = 0;
  };

 private:
  static constexpr int kBlockBits = 10;
  static constexpr std::int32_t kBlock = 1 << kBlockBits, kInBlock = kBlock - 1;

  struct Block {
    PageVector<std::byte> memory;  // nodes, then [node][n_values]
    std::int32_t used = 0;  // nodes

    CartNode* nodes() { return reinterpret_cast<CartNode*>(memory.data()); }
    const CartNode* nodes() const { return reinterpret_cast<const CartNode*>(memory.data()); }
    double* values() { return reinterpret_cast<double*>(nodes() + kBlock); }
    const double* values() const { return reinterpret_cast<const double*>(nodes() + kBlock); }
  };

  Block& block(std::int32_t node) { return blocks_[static_cast<std::size_t>(node >> kBlockBits)]; }
  const Block& block(std::int32_t node) const { return blocks_[static_cast<std::size_t>(node >> kBlockBits)]; }
  std::size_t value_place(std::int32_t node) const {
    return static_cast<std::size_t>(node & kInBlock) * static_cast<std::size_t>(n_values_);
  }
  std::int32_t take_block();
  std::span<CartQuestion> take_questions();

  std::int32_t n_values_ = 1;
  std::size_t n_writers_ = 1;
  std::size_t questions_a_block_ = 0;
  std::mutex taking_;  // of what follows
  std::vector<Block> blocks_;  // never moved while the tree grows
  std::size_t n_blocks_ = 0, n_question_blocks_ = 0;  // in use
  std::vector<PageVector<CartQuestion>> questions_;
  std::deque<std::vector<std::int8_t>> branches_;
};

// Splits whose complexity is at most `alpha` are undone: the smallest tree that is best for R + alpha x leaves (section
// 3 of Breiman et al. 1984). Risks of the nodes must be set.
void undo_weak_splits(CartTree& tree, double alpha);

// The tree is gone then.
DecisionTree to_decision_tree(CartTree& tree, const CodedTable& table, const Response& response,
                              const CartOptions& options);

// Leaf values as float32 [leaf][n_values]: shares of the classes (by class_factor), or means of the targets. Trees
// without surrogates, in which no row stays. labels, if given: [leaf] predicted class.
Tree to_model_tree(const CartTree& tree, const CodedTable& table, const Response& response, const CartOptions& options,
                   std::vector<std::int32_t>* labels = nullptr);

}  // namespace pygbt
