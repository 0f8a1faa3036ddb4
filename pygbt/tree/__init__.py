# SPDX-License-Identifier: Apache-2.0
"""The classical decision trees: grown, pruned, read. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .c45 import C45Classifier, SplitCandidate
from .cart import CARTClassifier, CARTRegressor
from .complexity_path import cost_complexity_path
from .decision_tree import DecisionTree
from .id3 import ID3Classifier
from .pruning import PruningReport, prune
from .pruning_path import CostComplexityPath, EntropyPath, entropy_path
from .rules import Condition, Rule, RuleList

__all__ = [
    "C45Classifier",
    "CARTClassifier",
    "CARTRegressor",
    "Condition",
    "CostComplexityPath",
    "DecisionTree",
    "EntropyPath",
    "ID3Classifier",
    "PruningReport",
    "Rule",
    "RuleList",
    "SplitCandidate",
    "cost_complexity_path",
    "entropy_path",
    "prune",
]
