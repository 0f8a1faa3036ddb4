// SPDX-License-Identifier: Apache-2.0
// Rows down the trees of a model: a block takes a tile of rows (or one row), makes codes of their values and walks them
// down all trees; a target's trees in order, so that the float32 sums are those of the host.
#include <type_traits>

#include "block.h"
#include "math/layout.h"
#include "walk_kernels.h"
#include "walk_trees.h"

namespace pygbt::device {

namespace {

// What all kernels share.
struct Job {
  Rows rows;
  Features features;
  const WalkTree* trees;
  const float* leaf_values;
  const WalkSegment* segments;
  std::int32_t n_segments;
  std::int32_t n_columns;  // of the output: outputs or trees
  std::int32_t first_tree;  // of the model
  Link link;
  const float* base_score;  // nullptr: the output holds the margins
  void* out;  // [row][column]
  std::uint32_t code_bytes;  // of shared memory
  std::uint32_t area_bytes;  // behind them

  PYGBT_KERNEL float* scores(std::int64_t row) const { return static_cast<float*>(out) + row_major(row, 0, n_columns); }
  PYGBT_KERNEL std::int32_t* leaves(std::int64_t row) const {
    return static_cast<std::int32_t*>(out) + row_major(row, 0, n_columns);
  }
  PYGBT_KERNEL std::uint64_t* area() const { return shared<std::uint64_t>() + code_bytes / sizeof(std::uint64_t); }
};

constexpr int kGroup = 4;  // vector-leaf trees whose values are added in one pass over the outputs

// What the output holds. kSums: no tree has vector leaves, which would take registers.
enum class Answer { kSums, kVectorSums, kLeaves };

// A tile of kRows rows a thread.
template <class Path, int kRows, Answer kAnswer>
struct TileKernel {
  static constexpr bool kLeaves = kAnswer == Answer::kLeaves;
  using Exit = typename Path::Exit;

  Job job;
  Path path;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t n_tile = n_threads() * kRows;
    const std::int64_t first = block() * n_tile;
    const std::int32_t n = job.rows.n - first < n_tile ? static_cast<std::int32_t>(job.rows.n - first) : n_tile;
    std::int64_t rows[kRows];
    std::uint32_t lanes[kRows];
    bool live[kRows];
    PYGBT_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const std::int32_t row = thread() + r * n_threads();
      live[r] = row < n;  // the others walk with the first row
      rows[r] = first + (live[r] ? row : 0);
      lanes[r] = static_cast<std::uint32_t>(live[r] ? row : 0);
    }
    if constexpr (std::is_void_v<typename Path::Code>) {
      walk_all(0, rows, lanes, live);
    } else {
      using Code = typename Path::Code;
      const Tile<Code> tile{{shared<Code>(), static_cast<std::uint32_t>(n_tile)}, job.area()};
      tile.codes.fill(job.rows, job.features, first, n, reinterpret_cast<float*>(job.area()), job.area_bytes);
      sync();
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r) lanes[r] = CodeTile<Code>::lane(lanes[r]);
      walk_all(tile, rows, lanes, live);
    }
  }

 private:
  template <class Any>
  PYGBT_KERNEL void walk_all(const Any& tile, const std::int64_t* rows, const std::uint32_t* lanes,
                             const bool* live) const {
    if (!kLeaves && job.base_score != nullptr) {
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r)
        for (std::int32_t k = 0; live[r] && k < job.n_columns; ++k) job.scores(rows[r])[k] = job.base_score[k];
    }
    for (std::int32_t s = 0; s < job.n_segments; ++s) {
      const WalkSegment segment = job.segments[s];
      const bool sums = kAnswer == Answer::kSums || (kAnswer == Answer::kVectorSums && segment.width == 1);
      float sum[kRows];
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r) sum[r] = sums && live[r] ? job.scores(rows[r])[segment.target] : 0.0f;
      for (std::int32_t at = segment.first; at < segment.end; at += path.n_at_once()) {
        const std::int32_t n = segment.end - at < path.n_at_once() ? segment.end - at : path.n_at_once();
        path.stage(tile, at, n, sums);
        if constexpr (kLeaves) {
          store_leaves(tile, at, n, rows, lanes, live);
        } else if (sums) {
          add_values(tile, at, n, rows, lanes, sum);
        } else if constexpr (kAnswer == Answer::kVectorSums) {
          add_vectors(tile, segment, at, n, rows, lanes, live);
        }
      }
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r)
        if (sums && live[r]) job.scores(rows[r])[segment.target] = sum[r];
    }
    if constexpr (!kLeaves) {
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r)
        if (live[r]) apply_link(job.link, job.scores(rows[r]), job.n_columns);
    }
  }

  template <class Any>
  PYGBT_KERNEL void add_values(const Any& tile, std::int32_t at, std::int32_t n, const std::int64_t* rows,
                               const std::uint32_t* lanes, float* sum) const {
    for (std::int32_t t = 0; t < n; ++t) {
      Exit exits[kRows];
      path.template walk<kRows>(tile, job.rows, rows, at, t, lanes, exits);
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r) sum[r] += path.value(tile, job.trees, at, t, exits[r]);
    }
  }

  template <class Any>
  PYGBT_KERNEL void store_leaves(const Any& tile, std::int32_t at, std::int32_t n, const std::int64_t* rows,
                                 const std::uint32_t* lanes, const bool* live) const {
    for (std::int32_t t = 0; t < n; ++t) {
      Exit exits[kRows];
      path.template walk<kRows>(tile, job.rows, rows, at, t, lanes, exits);
      const std::int32_t column = job.trees[at + t].number - job.first_tree;
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r)
        if (live[r]) job.leaves(rows[r])[column] = path.leaf(at, t, exits[r]);
    }
  }

  template <class Any>
  PYGBT_KERNEL void add_vectors(const Any& tile, const WalkSegment& segment, std::int32_t at, std::int32_t n,
                                const std::int64_t* rows, const std::uint32_t* lanes, const bool* live) const {
    for (std::int32_t t = 0; t < n; t += kGroup) {
      const float* values[kGroup][kRows];  // of the leaf; nullptr beyond the last tree
      PYGBT_UNROLL
      for (int g = 0; g < kGroup; ++g) {
        Exit exits[kRows];
        if (t + g < n) path.template walk<kRows>(tile, job.rows, rows, at, t + g, lanes, exits);
        PYGBT_UNROLL
        for (int r = 0; r < kRows; ++r)
          values[g][r] = t + g < n ? job.leaf_values + job.trees[at + t + g].value +
                                         row_major(path.leaf(at, t + g, exits[r]), 0, segment.width)
                                   : nullptr;
      }
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r) {
        if (!live[r]) continue;
        float* const out = job.scores(rows[r]) + segment.target;
        for (std::int32_t k = 0; k < segment.width; ++k) {
          float sum = out[k];
          PYGBT_UNROLL
          for (int g = 0; g < kGroup; ++g)
            if (values[g][r] != nullptr) sum += values[g][r][k];
          out[k] = sum;
        }
      }
    }
  }
};

