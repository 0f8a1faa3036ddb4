# SPDX-License-Identifier: Apache-2.0
"""Ensembles of classical trees: forests. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .forest import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

__all__ = [
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
]
