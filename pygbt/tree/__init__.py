# SPDX-License-Identifier: Apache-2.0
"""The classical decision trees: grown, pruned, read. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .c45 import C45Classifier, SplitCandidate
from .cart import CARTClassifier, CARTRegressor
from .complexity_path import cost_complexity_path
from .conditions import Condition, Cut, Rule
from .decision_tree import DecisionTree
from .drawing import draw, to_svg
from .explain import Explanation, Step, explain
from .graphviz import to_graphviz
from .id3 import ID3Classifier
from .importance import importance_text, variable_importance
from .node_table import leaf_table, node_table
from .path_rules import RuleSet, decision_rules
from .pruning import PruningReport, prune
from .pruning_path import CostComplexityPath, EntropyPath, entropy_path
from .rules import ClassRule, RuleList, RuleTest
from .text import export_text

__all__ = [
    "C45Classifier",
    "CARTClassifier",
    "CARTRegressor",
    "ClassRule",
    "Condition",
    "CostComplexityPath",
    "Cut",
    "DecisionTree",
    "EntropyPath",
    "Explanation",
    "ID3Classifier",
    "PruningReport",
    "Rule",
    "RuleList",
    "RuleSet",
    "RuleTest",
    "SplitCandidate",
    "Step",
    "cost_complexity_path",
    "decision_rules",
    "draw",
    "entropy_path",
    "explain",
    "export_text",
    "importance_text",
    "leaf_table",
    "node_table",
    "prune",
    "to_graphviz",
    "to_svg",
    "variable_importance",
]