// A row a block, a tree a thread; what the trees say is added in their order.
template <bool kLeaves>
struct TreesKernel {
  using Path = PackedPath;
  using Code = Path::Code;

  Job job;
  Path path;

  PYGBT_KERNEL void operator()() const {
    const Tile<Code> tile{{shared<Code>(), 1}, job.area()};
    for (std::int64_t row = block(); row < job.rows.n; row += n_blocks()) {
      sync();  // whoever read the codes of the row before
      tile.codes.fill(job.rows, job.features, row, 1, nullptr, 0);
      if (!kLeaves && job.base_score != nullptr)
        for (std::int32_t k = thread(); k < job.n_columns; k += n_threads()) job.scores(row)[k] = job.base_score[k];
      sync();
      for (std::int32_t s = 0; s < job.n_segments; ++s) {
        const WalkSegment segment = job.segments[s];
        for (std::int32_t at = segment.first; at < segment.end; at += n_threads())
          take(tile, row, segment, at, segment.end - at < n_threads() ? segment.end - at : n_threads());
      }
      if (!kLeaves && thread() == 0) apply_link(job.link, job.scores(row), job.n_columns);
    }
  }

 private:
  // Trees [at, at + n), a thread each.
  PYGBT_KERNEL void take(const Tile<Code>& tile, std::int64_t row, const WalkSegment& segment, std::int32_t at,
                         std::int32_t n) const {
    const std::uint32_t lane = 0;
    PackedTrees::Node exit{};
    if (thread() < n) path.walk<1>(tile, job.rows, &row, at, thread(), &lane, &exit);
    if (kLeaves) {
      if (thread() < n)
        job.leaves(row)[job.trees[at + thread()].number - job.first_tree] = path.leaf(at, thread(), exit);
      return;
    }
    auto* const found = reinterpret_cast<std::uint32_t*>(tile.area);  // [thread] value, or leaf
    if (thread() < n) found[thread()] = segment.width == 1 ? exit.next : exit.test & ~PackedTrees::Node::kLeaf;
    sync();
    for (std::int32_t k = thread(); k < segment.width; k += n_threads()) {
      float* const out = job.scores(row) + segment.target + k;
      float sum = *out;
      if (segment.width == 1) {
        const auto* const values = reinterpret_cast<const float*>(tile.area);
        for (std::int32_t t = 0; t < n; ++t) sum += values[t];
      } else {
        for (std::int32_t t = 0; t < n; ++t)
          sum += job.leaf_values[job.trees[at + t].value + row_major(found[t], k, segment.width)];
      }
      *out = sum;
    }
    sync();
  }
};

