// SPDX-License-Identifier: Apache-2.0
// What a call of the CPU backend over the nodes of a step keeps while its tasks run: built histograms, derived ones, and
// the search for cuts. One operation a dispatch (cpu_histogram, cpu_subtract, cpu_split), or all of a block's features
// in one task (cpu_step).
#pragma once

#include <vector>

#include "backend/cpu_backend.h"
#include "backend/histogram_tasks.h"
#include "backend/split_search.h"

namespace pygbt {

// Histograms of nodes from their rows. Packed sums are of one target: cpu_lanes.cc has those of several.
class CpuBackend::HistogramCall {
 public:
  HistogramCall(CpuBackend& backend, std::span<const NodeId> nodes);

  void run();  // all of it, as tasks of about equal work
  // A block of one of the nodes, which has at most kPackedRows rows. What runs at the same time needs its own buffer.
  void add_block(std::size_t block, std::size_t node, HistogramBuffer& buffer);

 private:
  std::int64_t width() const { return backend_.request_.width; }
  std::int64_t n_layers() const { return width() + 1; }  // the targets, then the counts
  template <class Kernel>
  void visit_rows(const HistogramRun& run, HistogramTask task, Kernel&& kernel) const;
  void add_run(const HistogramRun& run, HistogramBuffer& buffer);
  void add_rows(const HistogramRun& run, HistogramBuffer& buffer);
  const std::uint64_t* add_packed(const HistogramRun& run, const HistogramTask& task, bool two_byte,
                                  const BlockLayout& layout, HistogramBuffer& buffer) const;
  void add_direct(const HistogramRun& run, HistogramTask task, bool two_byte, const BlockLayout& layout,
                  Histogram& out) const;
  void add_cells(const HistogramRun& run, HistogramTask task, bool two_byte, const BlockLayout& layout,
                 HistogramBuffer& buffer, Histogram& out);
  void add_sparse_rows(const HistogramRun& run, const SparseBlock& block, HistogramBuffer& buffer);
  template <class Write>
  void flush(const HistogramRun& run, std::int64_t layer, Write&& write);

  CpuBackend& backend_;
  std::span<const NodeId> nodes_;
  std::vector<Histogram*> out_;  // [node of the call]
  std::vector<std::int64_t> rows_;  // [node of the call]
  std::size_t n_blocks_ = 0;  // dense, then sparse
  HistogramTasks tasks_;
  std::vector<char> written_;  // [node of the call][block][layer]
};

// Histograms derived = parent - built. What parents leave behind is spare memory when the call ends.
class CpuBackend::SubtractCall {
 public:
  SubtractCall(CpuBackend& backend, std::span<const SiblingPair> pairs);
  ~SubtractCall();
  SubtractCall(const SubtractCall&) = delete;
  SubtractCall& operator=(const SubtractCall&) = delete;

  void run();
  void subtract(std::size_t pair, std::int64_t first_bin, std::int64_t last_bin) const;

 private:
  CpuBackend& backend_;
  std::span<const SiblingPair> pairs_;
  std::vector<std::unique_ptr<Histogram>> parents_;  // [pair] where the derived histogram is not written over it
};

// The search for the best cuts of nodes: parts of the features are scanned, in any order and by any thread, then the
// rivals of all parts are judged.
class CpuBackend::SplitCall {
 public:
  // more_work: of the tasks beside the search, in cells.
  SplitCall(CpuBackend& backend, const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
            std::int64_t more_work = 0);

  void run();
  // Features [begin, end) of the nodes, or of the groups [first, last) of nodes that share a cut.
  void scan(FeatureId begin, FeatureId end, std::size_t first, std::size_t last, int worker);
  void judge(std::span<Split> out);

  int n_threads() const { return n_threads_; }

 private:
  // What the features of a node that a worker has searched so far come to.
  struct Found {
    CutCandidate best;  // of the features that are searched exactly at once
    double least = -1.0;  // score of a rival, see scan_numeric and scan_targets
  };
  struct Worker {
    NumericScratch numeric;
    TargetScratch targets;
    GeneralScratch general;
    std::vector<Found> found;  // [group]
    std::vector<NumericRival> rivals;  // of all nodes
    std::vector<TargetRival> target_rivals;
  };
  void search(Worker& worker, std::size_t query, std::span<const FeatureId> features) const;
  void write_numeric(std::size_t query, const CutCandidate& best, std::vector<Cell>& unpacked, Split& out) const;

  CpuBackend& backend_;
  SplitSearch search_;
  NumericRules numeric_;
  TargetRules targets_;
  std::size_t n_groups_ = 0;
  int n_threads_ = 1;
  std::int64_t work_ = 0;  // cells
  std::vector<Worker> workers_;  // [worker]
};

}  // namespace pygbt
