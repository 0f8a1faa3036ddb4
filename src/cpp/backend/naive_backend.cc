// SPDX-License-Identifier: Apache-2.0
// Rows, sums and scores of the oracle; naive_splits.cc holds its search for cuts.
#include "backend/naive_backend.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "backend/query_rows.h"
#include "base/error.h"
#include "base/rng.h"
#include "math/layout.h"
#include "math/quantise.h"
#include "math/rank_loss.h"
#include "math/route.h"
#include "math/sketch.h"
#include "math/softmax.h"
#include "math/task_loss.h"
#include "math/weighted_quantile.h"

namespace pygbt {

namespace {

bool takes_left(const BinnedTree& tree, const BinnedNode& node, Bin bin) {
  if (node.cat_begin < 0) return goes_left(bin, node.bin, node.missing_left);
  return goes_left(bin, tree.cat_bits.data() + node.cat_begin, node.cat_words);
}

bool takes_left(const Split& split, Bin bin) {
  if (!split.categorical) return goes_left(bin, split.bin, split.missing_left);
  return goes_left(bin, split.left_bins.data(), static_cast<std::int32_t>(split.left_bins.size()));
}

}  // namespace

void NaiveBackend::load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int /*n_threads*/) {
  if (comm.size() > 1) throw Unsupported("device=\"naive\" works alone; use device=\"cpu\" for several workers");
  data_ = &data;
  n_targets_ = n_targets;
  bin_offset_.assign(1, 0);
  for (const FeatureCuts& feature : data.cuts->features) bin_offset_.push_back(bin_offset_.back() + feature.n_bins);
  const auto size = static_cast<std::size_t>(data.n_rows * n_targets);
  scores_.assign(size, 0.0f);
  g_.assign(size, 0.0f);
  h_.assign(size, 0.0f);
  nodes_.clear();
}

std::size_t NaiveBackend::at(std::int64_t row, std::int32_t target) const {
  return static_cast<std::size_t>(row_major(row, target, n_targets_));
}

const NaiveBackend::Node& NaiveBackend::with_histogram(NodeId node) const {
  const Node& found = nodes_.at(node);
  if (!found.has_histogram) throw std::logic_error("the node has no histogram");
  return found;
}

void NaiveBackend::set_scores(std::span<const float> scores) {
  require(scores.size() == scores_.size(), "scores must have one value per row and target");
  scores_.assign(scores.begin(), scores.end());
}

void NaiveBackend::start_scores(std::span<const float> of_target) { fill_rows(of_target, scores_); }

void NaiveBackend::task_gradients_of(const LossSpec& loss, std::int64_t row) {
  const TaskTargets& given = task_targets_;
  const auto i = static_cast<std::size_t>(row);
  TaskRow of;
  of.scores = &scores_[at(row, 0)];
  if (!given.labels.empty()) of.labels = &given.labels[i * static_cast<std::size_t>(given.n_labels)];
  if (!given.soft.empty()) of.soft = &given.soft[at(row, 0)];
  if (!given.trust.empty()) of.trust = given.trust[i];
  if (!given.temperature.empty()) of.temperature = given.temperature[i];
  task_gradients(loss.tasks.data(), static_cast<std::int32_t>(loss.tasks.size()), of, &g_[at(row, 0)], &h_[at(row, 0)],
                 1);
}

void NaiveBackend::gradients(const LossSpec& loss) {
  if (is_ranking(loss.objective)) return rank_gradients(loss);
  const std::int32_t n_labels = data_->n_labels;
  const bool one_hot = one_hot_labels(loss, n_labels);
  for (std::int64_t row = 0; row < data_->n_rows; ++row) {
    if (!loss.tasks.empty()) {
      task_gradients_of(loss, row);
      continue;
    }
    const float* labels = data_->labels.data() + row * n_labels;
    if (!is_elementwise(loss)) {
      softmax_gradient(&scores_[at(row, 0)], labels, loss.soft_labels, n_targets_, resolve_hessian(loss.hessian),
                       &g_[at(row, 0)], &h_[at(row, 0)], 1);
      continue;
    }
    for (std::int32_t k = 0; k < n_targets_; ++k) {
      const float label = elementwise_label(labels, n_labels, k, one_hot);
      const GradHess pair =
          visit_loss(loss, k, [&](const auto& functor) { return functor.gradient(scores_[at(row, k)], label); });
      g_[at(row, k)] = pair.g;
      h_[at(row, k)] = pair.h;
    }
  }
}

