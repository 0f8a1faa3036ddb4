// SPDX-License-Identifier: Apache-2.0
// The backend seam on random tables: the naive backend, the CPU backend on any number of threads and several CPU
// backends that share the rows must write the same transcript of a tree, bit for bit.
#include <algorithm>
#include <bit>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"
#include "base/rng.h"
#include "check.h"
#include "comm/communicator.h"
#include "comm/thread_comm.h"
#include "data/blocks.h"

namespace pygbt {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : seed_(seed) {}
  std::uint32_t below(std::uint32_t n) { return random_bits(seed_, Draw::kRow, 0, next_++) % n; }
  bool chance(std::uint32_t percent) { return below(100) < percent; }
  double uniform() { return below(1u << 24) / 16777216.0; }

 private:
  std::uint64_t seed_;
  std::uint64_t next_ = 0;
};

struct Problem {
  std::int64_t n_rows = 0;
  std::vector<FeatureCuts> features;
  std::vector<std::vector<Bin>> bins;  // [feature][row]
  std::int32_t n_targets = 1;
  std::vector<float> labels, g, h, scores;  // [row][target]
  std::vector<std::uint32_t> weights;
  TreeRequest request;
  SplitRules rules;
  bool shared = false;
  bool bounded = false;
};

FeatureCuts random_feature(Random& random) {
  static constexpr std::int32_t kBins[] = {1, 2, 3, 9, 70, 256, 256, 700};
  FeatureCuts cuts;
  cuts.categorical = random.chance(40);
  cuts.n_bins = kBins[random.below(8)];
  if (!cuts.categorical)
    for (std::int32_t b = 2; b < cuts.n_bins; ++b) cuts.edges.push_back(b);
  return cuts;
}

float random_gradient(Random& random, int style) {
  const double u = random.uniform() * 2.0 - 1.0;
  if (style == 0) return static_cast<float>(static_cast<int>(u * 3.0));  // many ties, many zeros
  if (style == 1) return static_cast<float>(u);
  return static_cast<float>(random.chance(2) ? u * 1e20 : u);  // heavy tail: most quantise to 0
}

Problem random_problem(std::uint64_t seed) {
  Random random(seed);
  Problem p;
  static constexpr std::int64_t kRows[] = {1, 2, 17, 300, 3000};
  p.n_rows = kRows[random.below(5)];
  p.n_targets = random.chance(60) ? 1 : static_cast<std::int32_t>(2 + random.below(3));
  const std::uint32_t n_features = 1 + random.below(20);
  const bool planted = random.chance(50);
  for (std::uint32_t f = 0; f < n_features; ++f) {
    p.features.push_back(random_feature(random));
    const auto n_bins = static_cast<std::uint32_t>(p.features.back().n_bins);
    const std::uint32_t missing = random.chance(50) ? 0 : random.below(60);
    const std::uint32_t spread = random.chance(30) ? std::min(n_bins, 5u) : n_bins;  // some bins stay empty
    auto& column = p.bins.emplace_back();
    for (std::int64_t row = 0; row < p.n_rows; ++row)
      column.push_back(n_bins == 1 || random.chance(missing)
                           ? Bin{0}
                           : static_cast<Bin>(1 + random.below(std::max(spread, 2u) - 1)));
  }
  const int style = static_cast<int>(random.below(3));
  const bool weighted = random.chance(40);
  for (std::int64_t row = 0; row < p.n_rows; ++row) {
    for (std::int32_t k = 0; k < p.n_targets; ++k) {
      float g = random_gradient(random, style);
      if (planted && p.bins[0][static_cast<std::size_t>(row)] % 3 == 1) g += 2.0f;
      p.g.push_back(g);
      p.h.push_back(style == 0 ? 1.0f : random.chance(5) ? 0.0f : static_cast<float>(random.uniform() + 1e-6));
      p.labels.push_back(static_cast<float>(random.below(7)) - 3.0f);
      p.scores.push_back(style == 0 ? 0.0f : static_cast<float>(random.uniform()));
    }
    if (weighted) p.weights.push_back(random.chance(10) ? 0u : 1u + random.below(random.chance(5) ? 100000u : 3u));
  }
  if (weighted) p.weights[0] = 1;
  p.request.width = p.n_targets > 1 && random.chance(50) ? p.n_targets : 1;
  p.request.first_target =
      static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(p.n_targets - p.request.width + 1)));
  p.request.seed = random.below(1000);
  p.request.iteration = random.below(1000);
  p.request.subsample = random.chance(50) ? 1.0 : random.uniform();
  p.request.wide = random.chance(40);
  p.rules.min_child_weight = random.chance(50) ? 0.0 : random.uniform() * 20.0;
  p.rules.min_child_samples = random.chance(60) ? 1 : 1 + random.below(20);
  p.request.count_rows = p.rules.counts_needed();
  p.rules.reg_lambda = random.chance(20) ? 0.0 : random.uniform() * 3.0;
  p.rules.reg_alpha = random.chance(70) ? 0.0 : random.uniform() * 3.0;
  p.rules.max_delta_step = random.chance(70) ? 0.0 : random.uniform();
  p.rules.min_split_gain = random.chance(70) ? 0.0 : random.uniform();
  p.rules.max_cat_to_onehot = static_cast<std::int32_t>(1 + random.below(12));
  p.rules.max_cat_threshold = static_cast<std::int32_t>(1 + random.below(64));
  p.rules.cat_smooth = random.chance(30) ? 0.0 : random.uniform() * 10.0;
  p.rules.cat_l2 = random.chance(30) ? 0.0 : random.uniform() * 10.0;
  p.rules.min_category_hessian = random.chance(50) ? 0.0 : static_cast<double>(random.below(40));
  if (random.chance(30))
    for (std::uint32_t f = 0; f < n_features; ++f)
      p.rules.monotone.push_back(static_cast<std::int8_t>(static_cast<int>(random.below(3)) - 1));
  p.shared = random.chance(40);
  p.bounded = random.chance(30);
  return p;
}

