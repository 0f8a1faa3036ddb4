// SPDX-License-Identifier: Apache-2.0
// Tables on the host go to the device in chunks, as they lie: rows of a C-ordered array as rows, anything else column by
// column in its own type. Nothing is converted on the way but sparse columns.
#include "model/device_predict.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/pool.h"
#include "data/keys.h"
#include "math/layout.h"

namespace pygbt {
namespace {

constexpr std::int64_t kFillRows = 4096;  // of a chunk that a task copies
constexpr std::int64_t kColumnAlignment = 16;  // bytes

std::int64_t item_bytes(ColumnType type) {
  std::int64_t bytes = 0;
  visit_type(type, [&]<class T>(T) { bytes = static_cast<std::int64_t>(sizeof(T)); });
  return bytes;
}

bool is_exact(const WalkFeature& feature, ColumnType type) { return feature.wide && needs_float64(type); }

// All but where the rows lie.
WalkCall start_call(const Model& model, const PredictPlan& plan, const DeviceModels::Lease& lease,
                    std::int64_t n_rows) {
  WalkCall call;
  call.path = lease.path();
  call.n_rows = n_rows;
  call.first_tree = static_cast<std::int32_t>(plan.first_tree);
  call.n_trees = static_cast<std::int32_t>(plan.n_trees);
  const auto& trees = lease.forest().trees;
  for (std::int32_t t = 0; t < model.n_trees(); ++t) {
    const WalkTree& tree = trees[static_cast<std::size_t>(t)];
    if (tree.number < call.first_tree || tree.number - call.first_tree >= call.n_trees) continue;
    if (!call.segments.empty()) {
      WalkSegment& last = call.segments.back();
      if (last.end == t && last.target == tree.target && last.width == tree.width) {
        ++last.end;
        continue;
      }
    }
    call.segments.push_back({t, t + 1, tree.target, tree.width});
  }
  return call;
}

void copy_items(const char* from, std::int64_t stride, std::int64_t bytes, std::int64_t n, char* to) {
  if (stride == bytes) {
    std::memcpy(to, from, static_cast<std::size_t>(n * bytes));
    return;
  }
  const auto each = [&]<class T>(T) {
    for (std::int64_t i = 0; i < n; ++i) std::memcpy(to + i * bytes, from + i * stride, sizeof(T));
  };
  switch (bytes) {
    case 1:
      return each(std::uint8_t{});
    case 2:
      return each(std::uint16_t{});
    case 4:
      return each(std::uint32_t{});
    default:
      return each(std::uint64_t{});
  }
}

// A table on the host as chunks, and the columns of a chunk.
class HostChunks {
 public:
  HostChunks(const WalkForest& forest, const PredictInput& input, int n_threads, std::int64_t out_bytes,
             std::int64_t chunk_bytes)
      : forest_(forest), input_(input), n_threads_(n_threads) {
    if (!lies_in_rows()) {
      for (const WalkFeature& feature : forest.features) row_bytes_ += item_bytes(wire_type(feature));
    }
    const std::int64_t each = std::max<std::int64_t>(1, row_bytes_ + out_bytes);
    chunk_rows_ = std::clamp<std::int64_t>(chunk_bytes / each, 1, std::max<std::int64_t>(1, input.n_rows));
  }

  void describe(WalkCall& call) const {
    call.by_row = by_row_;
    std::int64_t offset = 0;
    for (const WalkFeature& feature : forest_.features) {
      WalkColumn& column = call.columns.emplace_back();
      column.type = wire_type(feature);
      column.codes = feature.n_categories >= 0;
      column.exact = is_exact(feature, column.type);
      column.stride = by_row_ ? row_bytes_ : item_bytes(column.type);
      column.offset = by_row_ ? (feature.feature - first_) * item_bytes(column.type) : offset;
      offset += pitch(column.type);
    }
  }

  WalkChunks chunks() const {
    std::int64_t bytes = by_row_ ? chunk_rows_ * row_bytes_ : 0;
    if (!by_row_)
      for (const WalkFeature& feature : forest_.features) bytes += pitch(wire_type(feature));
    return {chunk_rows_, bytes, [this](std::int64_t first, std::int64_t n, std::byte* to) { fill(first, n, to); },
            input_.base_margin.empty() ? nullptr : input_.base_margin.data()};
  }

 private:
  const ColumnView& view(const WalkFeature& feature) const {
    return input_.columns[static_cast<std::size_t>(feature.feature)];
  }