void NaiveBackend::rank_gradients(const LossSpec& loss) {
  for (std::int64_t i = 0; i < n_queries(*data_); ++i) {
    const QueryRows query = query_at(*data_, scores_, i);
    std::vector<std::uint64_t> memory(static_cast<std::size_t>(query.n) * RankScratch::kBytes / sizeof(std::uint64_t));
    const auto first = static_cast<std::size_t>(data_->group_begin[static_cast<std::size_t>(i)]);
    rank_gradient(loss.objective, loss.rank, query, rank_mix(loss, *data_, i), RankScratch::of(memory.data(), query.n),
                  &g_[first], &h_[first]);
  }
}

void NaiveBackend::set_gradients(std::span<const float> g, std::span<const float> h) {
  require(g.size() == g_.size() && h.size() == h_.size(), "gradients must have one value per row and target");
  g_.assign(g.begin(), g.end());
  h_.assign(h.begin(), h.end());
}

// Scales come from every row that counts, drawn or not.
NaiveBackend::Quantiser NaiveBackend::quantiser(std::int32_t target, int g_bits, int h_bits) const {
  float max_g = 0.0f, max_h = 0.0f;
  for (std::int64_t row = 0; row < data_->n_rows; ++row) {
    if (data_->weight(row) == 0) continue;
    const GradHess pair = gradient_at(row, target);
    max_g = std::max(max_g, std::fabs(pair.g));
    max_h = std::max(max_h, pair.h);
  }
  Quantiser q;
  q.g_scale = quantiser_scale(static_cast<double>(max_g), g_bits);
  q.h_scale = quantiser_scale(static_cast<double>(max_h), h_bits);
  q.g_limit = (std::int64_t{1} << g_bits) - 1;
  q.h_limit = (std::int64_t{1} << h_bits) - 1;
  q.units = {data_->weight_unit / q.g_scale, data_->weight_unit / q.h_scale};
  q.max_g = static_cast<double>(max_g);
  q.max_h = static_cast<double>(max_h);
  return q;
}

// Integers of one row; (0, 0) for a row without weight, whatever its gradients.
Cell NaiveBackend::weighted(const Quantiser& q, std::int32_t target, std::int64_t row) const {
  const std::int64_t weight = data_->weight(row);
  if (weight == 0) return {};
  const GradHess pair = gradient_at(row, target);
  return {weight * quantise_gradient(pair.g, q.g_scale, q.g_limit),
          weight * quantise_hessian(pair.h, q.h_scale, q.h_limit)};
}

LossTotals NaiveBackend::totals(std::int32_t target) {
  const Quantiser q = quantiser(target, quantiser_bits(Precision::kNarrow, false, data_->total_weight),
                                quantiser_bits(Precision::kNarrow, true, data_->total_weight));
  Cell sum;
  std::int64_t magnitude = 0;
  for (std::int64_t row = 0; row < data_->n_rows; ++row) {
    const Cell cell = weighted(q, target, row);
    sum += cell;
    magnitude += cell.g < 0 ? -cell.g : cell.g;
  }
  const std::int64_t spread = magnitude - (sum.g < 0 ? -sum.g : sum.g);
  const double weight = static_cast<double>(data_->total_weight) * data_->weight_unit;
  return {q.max_g, q.max_h, static_cast<double>(spread) * q.units.g / weight,
          static_cast<double>(sum.h) * q.units.h / weight, static_cast<double>(magnitude) * q.units.g / weight};
}

