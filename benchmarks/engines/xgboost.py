# SPDX-License-Identifier: Apache-2.0
"""XGBoost, tree_method hist; bins are those of QuantileDMatrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xgboost

from .interface import XGBOOST_OBJECTIVES, Recipe


class XGBoost:
    separate_bins = True
    note = ""

    def bins(self, X: Any, y: np.ndarray, recipe: Recipe) -> xgboost.QuantileDMatrix:
        return xgboost.QuantileDMatrix(X, y, max_bin=256, nthread=recipe.n_threads, enable_categorical=True)

    def tune(self, bins: Any, recipe: Recipe) -> None:
        pass

    def train(self, bins: xgboost.QuantileDMatrix, recipe: Recipe) -> xgboost.Booster:
        params = {
            "objective": XGBOOST_OBJECTIVES[recipe.task],
            "tree_method": "hist",
            "max_bin": 256,
            "grow_policy": recipe.policy,
            "max_depth": recipe.max_depth,
            "max_leaves": recipe.max_leaves if recipe.policy == "lossguide" else 0,
            "learning_rate": recipe.learning_rate,
            "reg_lambda": recipe.reg_lambda,
            "min_child_weight": recipe.min_child_weight,
            "nthread": recipe.n_threads,
            **({"num_class": recipe.n_classes} if recipe.task == "multiclass" else {}),
        }
        return xgboost.train(params, bins, recipe.rounds)

    def predict(self, model: xgboost.Booster, X: Any) -> np.ndarray:
        if isinstance(X, pd.DataFrame):  # categories by value
            return model.predict(xgboost.DMatrix(X, enable_categorical=True))
        return model.inplace_predict(X)

    def one_row(self, model: xgboost.Booster) -> Callable[[np.ndarray], Any]:
        model.set_param({"nthread": 1})
        return lambda row: model.inplace_predict(row[None, :], validate_features=False)

    def digest(self, model: Any) -> None:
        return None
