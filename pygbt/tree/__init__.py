# SPDX-License-Identifier: Apache-2.0
"""The classical decision trees: grown, pruned, read. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .complexity_path import cost_complexity_path
from .decision_tree import DecisionTree
from .pruning import PruningReport, prune
from .pruning_path import CostComplexityPath, EntropyPath, entropy_path

__all__ = [
    "CostComplexityPath",
    "DecisionTree",
    "EntropyPath",
    "PruningReport",
    "cost_complexity_path",
    "entropy_path",
    "prune",
]