void NaiveBackend::sketch(std::int32_t n, std::span<const float> factors) {
  sketch_g_.clear();
  sketch_h_.clear();
  for (std::int32_t j = 0; j < n; ++j)
    for (std::int64_t row = 0; row < data_->n_rows; ++row) {
      float g = 0.0f, h = 0.0f;
      for (std::int32_t k = 0; k < n_targets_; ++k) {
        g = sketch_step(g, factors[static_cast<std::size_t>(j * n_targets_ + k)], g_[at(row, k)]);
        h += h_[at(row, k)];
      }
      sketch_g_.push_back(g);
      sketch_h_.push_back(sketch_curvature(h, n_targets_));
    }
}

GradHess NaiveBackend::gradient_at(std::int64_t row, std::int32_t target) const {
  if (target < n_targets_) return {g_[at(row, target)], h_[at(row, target)]};
  const auto i = static_cast<std::size_t>((target - n_targets_) * data_->n_rows + row);
  return {sketch_g_[i], sketch_h_[i]};
}

bool NaiveBackend::drawn(const TreeRequest& request, std::int64_t row) const {
  if (data_->weight(row) == 0) return false;
  if (request.subsample >= 1.0) return true;
  const auto threshold = static_cast<std::uint64_t>(request.subsample * 4294967296.0);
  const auto global_row = static_cast<std::uint64_t>(data_->first_row + row);
  return random_bits(request.seed, Draw::kRow, request.iteration, global_row) < threshold;
}

RootStats NaiveBackend::begin_tree(const TreeRequest& request) {
  request_ = request;
  quantisers_.clear();
  leaf_quantisers_.clear();
  const Precision precision = request.wide ? Precision::kWide : Precision::kNarrow;
  const int g_bits = quantiser_bits(precision, false, data_->total_weight);
  const int h_bits = quantiser_bits(precision, true, data_->total_weight);
  const int leaf_bits = quantiser_bits(Precision::kLeaf, false, data_->total_weight);
  RootStats root;
  for (std::int32_t k = 0; k < request.width; ++k) {
    quantisers_.push_back(quantiser(request.first_target + k, g_bits, h_bits));
    root.units.push_back(quantisers_.back().units);
  }
  for (std::int32_t k = 0; k < leaf_width(request); ++k) {
    leaf_quantisers_.push_back(quantiser(first_leaf_target(request) + k, leaf_bits, leaf_bits));
    root.leaf_units.push_back(leaf_quantisers_.back().units);
  }
  nodes_.clear();
  std::vector<RowId>& rows = nodes_[0].rows;
  root.sums.assign(static_cast<std::size_t>(request.width), Cell{});
  for (std::int64_t row = 0; row < data_->n_rows; ++row) {
    if (!drawn(request, row)) continue;
    rows.push_back(static_cast<RowId>(row));
    for (std::int32_t k = 0; k < request.width; ++k)
      root.sums[static_cast<std::size_t>(k)] +=
          weighted(quantisers_[static_cast<std::size_t>(k)], request.first_target + k, row);
  }
  root.count = static_cast<std::int64_t>(rows.size());
  std::int64_t weight = 0;
  for (const RowId row : rows) weight += data_->weight(row);
  root.weight = static_cast<double>(weight) * data_->weight_unit;
  return root;
}

void NaiveBackend::histograms(std::span<const NodeId> nodes) {
  for (const NodeId id : nodes) {
    Node& node = nodes_.at(id);
    node.has_histogram = true;
    node.cells.assign(static_cast<std::size_t>(bin_offset_.back() * request_.width), Cell{});
    node.counts.assign(request_.count_rows ? static_cast<std::size_t>(bin_offset_.back()) : 0, 0);
    for (FeatureId f = 0; f < data_->n_features(); ++f) {
      const std::int64_t offset = bin_offset_[static_cast<std::size_t>(f)];
      const BinColumn column = data_->column(f);
      for (const RowId row : node.rows) {
        const Bin bin = column.at(row);
        for (std::int32_t k = 0; k < request_.width; ++k)
          node.cells[static_cast<std::size_t>(cell_index(offset, bin, request_.width, k))] +=
              weighted(quantisers_[static_cast<std::size_t>(k)], request_.first_target + k, row);
        if (request_.count_rows) ++node.counts[static_cast<std::size_t>(offset + bin)];
      }
    }
  }
}

