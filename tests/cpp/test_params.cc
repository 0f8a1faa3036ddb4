// SPDX-License-Identifier: Apache-2.0
// Parameters set by name: refusals leave the struct as it was, and rules over several fields hold.
#include <cstdint>
#include <limits>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "params/params.h"

using namespace pygbt;

namespace {
ParamValue integer(std::int64_t x) { return x; }
}  // namespace

TEST(params_refused_value_leaves_the_field) {
  Params params;
  set_param(params, "monotone_constraints", std::vector<std::int64_t>{1, 0, -1});
  CHECK_THROWS(InvalidArgument, set_param(params, "monotone_constraints", std::vector<std::int64_t>{0, 2}));
  CHECK_EQ(params.monotone_constraints, (std::vector<std::int32_t>{1, 0, -1}));
  CHECK_THROWS(InvalidArgument, set_param(params, "learning_rate", std::numeric_limits<double>::quiet_NaN()));
  CHECK_EQ(params.learning_rate, 0.1);
  CHECK_THROWS(InvalidArgument, set_param(params, "max_depth", integer(1LL << 40)));
  CHECK_EQ(params.max_depth, 6);
}

TEST(params_types) {
  Params params;
  set_param(params, "learning_rate", integer(1));  // an integer is a number
  CHECK_EQ(params.learning_rate, 1.0);
  CHECK_THROWS(InvalidArgument, set_param(params, "max_depth", 3.0));
  CHECK_THROWS(InvalidArgument, set_param(params, "max_depth", true));
  set_param(params, "base_score", integer(2));
  CHECK_EQ(params.base_score.value_or(0.0), 2.0);
  set_param(params, "base_score", std::string("auto"));
  CHECK(!params.base_score.has_value());
  set_param(params, "interaction_constraints", std::vector<std::vector<std::int64_t>>{{0, 1}, {2}});
  CHECK_EQ(params.interaction_constraints.size(), std::size_t{2});
  set_param(params, "interaction_constraints", std::vector<std::int64_t>{});  // any empty list
  CHECK(params.interaction_constraints.empty());
  set_param(params, "seed", integer(std::numeric_limits<std::int64_t>::max()));
  CHECK_EQ(params.seed, (std::uint64_t{1} << 63) - 1);
}

TEST(params_names_of_enums_round_trip) {
  for (const auto& name : enum_names(Objective{})) {
    const auto value = parse_enum<Objective>(name);
    CHECK(value.has_value());
    if (value) CHECK_EQ(to_string(*value), name);
  }
  CHECK(!parse_enum<GrowPolicy>("sideways").has_value());
}

TEST(params_rules_over_several_fields) {
  Params params;
  validate(params);
  params.max_depth = 0;
  validate(params);  // depthwise without a limit ends when nothing can be split
  params.grow_policy = GrowPolicy::kLossguide;
  CHECK_THROWS(InvalidArgument, validate(params));
  params.max_leaves = 31;
  validate(params);
  params.max_leaves = 1;
  CHECK_THROWS(InvalidArgument, validate(params));
  params.max_leaves = 0;
  params.grow_policy = GrowPolicy::kSymmetric;
  CHECK_THROWS(InvalidArgument, validate(params));
  params.max_depth = 3;
  params.feature_unit = {0, 1, 1};
  params.unit_rate = {0.5};
  CHECK_THROWS(InvalidArgument, validate(params));
  params.unit_rate = {0.5, -1.0};
  validate(params);
}

TEST(params_lists_fit_the_features) {
  Params params;
  params.monotone_constraints = {1, 0};
  validate_features(params, 2);
  CHECK_THROWS(InvalidArgument, validate_features(params, 3));
  params = {};
  params.interaction_constraints = {{0}, {1, 4}};
  validate_features(params, 5);
  CHECK_THROWS(InvalidArgument, validate_features(params, 4));
  params = {};
  params.feature_weights = {0.0, 0.0};
  CHECK_THROWS(InvalidArgument, validate_features(params, 2));
}

TEST(params_max_delta_step_auto_depends_on_the_objective) {
  Params params;
  CHECK_EQ(resolved_max_delta_step(params), 0.0);
  params.objective = Objective::kPoisson;
  CHECK_EQ(resolved_max_delta_step(params), 0.7);
  params.max_delta_step = 0.0;
  CHECK_EQ(resolved_max_delta_step(params), 0.0);
}
