// SPDX-License-Identifier: Apache-2.0
#include "tree/blend_tree.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace pygbt {
namespace {

constexpr std::int32_t kMostLevels = 8;  // of a symmetric tree: 2^8 exits

// Emits one tree. The top is shallow enough to recurse: it has at most kMostExits exits.
class Emitter {
 public:
  Emitter(std::span<const CodeNode> nodes, std::int32_t most_exits, BlendCode& code, std::vector<std::int32_t>& exits)
      : nodes_(nodes), code_(code), exits_(exits), in_top_(nodes.size(), false) {
    choose_top(most_exits);
  }

  void run() {
    if (!is_split(0)) {
      exits_.push_back(0);
      code_.levels.push_back({0, 0, 0});  // a lone leaf: every row adds 0
      return;
    }
    if (symmetric()) return;
    emit(0);
    // The root's slot becomes slot 0 by exchanging the names of the two.
    const Operand root = last_out_, zero = slot(0);
    if (root == zero) return;
    const auto rename = [&](Operand& at) { at = at == root ? zero : at == zero ? root : at; };
    for (std::size_t i = first_.octets; i < code_.octets.size(); ++i) rename(code_.octets[i].out);
    for (std::size_t i = first_.quartets; i < code_.quartets.size(); ++i) rename(code_.quartets[i].out);
    for (std::size_t i = first_.pairs; i < code_.pairs.size(); ++i) rename(code_.pairs[i].out);
    for (std::size_t i = first_.blends; i < code_.blends.size(); ++i) {
      BlendOp& op = code_.blends[i];
      rename(op.left), rename(op.right), rename(op.out);
    }
  }

 private:
  const CodeNode& node(std::int32_t i) const { return nodes_[static_cast<std::size_t>(i)]; }
  bool is_split(std::int32_t i) const { return in_top_[static_cast<std::size_t>(i)]; }
  static Operand slot(std::int32_t i) {
    return static_cast<Operand>(kSlotFlag | static_cast<unsigned>(kMostExits + i * kSlotUnits));
  }

  // Level by level until the exits are used up.
  void choose_top(std::int32_t most_exits) {
    std::vector<std::int32_t> level = {0}, next;
    std::int32_t n_exits = 1;
    while (!level.empty()) {
      next.clear();
      for (const std::int32_t i : level) {
        if (node(i).left == i || n_exits == most_exits) continue;
        in_top_[static_cast<std::size_t>(i)] = true;
        ++n_exits;
        next.push_back(node(i).left);
        next.push_back(node(i).left + 1);
      }
      level.swap(next);
    }
  }

  // One test a level, and all leaves at the same depth.
  bool symmetric() {
    std::vector<std::int32_t> level = {0}, next;
    std::vector<LevelOp> levels;
    while (is_split(level[0])) {
      if (levels.size() == kMostLevels) return false;
      const CodeNode& first = node(level[0]);
      next.clear();
      for (const std::int32_t i : level) {
        if (!is_split(i) || node(i).plane != first.plane || node(i).cut != first.cut) return false;
        next.push_back(node(i).left);
        next.push_back(node(i).left + 1);
      }
      levels.push_back({first.plane, first.cut, 0});
      level.swap(next);
    }
    for (const std::int32_t i : level) {
      if (is_split(i)) return false;
    }
    for (std::size_t d = 0; d < levels.size(); ++d) {
      levels[d].weight = static_cast<std::uint16_t>(1u << (levels.size() - 1 - d));
    }
    code_.levels.insert(code_.levels.end(), levels.begin(), levels.end());
    exits_.insert(exits_.end(), level.begin(), level.end());
    return true;
  }

  // Operand that holds the exits of the node, children before their parent, left before right.
  Operand emit(std::int32_t i) {
    if (!is_split(i)) {
      exits_.push_back(i);
      return static_cast<Operand>(exits_.size() - 1);
    }
    if (emit_perfect<3>(i, code_.octets) || emit_perfect<2>(i, code_.quartets) || emit_perfect<1>(i, code_.pairs)) {
      return last_out_;
    }
    const CodeNode& split = node(i);
    const Operand left = emit(split.left);
    const Operand right = emit(split.left + 1);
    last_out_ = (left & kSlotFlag) != 0 ? left : right;
    code_.blends.push_back({split.plane, split.cut, left, right, last_out_});
    return last_out_;
  }

  template <int kDepth>
  bool emit_perfect(std::int32_t root, std::vector<PerfectOp<kDepth>>& ops) {
    std::array<std::int32_t, (2u << kDepth) - 1> at = {root};  // level by level
    PerfectOp<kDepth> op;
    for (std::size_t i = 0; i < op.kTests; ++i) {
      if (!is_split(at[i])) return false;
      op.plane[i] = node(at[i]).plane;
      op.cut[i] = node(at[i]).cut;
      at[2 * i + 1] = node(at[i]).left;
      at[2 * i + 2] = node(at[i]).left + 1;
    }
    for (std::size_t i = op.kTests; i < at.size(); ++i) {
      if (is_split(at[i])) return false;
    }
    op.exit = static_cast<std::uint16_t>(exits_.size());
    op.out = last_out_ = slot(n_slots_++);
    exits_.insert(exits_.end(), at.begin() + op.kTests, at.end());
    ops.push_back(op);
    return true;
  }

  std::span<const CodeNode> nodes_;
  BlendCode& code_;
  std::vector<std::int32_t>& exits_;
  std::vector<bool> in_top_;
  const BlendCode::Sizes first_ = code_.sizes();
  std::int32_t n_slots_ = 0;
  Operand last_out_ = 0;
};

}  // namespace

BlendProgram BlendCode::program(const Sizes& begin, const Sizes& end) const {
  const auto count = [](std::size_t from, std::size_t to) { return static_cast<std::int32_t>(to - from); };
  BlendProgram program;
  program.octets = octets.data() + begin.octets;
  program.quartets = quartets.data() + begin.quartets;
  program.pairs = pairs.data() + begin.pairs;
  program.blends = blends.data() + begin.blends;
  program.levels = levels.data() + begin.levels;
  program.n_octets = count(begin.octets, end.octets);
  program.n_quartets = count(begin.quartets, end.quartets);
  program.n_pairs = count(begin.pairs, end.pairs);
  program.n_blends = count(begin.blends, end.blends);
  program.n_levels = count(begin.levels, end.levels);
  return program;
}

void append_blends(std::span<const CodeNode> nodes, std::int32_t most_exits, BlendCode& code,
                   std::vector<std::int32_t>& exits) {
  exits.clear();
  Emitter(nodes, std::min(most_exits, kMostExits), code, exits).run();
}

}  // namespace pygbt
