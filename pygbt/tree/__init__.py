# SPDX-License-Identifier: Apache-2.0
"""The classical decision trees: grown, pruned, read. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .cart import CARTClassifier, CARTRegressor
from .conditions import Condition, Cut, Rule
from .decision_tree import DecisionTree
from .drawing import draw, to_svg
from .explain import Explanation, Step, explain
from .graphviz import to_graphviz
from .importance import importance_text, variable_importance
from .node_table import leaf_table, node_table
from .path_rules import RuleSet, decision_rules
from .text import export_text

__all__ = [
    "CARTClassifier",
    "CARTRegressor",
    "Condition",
    "Cut",
    "DecisionTree",
    "Explanation",
    "Rule",
    "RuleSet",
    "Step",
    "decision_rules",
    "draw",
    "explain",
    "export_text",
    "importance_text",
    "leaf_table",
    "node_table",
    "to_graphviz",
    "to_svg",
    "variable_importance",
]
