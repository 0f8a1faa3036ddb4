// SPDX-License-Identifier: Apache-2.0
// Parts of features: together all of them, once each, of about equal work; nodes are cut where one feature is most of it.
#include "backend/feature_parts.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "check.h"

using pygbt::FeatureParts;

namespace {

std::vector<std::int64_t> offsets(const std::vector<std::int64_t>& n_bins) {
  std::vector<std::int64_t> out = {0};
  for (const std::int64_t n : n_bins) out.push_back(out.back() + n);
  return out;
}

}  // namespace

TEST(feature_parts_cover_every_feature_once) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto draw = [&](std::uint64_t i) { return pygbt::random_bits(seed, pygbt::Draw::kRow, 0, i); };
    std::vector<std::int64_t> n_bins(1 + draw(0) % 60);
    for (std::size_t f = 0; f < n_bins.size(); ++f) n_bins[f] = 1 + static_cast<std::int64_t>(draw(f + 1) % 300);
    const FeatureParts parts(offsets(n_bins));
    for (const std::int64_t wanted : {1, 2, 3, 16, 100}) {
      const FeatureParts::Grid grid = parts.grid(wanted, 5);
      CHECK(grid.n_parts >= 1 && grid.n_parts <= wanted);
      CHECK(grid.n_groups >= 1 && grid.n_groups <= 5);
      CHECK_EQ(parts.begin(0, grid.n_parts), 0);
      CHECK_EQ(parts.begin(grid.n_parts, grid.n_parts), static_cast<pygbt::FeatureId>(n_bins.size()));
      std::int64_t total = 0, most = 0;
      for (const std::int64_t n : n_bins) total += n + 24;
      for (std::int64_t part = 0; part < grid.n_parts; ++part) {
        CHECK(parts.begin(part, grid.n_parts) <= parts.begin(part + 1, grid.n_parts));
        std::int64_t work = 0;
        for (auto f = parts.begin(part, grid.n_parts); f < parts.begin(part + 1, grid.n_parts); ++f)
          work += n_bins[static_cast<std::size_t>(f)] + 24;
        most = std::max(most, work);
      }
      CHECK(most * grid.n_parts <= 2 * total);  // no part is twice the mean
    }
  }
}

TEST(feature_parts_cut_nodes_where_one_feature_is_most_of_the_work) {
  const FeatureParts parts(offsets({4000, 20, 20}));
  const FeatureParts::Grid grid = parts.grid(8, 32);
  CHECK_EQ(grid.n_parts, 1);
  CHECK_EQ(grid.n_groups, 8);
  CHECK_EQ(parts.grid(8, 3).n_groups, 3);  // no more groups than nodes
}

TEST(feature_parts_of_no_features) {
  const FeatureParts parts(offsets({}));
  CHECK_EQ(parts.grid(4, 2).n_parts, 1);
  CHECK_EQ(parts.begin(1, 1), 0);
}
