// SPDX-License-Identifier: Apache-2.0
// Training parameters: the generated struct plus setting by name, with every check. Canonical names only;
// aliases are resolved in Python. Called by the bindings and by tests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "params/params.gen.h"

namespace pygbt {

// A value as a caller gives it; an integer is accepted where a float is meant, an empty list for any list.
using ParamValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
                                std::vector<std::vector<std::int64_t>>>;

// Sets one field. Throws InvalidArgument with the name, what is allowed and the value.
void set_param(Params& params, std::string_view name, const ParamValue& value);

// A symmetric tree has all 2^depth leaves, rows in them or not.
inline constexpr std::int32_t kMostSymmetricDepth = 16;

// Throws InvalidArgument where fields do not go together, Unsupported for a device this build lacks.
void validate(const Params& params);

// Checks that lists per feature fit a table of n_features columns (an empty list always does).
void validate_features(const Params& params, std::int32_t n_features);

// Largest absolute leaf value before the learning rate with "auto" resolved; 0 = no limit.
double resolved_max_delta_step(const Params& params);

template <class Enum>
constexpr std::string_view to_string(Enum value) {
  return enum_names(value)[static_cast<std::size_t>(value)];
}

template <class Enum>
constexpr std::optional<Enum> parse_enum(std::string_view name) {
  const auto names = enum_names(Enum{});
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace pygbt
