// SPDX-License-Identifier: Apache-2.0
// Which columns the nodes of a step may be cut on, where every node draws its own or its path says which may meet: what
// grow/column_sampler and grow/constraints do on the host. Launched before a search, which skips the others.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/tree_order.h"
#include "block.h"
#include "buffer.h"
#include "device.h"
#include "frontier.h"
#include "math/column_draw.h"
#include "math/layout.h"
#include "split_search.h"
#include "tree_work.h"

namespace pygbt::device {

// Units of columns that the nodes of a list draw from, ascending, and how many they draw.
struct UnitList {
  const std::int32_t* units = nullptr;
  std::int32_t n = 0;
  std::int32_t n_drawn = 0;
};

struct NodeColumns {
  std::uint8_t* allowed = nullptr;  // [set][feature] of its list
  const FeatureList* lists = nullptr;  // of features
  std::int32_t n_features = 0;

  const UnitList* levels = nullptr;  // [list], or nullptr: nodes draw none
  const std::int32_t* unit_of = nullptr;  // [feature]
  const double* weights = nullptr;  // [unit], or nullptr
  std::uint64_t seed = 0;
  std::uint64_t* clocks = nullptr;  // [set][n_units] scratch
  std::uint8_t* drawn = nullptr;  // [set][n_units]
  std::int32_t n_units = 0;

  const std::uint32_t* members = nullptr;  // [interaction][n_path_words of the tree] features as bits
  std::uint8_t* holds = nullptr;  // [set][n_interactions] whether all of the node's path is in it
  std::int32_t n_interactions = 0;  // 0 = no constraints
};

// A block a set of nodes.
struct NodeColumnsKernel {
  NodeColumns columns;
  Frontier tree;
  const TreeArguments* arguments;

  PYGBT_KERNEL void operator()() const {
    const auto set = static_cast<std::int32_t>(block());
    if (set >= tree.state->n_sets) return;
    const NodeSet nodes = tree.sets[set];
    const NodeId id = tree.searched[nodes.first];  // all nodes of a symmetric level have the same path
    if (columns.levels != nullptr) draw(set, id, columns.levels[nodes.list]);
    const bool constrained = columns.n_interactions > 0 && tree.nodes[id].depth > 0;
    if (constrained) hold(set, id);
    sync();
    const FeatureList list = columns.lists[nodes.list];
    for (std::int32_t i = thread(); i < list.n; i += n_threads()) {
      const FeatureId f = list.features[i];
      const bool drawn =
          columns.levels == nullptr || columns.drawn[row_major(set, columns.unit_of[f], columns.n_units)] != 0;
      columns.allowed[row_major(set, f, columns.n_features)] = drawn && (!constrained || meets_path(set, id, f));
    }
  }

  // The units whose clocks come first.
  PYGBT_KERNEL void draw(std::int32_t set, NodeId id, const UnitList& level) const {
    std::uint64_t* const clocks = columns.clocks + std::int64_t{set} * columns.n_units;
    for (std::int32_t i = thread(); i < level.n; i += n_threads())
      clocks[i] =
          std::bit_cast<std::uint64_t>(column_clock(columns.seed, Draw::kColumnNode, arguments->number, level.units[i],
                                                    static_cast<std::uint32_t>(id), columns.weights));
    sync();
    const Bound bound = bound_of(clocks, level.n, level.n_drawn);
    std::uint32_t n_equal = 0;
    for (std::int32_t begin = 0; begin < level.n; begin += n_threads()) {
      const std::int32_t i = begin + thread();
      const std::uint64_t digits = i < level.n ? clocks[i] >> bound.shift : bound.prefix + 1;
      const bool equal = digits == bound.prefix;
      std::uint32_t total = 0;
      const std::uint32_t before = n_equal + block_scan(std::uint32_t{equal}, scratch(), total);
      if (i < level.n)
        columns.drawn[row_major(set, level.units[i], columns.n_units)] =
            digits < bound.prefix || (equal && before < bound.n_equal);
      n_equal += total;
    }
  }