// Rows [begin, end) of the problem as a worker's table.
Dataset make_table(const Problem& p, std::int64_t begin, std::int64_t end) {
  Dataset data;
  data.n_rows = end - begin;
  data.first_row = begin;
  auto cuts = std::make_shared<Cuts>();
  cuts->features = p.features;
  data.cuts = cuts;
  const auto store = [](auto& bytes, bool two_byte, std::size_t at, Bin bin) {
    bytes[two_byte ? 2 * at : at] = static_cast<std::uint8_t>(bin & 255);
    if (two_byte) bytes[2 * at + 1] = static_cast<std::uint8_t>(bin >> 8);
  };
  const auto n_rows = static_cast<std::size_t>(data.n_rows);
  for (std::size_t f = 0; f < p.features.size(); ++f) {
    const bool two_byte = p.features[f].n_bins > 256;
    data.bins->column_two_byte.push_back(two_byte);
    auto& column = data.bins->columns.emplace_back(n_rows * (two_byte ? 2 : 1));
    for (std::size_t row = 0; row < n_rows; ++row)
      store(column, two_byte, row, p.bins[f][static_cast<std::size_t>(begin) + row]);
  }
  fill_blocks(1, data);
  data.n_labels = p.n_targets;
  data.labels.assign(p.labels.begin() + begin * p.n_targets, p.labels.begin() + end * p.n_targets);
  if (!p.weights.empty()) data.weights.assign(p.weights.begin() + begin, p.weights.begin() + end);
  data.weight_unit = p.weights.empty() ? 1.0 : 0.25;
  for (std::int64_t row = 0; row < data.n_rows; ++row) data.total_weight += data.weight(row);
  return data;
}

// Everything a tree's operations said, in order. `global` is what all workers see, `local` what one rank's rows say.
struct Transcript {
  std::vector<std::string> global;
  std::vector<std::vector<float>> quantities;     // scores of this rank's rows
  std::vector<std::vector<std::int64_t>> rows;    // [node visited] global ids of this rank's rows

  template <class... T>
  void say(const T&... values) {
    std::ostringstream line;
    line << std::hexfloat;
    ((line << values << ' '), ...);
    global.push_back(line.str());
  }
  void say_cells(const std::string& what, std::span<const Cell> cells) {
    std::ostringstream line;
    line << what;
    for (const Cell& cell : cells) line << ' ' << cell.g << ',' << cell.h;
    global.push_back(line.str());
  }
};

struct OpenNode {
  NodeId id = 0;
  std::int64_t count = 0;
  std::vector<Cell> sums;
};

