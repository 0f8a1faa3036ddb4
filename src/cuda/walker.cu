// SPDX-License-Identifier: Apache-2.0
// A model on a device: what it takes there, which path a call takes, and how tables on the host come and go.
#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

#include "backend/walker.h"
#include "base/error.h"
#include "factory.h"
#include "math/layout.h"
#include "parcel.h"
#include "queue.h"
#include "walk_kernels.h"

namespace pygbt::device {

namespace {

constexpr std::size_t kAlignment = 16;  // of parts of shared memory
constexpr int kWarp = 32;

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// A buffer of the queue's device that holds these values.
template <class T>
void send(Queue& queue, Buffer<T>& to, const std::vector<T>& values) {
  to = Buffer<T>(queue.device);
  if (!values.empty()) to.put(values);
}

// What a call sends ahead: small arrays in one transfer.
class CallParts {
 public:
  CallParts(Queue& queue, const WalkCall& call) : memory_(queue.device), parcel_(memory_) {
    const auto columns = parcel_.put(call.columns);
    const auto segments = parcel_.put(call.segments);
    const auto values = parcel_.put(call.categories.values);
    const auto codes = parcel_.put(call.categories.codes);
    parcel_.send();
    job_ = {.columns = parcel_.at(columns),
            .category_values = parcel_.at(values),
            .category_codes = parcel_.at(codes),
            .segments = parcel_.at(segments),
            .n_segments = static_cast<std::int32_t>(call.segments.size()),
            .first_tree = call.first_tree,
            .n_trees = call.n_trees,
            .by_row = call.by_row,
            .leaves = call.leaves,
            .vectors = std::any_of(call.segments.begin(), call.segments.end(),
                                   [](const WalkSegment& segment) { return segment.width > 1; }),
            .link = call.link};
  }

  WalkJob job(const char* data, std::int64_t n_rows, bool keep_margins, void* out) const {
    WalkJob job = job_;
    job.data = data;
    job.n_rows = n_rows;
    job.keep_margins = keep_margins;
    job.out = out;
    return job;
  }

 private:
  Buffer<std::byte> memory_;
  Parcel parcel_;
  WalkJob job_;
};

class CudaWalker final : public Walker {
 public:
  explicit CudaWalker(int ordinal) : ordinal_(ordinal), policy_(QueueLease(ordinal)->device.policy()) {}

  // Codes of 32 rows must have room in shared memory, and behind them a tree, or what the trees of a row say.
  bool fits(const WalkForest& forest, WalkPath path) const override {
    if (path == WalkPath::kRaw) return true;
    const bool perfect = path == WalkPath::kPerfect, one_byte = perfect && forest.one_byte;
    if (!forest.coded || (perfect && forest.depth > PerfectTrees::kMostDepth)) return false;
    const std::size_t area =
        perfect ? tree_bytes(forest.depth, one_byte) : sizeof(float) * static_cast<std::size_t>(policy_.n_threads);
    return aligned(kWarp * row_bytes(forest.n_planes, one_byte)) + aligned(area) <= policy_.shared_bytes;
  }

  // - kTrees up to Policy::few_rows: as many blocks as rows, and a row's trees at once;
  // - kPerfect up to Policy::perfect_depth;
  // - kPacked for deeper trees;
  // - kRaw where codes have no room.
  WalkPath path_for(const WalkForest& forest, std::int64_t n_rows) const override {
    if (!fits(forest, WalkPath::kPacked)) return WalkPath::kRaw;
    if (n_rows <= policy_.few_rows) return WalkPath::kTrees;
    return forest.depth <= policy_.perfect_depth && fits(forest, WalkPath::kPerfect) ? WalkPath::kPerfect
                                                                                     : WalkPath::kPacked;
  }

  std::size_t chunk_bytes() const override { return policy_.chunk_bytes; }

