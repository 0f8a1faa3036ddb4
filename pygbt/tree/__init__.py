# SPDX-License-Identifier: Apache-2.0
"""The classical decision trees: grown, pruned, read. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .c45 import C45Classifier, SplitCandidate
from .cart import CARTClassifier, CARTRegressor
from .decision_tree import DecisionTree
from .id3 import ID3Classifier
from .rules import Condition, Rule, RuleList

__all__ = [
    "C45Classifier",
    "CARTClassifier",
    "CARTRegressor",
    "Condition",
    "DecisionTree",
    "ID3Classifier",
    "Rule",
    "RuleList",
    "SplitCandidate",
]