// Grows three levels by hand, as the grow loop would, and writes down what the backend says on the way. in_one: the
// histograms and cuts of a level by build_and_split.
Transcript grow(Backend& backend, const Problem& p, const Dataset& data, Communicator& comm, int n_threads,
                bool in_one = false) {
  Transcript out;
  const auto slice = [&](const std::vector<float>& all) {
    return std::span(all).subspan(static_cast<std::size_t>(data.first_row * p.n_targets),
                                  static_cast<std::size_t>(data.n_rows * p.n_targets));
  };
  backend.load(data, p.n_targets, comm, n_threads);
  backend.set_scores(slice(p.scores));
  backend.set_gradients(slice(p.g), slice(p.h));
  const LossTotals totals = backend.totals(p.request.first_target);
  out.say("totals", totals.max_g, totals.max_h, totals.spread_g, totals.mean_h);
  const RootStats root = backend.begin_tree(p.request);
  out.say_cells("root", root.sums);
  out.say("count", root.count, root.weight, root.units[0].g, root.units[0].h, root.leaf_units[0].g,
          root.leaf_units[0].h);

  const auto write_node = [&](NodeId node) {
    out.say_cells("histogram of " + std::to_string(node), backend.histogram_of(node));
    auto& rows = out.rows.emplace_back();
    for (const RowId row : backend.rows_of(node)) rows.push_back(row + data.first_row);
  };
  std::vector<FeatureId> features;
  for (FeatureId f = 0; f < data.n_features(); ++f)
    if ((f + static_cast<int>(p.request.seed)) % 7 != 0 || data.n_features() == 1) features.push_back(f);
  const std::vector<double> lower(static_cast<std::size_t>(p.request.width), -0.25);
  const std::vector<double> upper(static_cast<std::size_t>(p.request.width), 0.75);

  BinnedTree tree;
  tree.target = p.request.first_target;
  tree.width = p.request.width;
  tree.nodes.emplace_back();
  std::vector<OpenNode> open = {{0, root.count, root.sums}};
  std::vector<NodeId> leaves;
  std::vector<Split> splits;
  const auto search = [&](const std::vector<NodeId>& built, const std::vector<SiblingPair>& pairs,
                          const std::vector<OpenNode>& nodes) {
    std::vector<SplitQuery> queries;
    for (const OpenNode& node : nodes) {
      queries.push_back({node.id, node.sums, node.count, features, {}, {}});
      if (p.bounded) queries.back().lower = lower;
      if (p.bounded) queries.back().upper = upper;
    }
    splits.assign(queries.size(), Split{});
    if (in_one) {
      backend.build_and_split({built, pairs}, p.rules, queries, p.shared, splits);
    } else {
      backend.histograms(built);
      backend.subtract(pairs);
      backend.best_splits(p.rules, queries, p.shared, splits);
    }
  };
  search({0}, {}, open);
  write_node(0);
  for (int depth = 0; depth < 3 && !open.empty(); ++depth) {
    std::vector<NodeCut> cuts;
    std::vector<OpenNode> parents, next;
    for (std::size_t i = 0; i < splits.size(); ++i) {
      const Split& s = splits[i];
      out.say("split of", open[i].id, s.feature, s.bin, s.missing_left, s.categorical, s.gain);
      out.say_cells("left", s.left);
      for (const std::uint32_t word : s.left_bins) out.say("left bins", word);
      if (!s.valid()) {
        leaves.push_back(open[i].id);
        continue;
      }
      const auto left = static_cast<NodeId>(tree.nodes.size());
      BinnedNode& node = tree.nodes[static_cast<std::size_t>(open[i].id)];
      node.left = left;
      node.feature = s.feature;
      node.bin = s.bin;
      node.missing_left = s.missing_left;
      if (s.categorical) {
        node.cat_begin = static_cast<std::int32_t>(tree.cat_bits.size());
        node.cat_words = static_cast<std::int32_t>(s.left_bins.size());
        tree.cat_bits.insert(tree.cat_bits.end(), s.left_bins.begin(), s.left_bins.end());
      }
      tree.nodes.resize(tree.nodes.size() + 2);
      cuts.push_back({open[i].id, left, &s});
      parents.push_back(open[i]);
    }
    std::vector<std::int64_t> left_counts(cuts.size());
    backend.partition(cuts, left_counts);
    std::vector<NodeId> built;
    std::vector<SiblingPair> pairs;
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      OpenNode left{cuts[i].left, left_counts[i], cuts[i].split->left};
      OpenNode right{cuts[i].left + 1, parents[i].count - left_counts[i], parents[i].sums};
      for (std::size_t k = 0; k < right.sums.size(); ++k) right.sums[k] -= left.sums[k];
      const bool left_smaller = left.count <= right.count;
      built.push_back(left_smaller ? left.id : right.id);
      pairs.push_back({parents[i].id, built.back(), left_smaller ? right.id : left.id});
      next.push_back(std::move(left));
      next.push_back(std::move(right));
    }
    search(built, pairs, next);
    for (const OpenNode& node : next) {
      write_node(node.id);
      out.say("rows", node.count);
    }
    for (const SiblingPair& pair : pairs) {  // parent - built = derived, counted again
      const std::vector<Cell> derived = backend.histogram_of(pair.derived);
      backend.histograms(std::vector<NodeId>{pair.derived});
      CHECK(derived == backend.histogram_of(pair.derived));
    }
    open = std::move(next);
  }
  for (const OpenNode& node : open) leaves.push_back(node.id);
  std::sort(leaves.begin(), leaves.end());
  backend.release(leaves);

  std::vector<Cell> sums(leaves.size() * static_cast<std::size_t>(p.request.width));
  backend.leaf_sums(leaves, sums);
  out.say_cells("leaf sums", sums);
  for (const double alpha : {0.5, 0.1, 0.937}) {
    std::vector<float> quantiles(leaves.size());
    backend.leaf_quantiles(leaves, p.request.first_target, alpha, quantiles);
    for (const float q : quantiles) out.say("quantile", q);
  }
  std::int32_t n_leaves = 0;
  for (BinnedNode& node : tree.nodes)
    if (node.left < 0) node.left = ~n_leaves++;
  CHECK_EQ(static_cast<std::size_t>(n_leaves), leaves.size());
  for (std::int32_t i = 0; i < n_leaves * tree.width; ++i) tree.leaf_value.push_back(0.1f * static_cast<float>(i + 1));
  backend.add_scores(tree, leaves);
  out.quantities.emplace_back(backend.scores().begin(), backend.scores().end());
  return out;
}