  void load(const WalkForest& forest) override {
    const QueueLease queue(ordinal_);
    n_planes_ = forest.n_planes;
    model_.n_features = static_cast<std::int32_t>(forest.features.size());
    model_.n_thresholds = static_cast<std::int32_t>(forest.narrow.size());
    model_.n_outputs = static_cast<std::int32_t>(forest.base_score.size());
    model_.one_byte = forest.one_byte;
    send(*queue, model_.features, forest.features);
    send(*queue, model_.narrow, forest.narrow);
    send(*queue, model_.exact, forest.exact);
    send(*queue, model_.trees, forest.trees);
    send(*queue, model_.leaf_values, forest.leaf_values);
    send(*queue, model_.base_score, forest.base_score);
    queue->device.finish();  // other queues will read it
  }

  void load(const PerfectTrees& trees) override {
    const QueueLease queue(ordinal_);
    model_.perfect_depth = trees.depth;
    send(*queue, model_.byte_tests, trees.byte_tests);
    send(*queue, model_.tests, trees.tests);
    send(*queue, model_.perfect_values, trees.values);
    send(*queue, model_.perfect_leaves, trees.leaf);
    send(*queue, model_.perfect_words, trees.words);
    queue->device.finish();
  }

  void load(const PackedTrees& trees) override {
    const QueueLease queue(ordinal_);
    send(*queue, model_.nodes, trees.nodes);
    send(*queue, model_.node_sets, trees.sets);
    send(*queue, model_.node_words, trees.words);
    queue->device.finish();
  }

  void load(const RawTrees& trees) override {
    const QueueLease queue(ordinal_);
    send(*queue, model_.raw_nodes, trees.nodes);
    send(*queue, model_.raw_leaves, trees.leaf);
    send(*queue, model_.raw_sets, trees.sets);
    send(*queue, model_.raw_words, trees.words);
    queue->device.finish();
  }

  void run(const WalkCall& call, const void* rows, const WalkMargins& margins, void* out) override {
    const QueueLease queue(ordinal_);
    Device& device = queue->device;
    const CallParts parts(*queue, call);
    const bool given = margins.data != nullptr && !call.leaves;
    if (given) {
      Buffer<std::uint32_t> wrong(device);
      wrong.make_zero(1);
      launch_margins(device, margins, call.n_rows, model_.n_outputs, static_cast<float*>(out), wrong.data());
      require(wrong.get().front() == 0, "base_margin must be finite");
    }
    launch_walk(device, launch_for(call.path, call.n_rows),
                parts.job(static_cast<const char*>(rows), call.n_rows, given, out), model_);
    ++n_waits;
    device.finish();
  }

  // While one chunk travels and is walked in a queue, the next one is laid ready in the other.
  void run(const WalkCall& call, const WalkChunks& rows, void* out) override {
    const std::size_t out_row = sizeof(float) * static_cast<std::size_t>(call.leaves ? call.n_trees : model_.n_outputs);
    const std::size_t out_bytes = out_row * static_cast<std::size_t>(rows.n_rows);
    const std::size_t most = std::max<std::size_t>(1, static_cast<std::size_t>(rows.bytes));
    const bool given = rows.margins != nullptr && !call.leaves;
    auto* const to = static_cast<std::byte*>(out);
    std::unique_ptr<Lane> lanes[2];
    for (std::int64_t first = 0, i = 0; first < call.n_rows; first += rows.n_rows, ++i) {
      auto& lane = lanes[i % 2];
      if (lane == nullptr) lane = std::make_unique<Lane>(ordinal_, call, most, out_bytes);
      lane->collect();
      const std::int64_t n = std::min(rows.n_rows, call.n_rows - first);
      Queue& queue = *lane->queue;
      std::byte* const chunk = queue.to_send(most + out_bytes);
      rows.fill(first, n, chunk);
      queue.device.send(lane->rows.data(), chunk, most);
      const std::size_t n_out = out_row * static_cast<std::size_t>(n);
      if (given) {
        std::memcpy(chunk + most,
                    reinterpret_cast<const std::byte*>(rows.margins) + static_cast<std::size_t>(first) * out_row,
                    n_out);
        queue.device.send(lane->out.data(), chunk + most, n_out);
      }
      launch_walk(queue.device, launch_for(call.path, n),
                  lane->parts.job(reinterpret_cast<const char*>(lane->rows.data()), n, given, lane->out.data()),
                  model_);
      std::byte* const answer = queue.to_receive(out_bytes);
      queue.device.receive(answer, lane->out.data(), n_out);
      lane->expect(answer, to + static_cast<std::size_t>(first) * out_row, n_out);
    }
    for (const auto& lane : lanes)
      if (lane != nullptr) lane->collect();
  }

