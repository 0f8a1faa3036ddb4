// SPDX-License-Identifier: Apache-2.0
// Proves a model read from a file sound before anything walks its trees: every index in range, every node reached
// once, every number finite where it must be. After it, prediction needs no checks. Throws CorruptModel.
#pragma once

#include <cstdint>

#include "data/cuts.h"
#include "model/model.h"

namespace pygbt {

void validate_cuts(const Cuts& cuts);

// `index` names the tree in messages.
void validate_tree(const Tree& tree, const Cuts& cuts, std::int32_t n_outputs, std::int64_t index);

// Everything but the trees' insides: loss, base score, counts.
void validate_parts(const ModelParts& parts);

}  // namespace pygbt