Transcript grow_alone(const std::string& device, const Problem& p, int n_threads, bool in_one = false) {
  const Dataset data = make_table(p, 0, p.n_rows);
  Solo solo;
  return grow(*make_backend(device), p, data, solo, n_threads, in_one);
}

void check_same(const Transcript& a, const Transcript& b, std::uint64_t seed) {
  const std::size_t n = std::min(a.global.size(), b.global.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (a.global[i] == b.global[i]) continue;
    std::cerr << "problem " << seed << ", line " << i << "\n";
    CHECK_EQ(a.global[i], b.global[i]);
    return;
  }
  CHECK_EQ(a.global.size(), b.global.size());
  CHECK(a.rows == b.rows);
  CHECK(a.quantities == b.quantities);
}

TEST(backend_cpu_is_naive) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const Problem p = random_problem(seed);
    const Transcript naive = grow_alone("naive", p, 1);
    check_same(naive, grow_alone("cpu", p, 1), seed);
    check_same(naive, grow_alone("cpu", p, 3), seed);
  }
}

// Features of many bins each, none of two bytes: several blocks, in the order of the features.
Problem blocks_problem(std::uint64_t seed) {
  Problem p = random_problem(seed);
  Random random(seed + 1);
  p.features.clear();
  p.bins.clear();
  p.rules.monotone.clear();
  for (std::uint32_t f = 0, n = 17 + random.below(30); f < n; ++f) {
    FeatureCuts& cuts = p.features.emplace_back();
    cuts.n_bins = static_cast<std::int32_t>(200 + random.below(57));
    cuts.categorical = random.chance(10);
    if (!cuts.categorical)
      for (std::int32_t b = 2; b < cuts.n_bins; ++b) cuts.edges.push_back(b);
    auto& column = p.bins.emplace_back();
    for (std::int64_t row = 0; row < p.n_rows; ++row)
      column.push_back(random.chance(5) ? Bin{0} : static_cast<Bin>(1 + random.below(199)));
  }
  return p;
}

