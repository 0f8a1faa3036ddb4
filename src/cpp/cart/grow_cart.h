// SPDX-License-Identifier: Apache-2.0
// One call a tree: picks the criterion's loops, grows, and turns the result into what the caller wants.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/progress.h"
#include "cart/cart_options.h"
#include "cart/cart_tree.h"
#include "decision/coded_table.h"
#include "decision/decision_tree.h"
#include "decision/response.h"
#include "decision/row_codes.h"

namespace pygbt {

// A tree with all statistics, surrogates and competitors. Throws InvalidArgument where criterion and response do not
// fit, or an option is out of range. progress: cases that have come to a leaf.
DecisionTree grow_cart(const CodedTable& table, const Response& response, const CartOptions& options, int n_threads,
                       Progress& progress);

// Grows trees first .. first + n of a forest and calls take(index, tree) for each, from several threads. weights(index,
// out): what every row weighs in that tree (0: not drawn), in units of the response, `total` in all. Trees are tasks where there are at
// least as many as threads, else the threads share each tree. rows: the table's codes by rows, or empty.
void grow_forest(const CodedTable& table, const RowCodes& rows, const Response& response, const CartOptions& options,
                 std::int32_t first, std::int32_t n, std::uint64_t total, int n_threads,
                 const std::function<void(std::int32_t index, std::vector<std::uint32_t>& out)>& weights,
                 const std::function<void(std::int32_t index, const CartTree& tree, const CartOptions& options)>& take);

}  // namespace pygbt