  // Rows of a C-ordered matrix whose columns are mostly wanted.
  bool lies_in_rows() {
    if (forest_.features.empty()) return false;
    first_ = forest_.features.front().feature;
    const std::int32_t last = forest_.features.back().feature, n = last - first_ + 1;
    const ColumnView& head = input_.columns[static_cast<std::size_t>(first_)];
    const std::int64_t bytes = item_bytes(head.type);
    if (n > 2 * static_cast<std::int32_t>(forest_.features.size()) || head.stride < n * bytes || n < 2) return false;
    for (std::int32_t f = first_; f <= last; ++f) {
      const ColumnView& column = input_.columns[static_cast<std::size_t>(f)];
      if (column.sparse_rows != nullptr || column.categorical || column.type != head.type ||
          column.stride != head.stride || column.data != head.data + (f - first_) * bytes)
        return false;
    }
    row_bytes_ = n * bytes;
    return by_row_ = true;
  }

  ColumnType wire_type(const WalkFeature& feature) const {
    const ColumnView& column = view(feature);
    if (column.sparse_rows == nullptr) return column.type;
    return is_exact(feature, column.type) ? ColumnType::f64 : ColumnType::f32;
  }

  std::int64_t pitch(ColumnType type) const {
    return (chunk_rows_ * item_bytes(type) + kColumnAlignment - 1) / kColumnAlignment * kColumnAlignment;
  }

  void fill(std::int64_t first, std::int64_t n, std::byte* bytes) const {
    auto* const to = reinterpret_cast<char*>(bytes);
    const std::int64_t n_parts = (n + kFillRows - 1) / kFillRows;
    if (by_row_) {
      const ColumnView& head = input_.columns[static_cast<std::size_t>(first_)];
      parallel_for(n_threads_, n_parts, [&](std::int64_t part, int) {
        const std::int64_t begin = part * kFillRows, end = std::min(n, begin + kFillRows);
        const char* from = head.data + (first + begin) * head.stride;
        if (head.stride == row_bytes_) {
          std::memcpy(to + begin * row_bytes_, from, static_cast<std::size_t>((end - begin) * row_bytes_));
          return;
        }
        for (std::int64_t i = begin; i < end; ++i, from += head.stride)
          std::memcpy(to + i * row_bytes_, from, static_cast<std::size_t>(row_bytes_));
      });
      return;
    }
    std::vector<std::int64_t> offsets;
    std::int64_t offset = 0;
    for (const WalkFeature& feature : forest_.features) {
      offsets.push_back(offset);
      offset += pitch(wire_type(feature));
    }
    const auto n_columns = static_cast<std::int64_t>(forest_.features.size());
    parallel_for(n_threads_, n_columns * n_parts, [&](std::int64_t task, int) {
      const auto c = static_cast<std::size_t>(task / n_parts);
      const std::int64_t begin = task % n_parts * kFillRows, end = std::min(n, begin + kFillRows);
      fill_column(forest_.features[c], first + begin, end - begin,
                  to + offsets[c] + begin * item_bytes(wire_type(forest_.features[c])));
    });
  }

  void fill_column(const WalkFeature& feature, std::int64_t first, std::int64_t n, char* to) const {
    const ColumnView& column = view(feature);
    if (column.sparse_rows == nullptr) {
      copy_items(column.data + first * column.stride, column.stride, item_bytes(column.type), n, to);
      return;
    }
    if (wire_type(feature) == ColumnType::f64) {
      read_column(column, first, first + n, feature.wide, reinterpret_cast<double*>(to));
      return;
    }
    std::vector<double> values(static_cast<std::size_t>(n));
    read_column(column, first, first + n, feature.wide, values.data());
    auto* const out = reinterpret_cast<float*>(to);
    for (std::size_t i = 0; i < values.size(); ++i) out[i] = static_cast<float>(values[i]);
  }

