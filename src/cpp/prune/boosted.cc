// SPDX-License-Identifier: Apache-2.0
#include "prune/boosted.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/pool.h"
#include "boost/exact_sum.h"
#include "math/layout.h"
#include "model/predict.h"
#include "prune/row_loss.h"

namespace pygbt {
namespace {

constexpr std::int64_t kGrain = 512;        // rows
constexpr double kMarginRounding = 1e-7;  // losses of float32 margins that are closer are equal

struct NodeValues {
  std::vector<NodeId> parent;        // [node]
  std::vector<NodeId> node_of_leaf;  // [leaf]
  std::vector<float> value;          // [node][width] mean of the leaves below, by cover

  explicit NodeValues(const Tree& tree)
      : parent(tree.left.size(), kNoNode),
        node_of_leaf(static_cast<std::size_t>(tree.n_leaves())),
        value(tree.left.size() * static_cast<std::size_t>(tree.width)) {
    const auto width = static_cast<std::size_t>(tree.width);
    std::vector<double> cover(tree.left.size(), 0.0), sum(value.size(), 0.0);  // sum: cover x value
    double total = 0.0;
    for (std::size_t i = 0; i < cover.size(); ++i)
      if (tree.left[i] < 0) total += tree.cover[i];
    for (std::size_t i = cover.size(); i-- > 0;) {  // children come first
      if (tree.left[i] < 0) {
        const auto leaf = static_cast<std::size_t>(~tree.left[i]);
        node_of_leaf[leaf] = static_cast<NodeId>(i);
        cover[i] = total > 0.0 ? tree.cover[i] : 1.0;  // a tree without covers: all leaves alike
        for (std::size_t k = 0; k < width; ++k) {
          value[i * width + k] = tree.leaf_value[leaf * width + k];
          sum[i * width + k] = cover[i] * static_cast<double>(value[i * width + k]);
        }
        continue;
      }
      const auto left = static_cast<std::size_t>(tree.left[i]);
      for (const std::size_t child : {left, left + 1}) {
        parent[child] = static_cast<NodeId>(i);
        cover[i] += cover[child];
        for (std::size_t k = 0; k < width; ++k) sum[i * width + k] += sum[child * width + k];
      }
      for (std::size_t k = 0; k < width; ++k)
        value[i * width + k] = cover[i] > 0.0 ? static_cast<float>(sum[i * width + k] / cover[i]) : 0.0f;
    }
  }
};

// Marks of the nodes that become leaves; top [node]: the marked node at or above it, else the node itself.
std::vector<std::uint8_t> cut_of(const Tree& tree, const std::vector<double>& loss, std::vector<NodeId>& top) {
  const std::size_t n = tree.left.size();
  std::vector<double> best = loss;
  std::vector<std::uint8_t> cut(n, 0);
  for (std::size_t i = n; i-- > 0;) {
    if (tree.left[i] < 0) continue;
    const auto left = static_cast<std::size_t>(tree.left[i]);
    const double split = best[left] + best[left + 1];
    cut[i] = loss[i] <= split + kMarginRounding * std::abs(split) ? 1 : 0;
    if (cut[i] == 0) best[i] = split;
  }
  top.resize(n);
  std::vector<bool> below(n, false);
  for (std::size_t i = 0; i < n; ++i) {
    if (!below[i]) top[i] = static_cast<NodeId>(i);
    if (tree.left[i] < 0 || (!below[i] && cut[i] == 0)) continue;
    for (const std::size_t child :
         {static_cast<std::size_t>(tree.left[i]), static_cast<std::size_t>(tree.left[i]) + 1}) {
      below[child] = true;
      top[child] = top[i];
    }
  }
  return cut;
}

// What the pruning of one tree reads and writes.
struct Rows {
  const Dataset& data;
  std::int32_t n_outputs;
  int n_threads;
  std::vector<double> margin;  // [row][output] of all trees
};

// [node] exact loss of the rows that reach it if it were a leaf; leaf [row] with a stride.
template <class Loss>
std::vector<double> node_losses(const Tree& tree, const NodeValues& nodes, const Rows& rows, const std::int32_t* leaf,
                                std::int64_t stride, const Loss& loss) {
  const std::size_t n = tree.left.size();
  const auto k_outputs = static_cast<std::size_t>(rows.n_outputs), width = static_cast<std::size_t>(tree.width);
  std::vector<ExactSum> parts(static_cast<std::size_t>(rows.n_threads) * n);
  parallel_ranges(rows.n_threads, rows.data.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int worker) {
    ExactSum* sums = parts.data() + static_cast<std::size_t>(worker) * n;
    std::vector<float> margins(k_outputs);
    for (std::int64_t row = begin; row < end; ++row) {
      const std::uint32_t weight = rows.data.weight(row);
      if (weight == 0) continue;
      const double* all = rows.margin.data() + static_cast<std::size_t>(row) * k_outputs;
      for (std::size_t k = 0; k < k_outputs; ++k) margins[k] = static_cast<float>(all[k]);
      const NodeId own = nodes.node_of_leaf[static_cast<std::size_t>(leaf[row * stride])];
      const float* own_value = nodes.value.data() + static_cast<std::size_t>(own) * width;
      const MetricRow at{margins.data(), nullptr, rows.data.labels.data() + row * rows.data.n_labels};
      for (NodeId node = own; node != kNoNode; node = nodes.parent[static_cast<std::size_t>(node)]) {
        const float* value = nodes.value.data() + static_cast<std::size_t>(node) * width;
        for (std::size_t k = 0; k < width; ++k) {
          const std::size_t output = static_cast<std::size_t>(tree.target) + k;
          margins[output] =
              static_cast<float>(all[output] - static_cast<double>(own_value[k]) + static_cast<double>(value[k]));
        }
        sums[node].add(loss(at), weight);
      }
    }
  });
  std::vector<double> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t part = i + n; part < parts.size(); part += n) parts[i] += parts[part];
    out[i] = parts[i].value();
  }
  return out;
}

