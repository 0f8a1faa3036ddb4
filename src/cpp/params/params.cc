// SPDX-License-Identifier: Apache-2.0
#include "params/params.h"

#include <charconv>
#include <concepts>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace pygbt {
namespace {

std::string text_of(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}
std::string text_of(std::int64_t value) { return std::to_string(value); }

[[noreturn]] void fail(const ParamSpec& spec, const std::string& wanted, const std::string& got) {
  throw InvalidArgument(std::string(spec.name) + " must be " + wanted + ", got " + got);
}

[[noreturn]] void fail_type(const ParamSpec& spec, const char* wanted) { fail(spec, wanted, "another type"); }

// Any NaN lies outside; infinite ends are always open for floats.
template <class Number>
void check_range(const ParamSpec& spec, Number given) {
  const auto value = static_cast<double>(given);
  const bool above = spec.low_open ? value > spec.low : value >= spec.low;
  const bool below = spec.high_open ? value < spec.high : value <= spec.high;
  if (!(above && below)) fail(spec, "in " + std::string(spec.range), text_of(given));
}

double number(const ParamSpec& spec, const ParamValue& value) {
  if (const auto* x = std::get_if<double>(&value)) return *x;
  if (const auto* x = std::get_if<std::int64_t>(&value)) return static_cast<double>(*x);
  fail_type(spec, "a number");
}

// The elements of a list value; an empty list of any kind is empty, integers widen to floats.
template <class Element>
std::vector<Element> elements(const ParamSpec& spec, const ParamValue& value, const char* wanted) {
  if (const auto* same = std::get_if<std::vector<Element>>(&value)) return *same;
  if (const auto* ints = std::get_if<std::vector<std::int64_t>>(&value)) {
    if (ints->empty()) return {};
    if constexpr (std::is_same_v<Element, double>) return {ints->begin(), ints->end()};
  }
  if (const auto* floats = std::get_if<std::vector<double>>(&value)) {
    if (floats->empty()) return {};
  }
  fail_type(spec, wanted);
}

// One overload for each C++ type of a field.
template <std::same_as<bool> Flag>
void assign(Flag& field, const ParamSpec& spec, const ParamValue& value) {
  const auto* flag = std::get_if<bool>(&value);
  if (flag == nullptr) fail_type(spec, "true or false");
  field = *flag;
}

template <class Int>
  requires(std::is_integral_v<Int> && !std::is_same_v<Int, bool>)
void assign(Int& field, const ParamSpec& spec, const ParamValue& value) {
  const auto* whole = std::get_if<std::int64_t>(&value);
  if (whole == nullptr) fail_type(spec, "an integer");
  check_range(spec, *whole);
  field = static_cast<Int>(*whole);
}

void assign(double& field, const ParamSpec& spec, const ParamValue& value) {
  const double x = number(spec, value);
  check_range(spec, x);
  field = x;
}

void assign(std::optional<double>& field, const ParamSpec& spec, const ParamValue& value) {
  if (const auto* word = std::get_if<std::string>(&value)) {
    if (*word != "auto") fail(spec, "a number or 'auto'", "'" + *word + "'");
    field.reset();
    return;
  }
  double x = 0.0;
  assign(x, spec, value);
  field = x;
}

template <class Enum>
  requires std::is_enum_v<Enum>
void assign(Enum& field, const ParamSpec& spec, const ParamValue& value) {
  const auto* word = std::get_if<std::string>(&value);
  if (word == nullptr) fail_type(spec, "a name");
  const auto found = parse_enum<Enum>(*word);
  if (!found) {
    std::string choices;
    for (const auto& name : enum_names(Enum{})) choices += (choices.empty() ? "" : ", ") + std::string(name);
    fail(spec, "one of " + choices, "'" + *word + "'");
  }
  field = *found;
}

void assign(std::vector<double>& field, const ParamSpec& spec, const ParamValue& value) {
  auto list = elements<double>(spec, value, "a list of numbers");
  if (list.size() < spec.min_size) fail(spec, "a list of at least " + std::to_string(spec.min_size), "an empty list");
  for (const double x : list) check_range(spec, x);
  field = std::move(list);
}

void assign_ints(std::vector<std::int32_t>& field, const ParamSpec& spec, const std::vector<std::int64_t>& list) {
  field.clear();
  for (const std::int64_t x : list) {
    check_range(spec, x);
    field.push_back(static_cast<std::int32_t>(x));
  }
}

void assign(std::vector<std::int32_t>& field, const ParamSpec& spec, const ParamValue& value) {
  assign_ints(field, spec, elements<std::int64_t>(spec, value, "a list of integers"));
}

void assign(std::vector<std::vector<std::int32_t>>& field, const ParamSpec& spec, const ParamValue& value) {
  field.clear();
  for (const auto& list : elements<std::vector<std::int64_t>>(spec, value, "a list of lists of integers")) {
    assign_ints(field.emplace_back(), spec, list);
  }
}

}  // namespace

void set_param(Params& params, std::string_view name, const ParamValue& value) {
  bool found = false;
  for_each_param(params, [&](auto& field, const ParamSpec& spec) {
    if (spec.name != name) return;
    found = true;
    auto checked = field;  // a refused value leaves the field as it was
    assign(checked, spec, value);
    field = std::move(checked);
  });
  require(found, "there is no parameter '" + std::string(name) + "'");
}

void validate(const Params& params) {
  require(params.max_leaves != 1, "max_leaves must be 0 (no limit) or at least 2, got 1");
  require(params.grow_policy != GrowPolicy::kLossguide || params.max_leaves > 0 || params.max_depth > 0,
          "grow_policy='lossguide' needs a limit: set max_leaves or max_depth above 0");
  require(
      params.grow_policy != GrowPolicy::kSymmetric || (params.max_depth > 0 && params.max_depth <= kMostSymmetricDepth),
      "grow_policy='symmetric' needs max_depth of 1 to " + std::to_string(kMostSymmetricDepth) + ", got " +
          std::to_string(params.max_depth));
  const auto n_units = static_cast<std::int64_t>(params.unit_rate.size());
  for (const std::int32_t unit : params.feature_unit) {
    require(unit < n_units, "feature_unit names unit " + std::to_string(unit) + " but unit_rate has " +
                                std::to_string(n_units) + " rates");
  }
  require(!params.feature_unit.empty() || n_units == 0, "unit_rate needs feature_unit");
}

void validate_features(const Params& params, std::int32_t n_features) {
  const auto check_size = [&](const char* name, std::size_t size) {
    require(size == 0 || size == static_cast<std::size_t>(n_features),
            std::string(name) + " has " + std::to_string(size) + " values for " + std::to_string(n_features) +
                " features; give one value a feature");
  };
  check_size("feature_weights", params.feature_weights.size());
  check_size("feature_unit", params.feature_unit.size());
  check_size("monotone_constraints", params.monotone_constraints.size());
  for (const auto& list : params.interaction_constraints) {
    for (const std::int32_t f : list) {
      require(f < n_features, "interaction_constraints names feature " + std::to_string(f) + " but there are " +
                                  std::to_string(n_features) + " features");
    }
  }
  bool any = params.feature_weights.empty();
  for (const double w : params.feature_weights) any = any || w > 0.0;
  require(any, "feature_weights must have at least one positive weight");
}

double resolved_max_delta_step(const Params& params) {
  return params.max_delta_step.value_or(params.objective == Objective::kPoisson ? 0.7 : 0.0);
}

}  // namespace pygbt