  const WalkForest& forest_;
  const PredictInput& input_;
  int n_threads_;
  bool by_row_ = false;
  std::int32_t first_ = 0;  // feature that a chunk's rows begin with
  std::int64_t row_bytes_ = 0;
  std::int64_t chunk_rows_ = 1;
};

void run_chunks(const PredictDevice& device, const Model& model, const PredictInput& input, const PredictPlan& plan,
                std::int64_t out_bytes, void* out, const std::function<void(WalkCall&)>& finish) {
  const DeviceModels::Lease lease =
      model.on_devices().lease(model, device.name, device.ordinal, input.n_rows, device.path);
  if (input.n_rows == 0) return;
  WalkCall call = start_call(model, plan, lease, input.n_rows);
  finish(call);
  const HostChunks chunks(lease.forest(), input, plan.n_threads, out_bytes,
                          static_cast<std::int64_t>(lease.walker().chunk_bytes()));
  chunks.describe(call);
  lease.walker().run(call, chunks.chunks(), out);
}

void run_table(const PredictDevice& device, const Model& model, const DeviceTable& table, const PredictPlan& plan,
               void* out, const std::function<void(WalkCall&)>& finish) {
  const PredictInput& input = table.input;
  const DeviceModels::Lease lease =
      model.on_devices().lease(model, device.name, device.ordinal, input.n_rows, device.path);
  if (input.n_rows == 0) return;
  WalkCall call = start_call(model, plan, lease, input.n_rows);
  finish(call);
  const char* const origin = input.columns.empty() ? nullptr : input.columns.front().data;
  for (const WalkFeature& feature : lease.forest().features) {
    const auto f = static_cast<std::size_t>(feature.feature);
    const ColumnView& view = input.columns[f];
    WalkColumn& column = call.columns.emplace_back();
    column.type = view.type;
    column.stride = view.stride;
    column.offset = view.data - origin;
    column.exact = is_exact(feature, view.type);
    const std::int64_t bytes = item_bytes(view.type);
    column.aligned = reinterpret_cast<std::uintptr_t>(view.data) % static_cast<std::uintptr_t>(bytes) == 0 &&
                     view.stride % bytes == 0;
    if (feature.n_categories < 0) continue;
    const CategoryValues& values = table.categories[f];
    column.category = static_cast<std::int32_t>(call.categories.values.size());
    column.n_categories = static_cast<std::int32_t>(values.values.size());
    call.categories.values.insert(call.categories.values.end(), values.values.begin(), values.values.end());
    call.categories.codes.insert(call.categories.codes.end(), values.codes.begin(), values.codes.end());
  }
  if (call.columns.size() > 1)
    call.by_row = std::abs(call.columns[1].offset - call.columns[0].offset) < std::abs(call.columns[0].stride);
  lease.walker().run(call, origin, table.margins, out);
}

void check_categories(const Model& model, const DeviceTable& table) {
  const auto& features = model.cuts().features;
  for (std::size_t f = 0; f < features.size(); ++f) {
    if (!features[f].categorical) continue;
    require(table.categories.size() == features.size() &&
                table.categories[f].values.size() == table.categories[f].codes.size(),
            "column " + std::to_string(f) + " is categorical: its categories are needed");
  }
}

Link link_for(const Model& model, Output output) {
  return output == Output::kValue ? link_of(model.loss().objective) : Link::kIdentity;
}

}  // namespace

std::optional<WalkPath> parse_walk_path(const std::string& name) {
  if (name == "auto") return std::nullopt;
  for (const auto& [known, path] : {std::pair{"perfect", WalkPath::kPerfect}, std::pair{"packed", WalkPath::kPacked},
                                    std::pair{"trees", WalkPath::kTrees}, std::pair{"raw", WalkPath::kRaw}})
    if (name == known) return path;
  throw InvalidArgument("path must be auto, perfect, packed, trees or raw, got '" + name + "'");
}

void predict_scores_on(const PredictDevice& device, const Model& model, const PredictInput& input, Output output,
                       std::span<float> out) {
  const PredictPlan plan = plan_scores(model, input, out);
  const auto out_bytes = static_cast<std::int64_t>(sizeof(float)) * model.n_outputs();
  run_chunks(device, model, input, plan, out_bytes, out.data(),
             [&](WalkCall& call) { call.link = link_for(model, output); });
}

void predict_leaves_on(const PredictDevice& device, const Model& model, const PredictInput& input,
                       std::span<std::int32_t> out) {
  const PredictPlan plan = plan_leaves(model, input, out);
  const auto out_bytes = static_cast<std::int64_t>(sizeof(std::int32_t) * plan.n_trees);
  run_chunks(device, model, input, plan, out_bytes, out.data(), [](WalkCall& call) { call.leaves = true; });
}

void predict_scores_at(const PredictDevice& device, const Model& model, const DeviceTable& table, Output output,
                       std::span<float> out) {
  const PredictPlan plan = plan_scores(model, table.input, out);
  check_categories(model, table);
  run_table(device, model, table, plan, out.data(), [&](WalkCall& call) { call.link = link_for(model, output); });
}

void predict_leaves_at(const PredictDevice& device, const Model& model, const DeviceTable& table,
                       std::span<std::int32_t> out) {
  const PredictPlan plan = plan_leaves(model, table.input, out);
  check_categories(model, table);
  run_table(device, model, table, plan, out.data(), [](WalkCall& call) { call.leaves = true; });
}

}  // namespace pygbt