// The pruned tree, or the given one where nothing changes; the margins follow.
template <class Loss>
TreePtr prune_tree(const TreePtr& given, Rows& rows, const std::int32_t* leaf, std::int64_t stride, const Loss& loss) {
  const Tree& tree = given->tree;
  if (tree.n_nodes() == 1) return given;
  const NodeValues nodes(tree);
  std::vector<NodeId> top;
  const std::vector<std::uint8_t> cut = cut_of(tree, node_losses(tree, nodes, rows, leaf, stride, loss), top);
  if (std::find(cut.begin(), cut.end(), std::uint8_t{1}) == cut.end()) return given;
  const auto width = static_cast<std::size_t>(tree.width);
  parallel_ranges(rows.n_threads, rows.data.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto own = static_cast<std::size_t>(nodes.node_of_leaf[static_cast<std::size_t>(leaf[row * stride])]);
      const auto now = static_cast<std::size_t>(top[own]);
      double* all = rows.margin.data() + row * rows.n_outputs + tree.target;
      for (std::size_t k = 0; k < width; ++k)
        all[k] += static_cast<double>(nodes.value[now * width + k]) - static_cast<double>(nodes.value[own * width + k]);
    }
  });
  return make_model_tree(cut_boosted(tree, cut, nodes.value));
}

}  // namespace

Tree cut_boosted(const Tree& tree, std::span<const std::uint8_t> cut, std::span<const float> value) {
  const std::size_t n = tree.left.size();
  const auto width = static_cast<std::size_t>(tree.width);
  require(cut.size() == n && value.size() == n * width, "cut: one mark and one value for each node");
  std::vector<std::int32_t> place(n, -1);  // in the new tree; -1: gone
  place[0] = 0;
  std::int32_t kept = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (place[i] < 0) continue;
    place[i] = kept++;
    if (tree.left[i] < 0 || cut[i] != 0) continue;
    place[static_cast<std::size_t>(tree.left[i])] = place[static_cast<std::size_t>(tree.left[i]) + 1] = 0;
  }
  Tree out;
  out.width = tree.width;
  out.target = tree.target;
  std::int32_t n_leaves = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (place[i] < 0) continue;
    const bool leaf = tree.left[i] < 0 || cut[i] != 0;
    out.left.push_back(leaf ? ~n_leaves++ : place[static_cast<std::size_t>(tree.left[i])]);
    out.feature.push_back(leaf ? -1 : tree.feature[i]);
    out.threshold.push_back(leaf ? 0.0 : tree.threshold[i]);
    out.default_left.push_back(leaf && tree.left[i] >= 0 ? std::uint8_t{0} : tree.default_left[i]);
    out.gain.push_back(leaf ? 0.0f : tree.gain[i]);
    out.cover.push_back(tree.cover[i]);
    out.count.push_back(tree.count[i]);
    const bool categories = !leaf && tree.is_set(i);
    if (!tree.cat_begin.empty()) {
      out.cat_begin.push_back(categories ? static_cast<std::int32_t>(out.cat_bits.size()) : -1);
      out.cat_words.push_back(categories ? tree.cat_words[i] : 0);
    }
    if (categories) {
      const auto first = tree.cat_bits.begin() + tree.cat_begin[i];
      out.cat_bits.insert(out.cat_bits.end(), first, first + tree.cat_words[i]);
    }
    if (leaf) out.leaf_value.insert(out.leaf_value.end(), &value[i * width], &value[i * width] + width);
  }
  return out;
}

Model prune_boosted(const Model& model, const BoostedRows& given, const std::string& metric) {
  const Dataset& data = given.data;
  const auto n = static_cast<std::size_t>(data.n_rows);
  const auto k = static_cast<std::size_t>(model.n_outputs());
  PredictInput input{.n_rows = data.n_rows, .columns = given.columns, .base_margin = data.base_margin};
  input.n_threads = given.n_threads;
  input.end = model.n_iterations();
  std::vector<float> margin(n * k);
  predict_scores(model, input, Output::kMargin, margin);
  Rows rows{data, model.n_outputs(), resolve_threads(given.n_threads), {margin.begin(), margin.end()}};
  ModelParts parts{model.shared_cuts(), model.loss(), model.base_score(), model.trees_per_iteration(), {}};
  visit_row_loss(model.loss(), data, metric, [&](const auto& loss) {
    const auto stride = static_cast<std::int64_t>(model.trees_per_iteration());
    std::vector<std::int32_t> leaves(n * static_cast<std::size_t>(stride));  // [row][tree of the iteration]
    for (std::int32_t iteration = 0; iteration < model.n_iterations(); ++iteration) {
      input.begin = iteration;
      input.end = iteration + 1;
      predict_leaves(model, input, leaves);
      for (std::int64_t t = 0; t < stride; ++t) {
        const TreePtr& tree = model.trees()[static_cast<std::size_t>(iteration * stride + t)];
        parts.trees.push_back(prune_tree(tree, rows, leaves.data() + t, stride, loss));
      }
    }
  });
  return Model(std::move(parts));
}

}  // namespace pygbt
