# SPDX-License-Identifier: Apache-2.0
"""The classical decision trees: grown, pruned, read. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .decision_tree import DecisionTree

__all__ = ["DecisionTree"]