TEST(backend_steps_in_one) {
  for (std::uint64_t seed = 2000; seed < 2060; ++seed) {
    const Problem p = random_problem(seed);
    check_same(grow_alone("naive", p, 1), grow_alone("cpu", p, 2, true), seed);
  }
  for (std::uint64_t seed = 3000; seed < 3030; ++seed) {
    const Problem p = blocks_problem(seed);
    const Transcript naive = grow_alone("naive", p, 1);
    check_same(naive, grow_alone("naive", p, 1, true), seed);
    for (const int n_threads : {1, 2, 3}) check_same(naive, grow_alone("cpu", p, n_threads, true), seed);
  }
}

TEST(backend_workers_are_one) {
  for (std::uint64_t seed = 1000; seed < 1030; ++seed) {
    const Problem p = random_problem(seed);
    const Transcript alone = grow_alone("cpu", p, 2);
    constexpr int kWorkers = 3;
    const auto group = std::make_shared<ThreadGroup>(kWorkers);
    std::vector<Transcript> parts(kWorkers);
    {
      std::vector<std::jthread> threads;
      for (int rank = 0; rank < kWorkers; ++rank)
        threads.emplace_back([&, rank] {
          try {
            ThreadComm comm(group, rank);
            const Dataset data = make_table(p, p.n_rows * rank / kWorkers, p.n_rows * (rank + 1) / kWorkers);
            parts[static_cast<std::size_t>(rank)] = grow(*make_cpu_backend(), p, data, comm, 1);
          } catch (const std::exception& error) {
            parts[static_cast<std::size_t>(rank)].say(error.what());
          }
        });
    }
    Transcript joined = parts[0];
    for (int rank = 1; rank < kWorkers; ++rank) {
      const Transcript& part = parts[static_cast<std::size_t>(rank)];
      CHECK(part.global == joined.global);
      for (std::size_t i = 0; i < std::min(joined.rows.size(), part.rows.size()); ++i)
        joined.rows[i].insert(joined.rows[i].end(), part.rows[i].begin(), part.rows[i].end());
      joined.quantities[0].insert(joined.quantities[0].end(), part.quantities[0].begin(), part.quantities[0].end());
    }
    check_same(alone, joined, seed);
  }
}

// The bound of a packed cell: one thread takes runs of 65,536 rows, and that many rows of the largest g and h in one
// bin fill both halves to the last value that fits.
TEST(backend_one_hot_bin) {
  constexpr std::int64_t kRows = std::int64_t{1} << 19;
  for (const std::int64_t sign : {1, -1}) {
    Problem p;
    p.n_rows = kRows;
    const auto n = static_cast<std::size_t>(kRows);
    for (const std::int32_t n_bins : {256, 9}) {
      FeatureCuts cuts;
      cuts.n_bins = n_bins;
      p.features.push_back(cuts);
      p.bins.emplace_back(n, static_cast<Bin>(n_bins - 1));
    }
    for (std::size_t row = 0; row < n; ++row) p.bins[1][row] = static_cast<Bin>(1 + row % 8);
    p.g.assign(n, static_cast<float>(sign) * 0.99999994f);  // just below 1: rounds up to 2^15 and 2^16, clamped
    p.h.assign(n, 0.99999994f);
    p.labels.assign(n, 0.0f);
    const Dataset data = make_table(p, 0, p.n_rows);
    for (const int n_threads : {1, 2}) {
      const auto backend = make_cpu_backend();
      Solo solo;
      backend->load(data, 1, solo, n_threads);
      backend->set_gradients(p.g, p.h);
      CHECK(backend->begin_tree(p.request).sums[0] == Cell{sign * 32767 * kRows, 65535 * kRows});
      backend->histograms(std::vector<NodeId>{0});
      const std::vector<Cell> cells = backend->histogram_of(0);
      for (std::size_t bin = 0; bin < cells.size(); ++bin) {
        const std::int64_t rows = bin == 255 ? kRows : bin > 256 ? kRows / 8 : 0;
        CHECK(cells[bin] == Cell{sign * 32767 * rows, 65535 * rows});
      }
    }
  }
}

TEST(backend_unknown_device) { CHECK_THROWS(Unsupported, make_backend("tpu")); }

}  // namespace
}  // namespace pygbt