  // The first n clocks: those whose digits from `shift` on are below `prefix`, and the first n_equal that have the same.
  // Clocks are not negative, so that their bits are in their order.
  struct Bound {
    std::uint64_t prefix = 0;
    std::uint32_t n_equal = 0;
    int shift = 64;
  };
  static constexpr int kDigitBits = 8;
  static constexpr int kDigits = 1 << kDigitBits;
  PYGBT_KERNEL Bound bound_of(const std::uint64_t* clocks, std::int32_t n_clocks, std::int32_t n) const {
    Bound bound;
    bound.n_equal = static_cast<std::uint32_t>(n);
    for (bool exact = false; !exact && bound.shift > 0;) {
      bound.shift -= kDigitBits;
      for (int digit = thread(); digit < kDigits; digit += n_threads()) counts()[digit] = 0;
      sync();
      for (std::int32_t i = thread(); i < n_clocks; i += n_threads()) {
        const std::uint64_t digits = clocks[i] >> bound.shift;
        if (digits >> kDigitBits == bound.prefix) add(counts() + digits % kDigits, 1u);
      }
      sync();
      std::uint32_t below = 0;
      for (int begin = 0; begin < kDigits; begin += n_threads()) {
        const int digit = begin + thread();
        const std::uint32_t here = digit < kDigits ? counts()[digit] : 0;
        std::uint32_t total = 0;
        const std::uint32_t before = below + block_scan(here, scratch(), total);
        if (before < bound.n_equal && bound.n_equal <= before + here) {
          found()[0] = static_cast<std::uint32_t>(digit);
          found()[1] = bound.n_equal - before;
          found()[2] = here;
        }
        below += total;
      }
      sync();
      bound.prefix = bound.prefix << kDigitBits | found()[0];
      bound.n_equal = found()[1];
      exact = found()[1] == found()[2];
      sync();
    }
    return bound;
  }

  // Shared memory: counts of digits, the digit that was found, sums of warps.
  PYGBT_KERNEL static std::uint32_t* counts() { return shared<std::uint32_t>(); }
  PYGBT_KERNEL static std::uint32_t* found() { return counts() + kDigits; }
  PYGBT_KERNEL static std::uint32_t* scratch() { return found() + 4; }
  static std::size_t shared_bytes(std::size_t n_warps) { return (kDigits + 4 + n_warps) * sizeof(std::uint32_t); }

  PYGBT_KERNEL std::uint32_t path(NodeId id, std::int32_t word) const {
    return tree.paths[row_major(id, word, tree.n_path_words)];
  }
  PYGBT_KERNEL std::uint32_t members(std::int32_t interaction, std::int32_t word) const {
    return columns.members[row_major(interaction, word, tree.n_path_words)];
  }
  PYGBT_KERNEL static bool has(std::uint32_t word, FeatureId f) { return (word >> (f % 32) & 1u) != 0; }

  PYGBT_KERNEL void hold(std::int32_t set, NodeId id) const {
    for (std::int32_t i = thread(); i < columns.n_interactions; i += n_threads()) {
      bool all = true;
      for (std::int32_t word = 0; all && word < tree.n_path_words; ++word)
        all = (path(id, word) & ~members(i, word)) == 0;
      columns.holds[row_major(set, i, columns.n_interactions)] = all;
    }
  }
  PYGBT_KERNEL bool meets_path(std::int32_t set, NodeId id, FeatureId f) const {
    bool meets = has(path(id, f / 32), f);
    for (std::int32_t i = 0; !meets && i < columns.n_interactions; ++i)
      meets = columns.holds[row_major(set, i, columns.n_interactions)] != 0 && has(members(i, f / 32), f);
    return meets;
  }
};

struct NodeColumnMemory {
  explicit NodeColumnMemory(Device& device)
      : allowed(device),
        drawn(device),
        holds(device),
        clocks(device),
        levels(device),
        units(device),
        unit_of(device),
        weights(device),
        members(device) {}
  NodeColumns columns;
  Buffer<std::uint8_t> allowed, drawn, holds;
  Buffer<std::uint64_t> clocks;
  Buffer<UnitList> levels;
  Buffer<std::int32_t> units, unit_of;
  Buffer<double> weights;
  Buffer<std::uint32_t> members;
  std::vector<NodeDraws::Level> sent;
};

}  // namespace pygbt::device