// Margins of any type and layout to float32; tells of one that is not finite.
struct MarginKernel {
  WalkMargins margins;
  std::int64_t n;
  std::int32_t n_outputs;
  float* out;  // [row][output]
  std::uint32_t* wrong;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = first_row(); i < n * n_outputs; i += row_step()) {
      const char* const at = static_cast<const char*>(margins.data) + i / n_outputs * margins.row_stride +
                             i % n_outputs * margins.column_stride;
      const float value = load_margin(at);
      out[i] = value;
      if (!(value - value == 0.0f)) raise_to(wrong, 1u);
    }
  }

 private:
  // As NumPy converts: integers are rounded once.
  PYGBT_KERNEL float load_margin(const char* at) const {
    if (margins.type == ColumnType::i64) return static_cast<float>(load<std::int64_t>(at, false));
    if (margins.type == ColumnType::u64) return static_cast<float>(load<std::uint64_t>(at, false));
    return load_as<float>(margins.type, at, false);
  }
};

template <class Path, int kRows>
void launch_tiles(Device& device, const WalkLaunch& launch, const Job& job, const Path& path, Answer answer) {
  const std::int64_t tile = std::int64_t{launch.n_threads} * kRows;
  const std::int64_t n_blocks = (job.rows.n + tile - 1) / tile;
  const std::size_t bytes = launch.code_bytes + launch.area_bytes;
  const auto run = [&](auto kernel) { device.launch(n_blocks, launch.n_threads, kernel, bytes); };
  if (answer == Answer::kLeaves)
    run(TileKernel<Path, kRows, Answer::kLeaves>{job, path});
  else if (answer == Answer::kVectorSums)
    run(TileKernel<Path, kRows, Answer::kVectorSums>{job, path});
  else
    run(TileKernel<Path, kRows, Answer::kSums>{job, path});
}

template <class Path>
void launch_tiles(Device& device, const WalkLaunch& launch, const Job& job, const Path& path, Answer answer) {
  if (launch.rows_of_thread == 1)
    launch_tiles<Path, 1>(device, launch, job, path, answer);
  else
    launch_tiles<Path, WalkLaunch::kRows>(device, launch, job, path, answer);
}

}  // namespace

void launch_margins(Device& device, const WalkMargins& margins, std::int64_t n_rows, std::int32_t n_outputs, float* out,
                    std::uint32_t* wrong) {
  const Policy& policy = device.policy();
  const std::int64_t blocks = (n_rows * n_outputs + policy.n_threads - 1) / policy.n_threads;
  device.launch(blocks < policy.n_blocks ? blocks : policy.n_blocks, policy.n_threads,
                MarginKernel{margins, n_rows, n_outputs, out, wrong});
}

void launch_walk(Device& device, const WalkLaunch& launch, const WalkJob& on_device, const WalkModel& model) {
  const Job job{{on_device.data, on_device.n_rows, on_device.columns, on_device.category_values,
                 on_device.category_codes, on_device.by_row},
                {model.features.data(), model.narrow.data(), model.exact.data(), model.n_features, model.n_thresholds},
                model.trees.data(),
                model.leaf_values.data(),
                on_device.segments,
                on_device.n_segments,
                on_device.leaves ? on_device.n_trees : model.n_outputs,
                on_device.first_tree,
                on_device.link,
                on_device.keep_margins ? nullptr : model.base_score.data(),
                on_device.out,
                launch.code_bytes,
                launch.area_bytes};
  const Answer answer = on_device.leaves ? Answer::kLeaves : on_device.vectors ? Answer::kVectorSums : Answer::kSums;
  const PackedPath packed{model.nodes.data(), model.node_sets.data(), model.node_words.data(), model.trees.data()};
  switch (launch.path) {
    case WalkPath::kPerfect:
      if (model.one_byte)
        launch_tiles(
            device, launch, job,
            PerfectPath<PlacedByteTest>{model.byte_tests.data(), model.perfect_values.data(),
                                        model.perfect_leaves.data(), nullptr, model.perfect_depth, launch.n_staged},
            answer);
      else
        launch_tiles(
            device, launch, job,
            PerfectPath<PlacedTest>{model.tests.data(), model.perfect_values.data(), model.perfect_leaves.data(),
                                    model.perfect_words.data(), model.perfect_depth, launch.n_staged},
            answer);
      break;
    case WalkPath::kPacked:
      launch_tiles(device, launch, job, packed, answer);
      break;
    case WalkPath::kTrees: {
      const std::int64_t most = std::int64_t{1} << 20;
      const std::int64_t n_blocks = on_device.n_rows < most ? on_device.n_rows : most;
      const std::size_t bytes = launch.code_bytes + launch.area_bytes;
      if (on_device.leaves)
        device.launch(n_blocks, launch.n_threads, TreesKernel<true>{job, packed}, bytes);
      else
        device.launch(n_blocks, launch.n_threads, TreesKernel<false>{job, packed}, bytes);
      break;
    }
    case WalkPath::kRaw:
      launch_tiles<RawPath, 1>(
          device, launch, job,
          RawPath{model.raw_nodes.data(), model.raw_leaves.data(), model.raw_sets.data(), model.raw_words.data(),
                  model.trees.data(), model.features.data(), model.leaf_values.data()},
          answer);
      break;
  }
}

}  // namespace pygbt::device
