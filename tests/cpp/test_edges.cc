// SPDX-License-Identifier: Apache-2.0
// Edges of a table whose rows lie with several workers are those of the whole table on one, and every way to find
// them gives the same.
#include "data/edges.h"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "check.h"
#include "comm/thread_comm.h"
#include "data/dataset.h"

namespace pygbt {
namespace {

constexpr std::int64_t kRows = 12'000;
constexpr int kColumns = 5;

// Columns back to back: smooth, few values, mostly zero, with holes, large numbers.
std::vector<double> make_values() {
  std::vector<double> values;
  for (int f = 0; f < kColumns; ++f) {
    for (std::int64_t i = 0; i < kRows; ++i) {
      const auto bits = random_bits(1, Draw::kRow, static_cast<std::uint32_t>(f), static_cast<std::uint64_t>(i));
      const double u = bits / 4294967296.0;
      const double smooth = std::sqrt(u) * (bits % 2 == 0 ? 1.0 : -1.0);
      const double shapes[kColumns] = {smooth, std::floor(u * 100.0) / 10.0, bits % 10 == 0 ? smooth : 0.0,
                                       bits % 3 == 0 ? std::numeric_limits<double>::quiet_NaN() : smooth, 1e12 + u};
      values.push_back(shapes[f]);
    }
  }
  return values;
}

std::vector<ColumnView> rows_of(const std::vector<double>& values, std::int64_t begin) {
  std::vector<ColumnView> columns(kColumns);
  for (int f = 0; f < kColumns; ++f) {
    columns[static_cast<std::size_t>(f)].type = ColumnType::f64;
    columns[static_cast<std::size_t>(f)].data = reinterpret_cast<const char*>(values.data() + f * kRows + begin);
    columns[static_cast<std::size_t>(f)].stride = sizeof(double);
  }
  return columns;
}

TEST(edges_of_workers_are_those_of_the_whole_table) {
  const std::vector<double> values = make_values();
  std::vector<std::uint32_t> weights;
  for (std::uint32_t i = 0; i < kRows; ++i) weights.push_back(i * 7 % 5);
  for (const bool weighted : {false, true}) {
    const std::span<const std::uint32_t> all =
        weighted ? std::span<const std::uint32_t>(weights) : std::span<const std::uint32_t>();
    std::vector<FeatureCuts> whole(kColumns);
    Solo solo;
    find_edges(rows_of(values, 0), kRows, all, 64, solo, 2, whole);
    const std::vector<std::int64_t> begins = {0, 100, 5000, kRows};  // one part is small enough to be sorted
    const int n_workers = static_cast<int>(begins.size()) - 1;
    const auto group = std::make_shared<ThreadGroup>(n_workers);
    std::vector<std::vector<FeatureCuts>> parts(static_cast<std::size_t>(n_workers),
                                                std::vector<FeatureCuts>(kColumns));
    {
      std::vector<std::jthread> workers;
      for (int rank = 0; rank < n_workers; ++rank) {
        workers.emplace_back([&, rank] {
          const auto r = static_cast<std::size_t>(rank);
          ThreadComm comm(group, rank);
          const std::int64_t n = begins[r + 1] - begins[r];
          const auto own =
              all.empty() ? all : all.subspan(static_cast<std::size_t>(begins[r]), static_cast<std::size_t>(n));
          find_edges(rows_of(values, begins[r]), n, own, 64, comm, 1 + rank, parts[r]);
        });
      }
    }
    for (const auto& part : parts) {
      for (std::size_t f = 0; f < kColumns; ++f) {
        CHECK_EQ(part[f].n_bins, whole[f].n_bins);
        CHECK(part[f].edges == whole[f].edges);
      }
    }
    CHECK_EQ(whole[0].n_bins, 64);
  }
}

// A column of kRows values of each kind, that a search could get wrong.
std::vector<std::vector<double>> odd_columns() {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> columns(16);
  for (std::int64_t i = 0; i < kRows; ++i) {
    const std::uint32_t bits = random_bits(2, Draw::kRow, 0, static_cast<std::uint64_t>(i));
    const double u = bits / 4294967296.0;
    const double smooth = std::sqrt(u) * (bits % 2 == 0 ? 1.0 : -1.0);
    const double row = static_cast<double>(i);
    const double values[] = {smooth,
                             static_cast<double>(bits % 2),
                             static_cast<double>(bits % 256),
                             static_cast<double>(bits % 5000) - 2500.0,
                             std::floor(u * 600.0) / 10.0 - 30.0,
                             bits % 3 == 0 ? 0.25 : smooth,                       // one heavy value among many
                             bits % 4 == 0 ? smooth : std::floor(u * 20.0) / 7,   // some heavy values
                             i + 1 < kRows ? kNan : 3.0,                          // a value that no sample sees
                             i == 77   ? 1e30
                             : i == 78 ? -1e30
                                       : smooth,           // far outside
                             i % 100 == 77 ? 1.0 : 0.0,                           // rare
                             kNan,
                             -2.5,
                             i % 7 == 0    ? kInf
                             : i % 11 == 0 ? -kInf
                             : i % 13 == 0 ? kNan
                                           : smooth,
                             bits % 2 == 0 ? smooth * 1e-30 : smooth * 1e30,      // two clusters
                             row,
                             std::floor(std::exp(9.0 * u)) * (bits % 5 == 0 ? -0.0 : 1.0)};
    for (std::size_t f = 0; f < columns.size(); ++f) columns[f].push_back(values[f]);
  }
  return columns;
}

void compare_searches(std::span<const ColumnView> columns, std::span<const std::uint32_t> weights) {
  Solo solo;
  for (const std::int32_t max_bin : {2, 3, 17, 256, 700, 20'000}) {
    std::vector<FeatureCuts> expected(columns.size());
    find_edges(columns, kRows, weights, max_bin, solo, 1, expected, EdgeSearch::sort);
    for (const EdgeSearch search : {EdgeSearch::grid, EdgeSearch::radix, EdgeSearch::best}) {
      for (const int n_threads : {1, 3}) {
        std::vector<FeatureCuts> found(columns.size());
        find_edges(columns, kRows, weights, max_bin, solo, n_threads, found, search);
        for (std::size_t f = 0; f < columns.size(); ++f) {
          CHECK_EQ(found[f].n_bins, expected[f].n_bins);
          CHECK(found[f].edges == expected[f].edges);
        }
      }
    }
  }
}

template <class T>
void compare_searches_of_type(ColumnType type) {
  std::vector<std::vector<T>> values;
  for (const auto& column : odd_columns()) {
    auto& typed = values.emplace_back();
    for (const double value : column) typed.push_back(static_cast<T>(value));
  }
  std::vector<std::vector<T>> stored(values.size());
  std::vector<std::vector<std::int64_t>> rows(values.size());
  std::vector<ColumnView> dense(values.size());
  std::vector<ColumnView> sparse(values.size());
  for (std::size_t f = 0; f < values.size(); ++f) {
    for (std::size_t i = 0; i < values[f].size(); ++i) {
      if (values[f][i] == T{0} || i % 3 == 0) continue;
      stored[f].push_back(values[f][i]);
      rows[f].push_back(static_cast<std::int64_t>(i));
    }
    dense[f].type = sparse[f].type = type;
    dense[f].data = reinterpret_cast<const char*>(values[f].data());
    dense[f].stride = sizeof(T);
    sparse[f].data = reinterpret_cast<const char*>(stored[f].data());
    sparse[f].sparse_rows = rows[f].data();
    sparse[f].n_stored = static_cast<std::int64_t>(rows[f].size());
    sparse[f].fill = f % 3 == 0 ? std::numeric_limits<double>::quiet_NaN() : 0.0;
  }
  std::vector<std::uint32_t> weights;
  for (std::uint32_t i = 0; i < kRows; ++i) weights.push_back(i * 7 % 5);
  compare_searches(dense, {});
  compare_searches(sparse, {});
  compare_searches(dense, weights);
  compare_searches(sparse, weights);
}

TEST(edges_are_the_same_sorted_on_a_grid_and_by_radix) {
  compare_searches_of_type<float>(ColumnType::f32);
  compare_searches_of_type<double>(ColumnType::f64);
}

TEST(read_column_follows_strides_types_and_sparse_rows) {
  const std::vector<std::int16_t> dense = {5, -1, 7, -1, 9, -1};
  ColumnView column;
  column.type = ColumnType::i16;
  column.data = reinterpret_cast<const char*>(dense.data() + 4);
  column.stride = -2 * static_cast<std::int64_t>(sizeof(std::int16_t));
  double out[6] = {};
  read_column(column, 0, 3, false, out, 2);
  CHECK_EQ(out[0], 9.0);
  CHECK_EQ(out[2], 7.0);
  CHECK_EQ(out[4], 5.0);

  const std::vector<double> stored = {0.1, -0.0};
  const std::vector<std::int64_t> rows = {1, 3};
  ColumnView sparse;
  sparse.type = ColumnType::f64;
  sparse.data = reinterpret_cast<const char*>(stored.data());
  sparse.sparse_rows = rows.data();
  sparse.n_stored = 2;
  sparse.fill = std::numeric_limits<double>::quiet_NaN();
  read_column(sparse, 1, 5, false, out);
  CHECK_EQ(out[0], static_cast<double>(0.1f));
  CHECK(std::isnan(out[1]));
  CHECK(out[2] == 0.0 && !std::signbit(out[2]));
  CHECK(std::isnan(out[3]));
  read_column(sparse, 1, 2, true, out);
  CHECK_EQ(out[0], 0.1);

  const std::vector<std::int32_t> codes = {2, -1};
  ColumnView category;
  category.type = ColumnType::i32;
  category.categorical = true;
  category.data = reinterpret_cast<const char*>(codes.data());
  category.stride = sizeof(std::int32_t);
  read_column(category, 0, 2, false, out);
  CHECK_EQ(out[0], 2.0);
  CHECK(std::isnan(out[1]));
}

}  // namespace
}  // namespace pygbt
