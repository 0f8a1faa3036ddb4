# SPDX-License-Identifier: Apache-2.0
"""Ensembles of classical trees: forests, bagging, AdaBoost, boosting trees. Needs the ``sklearn`` extra."""

from __future__ import annotations

from .adaboost import AdaBoostClassifier
from .adaboost_regressor import AdaBoostRegressor
from .bagging import BaggingClassifier, BaggingRegressor
from .boosting_tree import BoostingTree
from .forest import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from .gradient_boosting import GradientBoostingClassifier, GradientBoostingRegressor

__all__ = [
    "AdaBoostClassifier",
    "AdaBoostRegressor",
    "BaggingClassifier",
    "BaggingRegressor",
    "BoostingTree",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
]
