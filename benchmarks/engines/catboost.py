# SPDX-License-Identifier: Apache-2.0
"""CatBoost without what the others do not do: plain boosting, no bootstrap, no random strength, one Newton step a leaf.

Its own symmetric trees stand for depthwise growth (it is fastest with them); lossguide is its Lossguide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import catboost
import numpy as np
import pandas as pd

from .interface import Recipe

LOSSES = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE", "count": "Poisson"}


class CatBoost:
    separate_bins = True
    note = ""

    def __init__(self) -> None:
        self.n_threads = 0
        self.classifies = False

    def bins(self, X: Any, y: np.ndarray, recipe: Recipe) -> catboost.Pool:
        categorical = []
        if isinstance(X, pd.DataFrame):
            categorical = list(X.select_dtypes("category").columns)
            X = _without_missing_categories(X)
        pool = catboost.Pool(X, y, cat_features=categorical or None, thread_count=recipe.n_threads)
        if not categorical:
            pool.quantize(border_count=254)
        return pool

    def tune(self, bins: Any, recipe: Recipe) -> None:
        pass

    def train(self, bins: catboost.Pool, recipe: Recipe) -> catboost.CatBoost:
        self.n_threads = recipe.n_threads
        self.classifies = recipe.task in ("binary", "multiclass")
        params = {
            "loss_function": LOSSES[recipe.task],
            "iterations": recipe.rounds,
            "learning_rate": recipe.learning_rate,
            "l2_leaf_reg": recipe.reg_lambda,
            "border_count": 254,
            "boosting_type": "Plain",
            "bootstrap_type": "No",
            "random_strength": 0,
            "leaf_estimation_iterations": 1,
            "one_hot_max_size": 16,
            "thread_count": recipe.n_threads,
            "allow_writing_files": False,
            "verbose": False,
            **({"boost_from_average": True} if recipe.task in ("binary", "regression") else {}),
            **({"classes_count": recipe.n_classes} if recipe.task == "multiclass" else {}),
        }
        if recipe.policy == "lossguide":
            params |= {"grow_policy": "Lossguide", "max_leaves": recipe.leaves, "depth": 16, "min_data_in_leaf": 1}
        else:
            params |= {"grow_policy": "SymmetricTree", "depth": recipe.depth}
        return catboost.CatBoost(params).fit(bins)

    def predict(self, model: catboost.CatBoost, X: Any) -> np.ndarray:
        if isinstance(X, pd.DataFrame):
            X = _without_missing_categories(X)
        kind = "Probability" if self.classifies else "RawFormulaVal"
        if model.get_all_params()["loss_function"] == "Poisson":
            kind = "Exponent"
        values = np.asarray(model.predict(X, prediction_type=kind, thread_count=self.n_threads))
        return values[:, 1] if self.classifies and values.shape[1] == 2 else values

    def one_row(self, model: catboost.CatBoost) -> Callable[[np.ndarray], Any]:
        return lambda row: model.predict(row, prediction_type="Probability", thread_count=1)

    def digest(self, model: Any) -> None:
        return None


def _without_missing_categories(X: pd.DataFrame) -> pd.DataFrame:
    """It refuses NaN among categories: missing becomes a category of its own."""
    X = X.copy()
    for column in X.select_dtypes("category"):
        X[column] = X[column].astype(object).where(X[column].notna(), "missing").astype(str)
    return X