 private:
  // A queue with a chunk under way.
  struct Lane {
    Lane(int ordinal, const WalkCall& call, std::size_t n_in, std::size_t n_out)
        : queue(ordinal), parts(*queue, call), rows(queue->device), out(queue->device) {
      rows.make(n_in);
      out.make(n_out);
    }

    void expect(const std::byte* from, std::byte* to, std::size_t n) {
      answer = from;
      goal = to;
      n_bytes = n;
    }
    void collect() {
      if (goal == nullptr) return;
      ++n_waits;
      queue->device.finish();
      std::memcpy(std::exchange(goal, nullptr), answer, n_bytes);
    }

    QueueLease queue;
    CallParts parts;
    Buffer<std::byte> rows, out;
    const std::byte* answer = nullptr;
    std::byte* goal = nullptr;
    std::size_t n_bytes = 0;
  };

  static std::size_t row_bytes(std::int32_t n_planes, bool one_byte) {
    return (static_cast<std::size_t>(std::max(1, n_planes)) * (one_byte ? 1 : 2) + 3) / 4 * 4;
  }
  static std::size_t tree_bytes(std::int32_t depth, bool one_byte) {
    return ((one_byte ? sizeof(PerfectTrees::ByteTest) : sizeof(PerfectTrees::Test)) + sizeof(float))
           << std::max(1, depth);
  }

  WalkLaunch launch_for(WalkPath path, std::int64_t n_rows) const {
    WalkLaunch launch{.path = path, .n_threads = policy_.n_threads};
    if (path == WalkPath::kRaw) return launch;
    const std::size_t of_row = row_bytes(n_planes_, path == WalkPath::kPerfect && model_.one_byte);
    if (path == WalkPath::kTrees) {
      launch.code_bytes = static_cast<std::uint32_t>(aligned(of_row));
      launch.area_bytes = static_cast<std::uint32_t>(launch.n_threads) * sizeof(std::uint32_t);
      return launch;
    }
    const std::size_t of_tree = path == WalkPath::kPerfect ? tree_bytes(model_.perfect_depth, model_.one_byte) : 0;
    const auto codes = [&] {
      return aligned(of_row * static_cast<std::size_t>(launch.n_threads * launch.rows_of_thread));
    };
    if (n_rows >= policy_.n_blocks * policy_.n_threads) launch.rows_of_thread = WalkLaunch::kRows;
    // A tree must have room beside the codes: where none has, nothing would be staged, and the walk would not advance.
    const auto too_many = [&] {
      return codes() > policy_.code_bytes || codes() + aligned(of_tree) > policy_.shared_bytes;
    };
    if (too_many()) launch.rows_of_thread = 1;
    while (launch.n_threads > kWarp && too_many()) launch.n_threads /= 2;
    const std::size_t room = policy_.shared_bytes - codes();
    if (path == WalkPath::kPerfect) {  // packed trees want the rest of the memory as a cache
      const std::size_t thresholds = sizeof(float) * static_cast<std::size_t>(model_.n_thresholds);
      const std::size_t area =
          std::max({thresholds <= policy_.threshold_bytes ? thresholds : 0, policy_.tree_bytes, of_tree});
      launch.area_bytes = static_cast<std::uint32_t>(std::min(aligned(area), room / kAlignment * kAlignment));
      launch.n_staged = static_cast<std::int32_t>(launch.area_bytes / of_tree);
    }
    launch.code_bytes = static_cast<std::uint32_t>(codes());
    return launch;
  }

  int ordinal_;
  Policy policy_;
  std::int32_t n_planes_ = 0;
  WalkModel model_;
};

}  // namespace

Walker* make_cuda_walker(int ordinal) { return new CudaWalker(ordinal); }

}  // namespace pygbt::device
