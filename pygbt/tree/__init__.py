# SPDX-License-Identifier: Apache-2.0
"""The classical decision trees: grown, pruned, read. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .cart import CARTClassifier, CARTRegressor
from .decision_tree import DecisionTree

__all__ = ["CARTClassifier", "CARTRegressor", "DecisionTree"]