void NaiveBackend::subtract(std::span<const SiblingPair> pairs) {
  for (const SiblingPair& pair : pairs) {
    const Node& built = with_histogram(pair.built);
    Node& derived = nodes_.at(pair.derived);
    derived.has_histogram = true;
    derived.cells = with_histogram(pair.parent).cells;
    derived.counts = with_histogram(pair.parent).counts;
    for (std::size_t i = 0; i < derived.cells.size(); ++i) derived.cells[i] -= built.cells[i];
    for (std::size_t i = 0; i < derived.counts.size(); ++i) derived.counts[i] -= built.counts[i];
    release({&pair.parent, 1});
  }
}

void NaiveBackend::release(std::span<const NodeId> nodes) {
  for (const NodeId id : nodes) {
    Node& node = nodes_.at(id);
    node.has_histogram = false;
    node.cells.clear();
    node.counts.clear();
  }
}

void NaiveBackend::partition(std::span<const NodeCut> cuts, std::span<std::int64_t> out_left_counts) {
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const std::vector<RowId> rows = nodes_.at(cuts[i].node).rows;
    const BinColumn column = data_->column(cuts[i].split->feature);
    Node& left = nodes_[cuts[i].left];
    Node& right = nodes_[cuts[i].left + 1];
    for (const RowId row : rows) (takes_left(*cuts[i].split, column.at(row)) ? left : right).rows.push_back(row);
    out_left_counts[i] = static_cast<std::int64_t>(left.rows.size());
  }
}

void NaiveBackend::leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) {
  const auto width = static_cast<std::size_t>(leaf_width(request_));
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    for (std::size_t k = 0; k < width; ++k) {
      Cell sum;
      for (const RowId row : nodes_.at(leaves[leaf]).rows)
        sum += weighted(leaf_quantisers_[k], first_leaf_target(request_) + static_cast<std::int32_t>(k), row);
      out[leaf * width + k] = sum;
    }
  }
}

// The smallest residual v with weight(residual <= v) >= alpha * weight of the leaf, counted in integers.
void NaiveBackend::leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha,
                                  std::span<float> out) {
  const UInt128 level = quantile_level(alpha);
  const bool own = !task_targets_.quantile_labels.empty();
  const std::span<const float> labels = own ? task_targets_.quantile_labels : std::span<const float>(data_->labels);
  const std::int32_t n_labels = own ? n_targets_ : data_->n_labels;
  const std::int32_t label = n_labels == 1 ? 0 : target;
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    std::vector<std::pair<float, std::uint64_t>> residuals;
    std::uint64_t total = 0;
    for (const RowId row : nodes_.at(leaves[leaf]).rows) {
      const float y = labels[static_cast<std::size_t>(row_major(row, label, n_labels))];
      if (std::isnan(y)) continue;
      residuals.emplace_back((y - scores_[at(row, target)]) + 0.0f, data_->weight(row));  // -0.0 becomes 0.0
      total += data_->weight(row);
    }
    std::sort(residuals.begin(), residuals.end());
    out[leaf] = 0.0f;
    UInt128 below = 0;
    for (const auto& [residual, weight] : residuals) {
      below += weight;
      if ((below << 32) < level * total) continue;
      out[leaf] = residual;
      break;
    }
  }
}

void NaiveBackend::add_scores(const BinnedTree& tree, std::span<const NodeId> /*leaf_nodes*/) {
  for (std::int64_t row = 0; row < data_->n_rows; ++row) {
    const BinnedNode* node = &tree.nodes[0];
    while (node->left >= 0) {
      const bool left = takes_left(tree, *node, data_->column(node->feature).at(row));
      node = &tree.nodes[static_cast<std::size_t>(node->left + (left ? 0 : 1))];
    }
    for (std::int32_t k = 0; k < tree.width; ++k)
      scores_[at(row, tree.target + k)] +=
          tree.leaf_value[static_cast<std::size_t>(row_major(~node->left, k, tree.width))];
  }
}

std::unique_ptr<Backend> make_naive_backend() { return std::make_unique<NaiveBackend>(); }

}  // namespace pygbt
