# SPDX-License-Identifier: Apache-2.0
"""XGBoost, tree_method hist; bins are those of QuantileDMatrix, unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xgboost

from .interface import Recipe, xgboost_params


class XGBoost:
    separate_bins = True
    note = ""

    def __init__(self, quantile: bool = True, **more: object) -> None:
        self.quantile = quantile  # bins are found when the matrix is made, else by the training
        self.more = more  # parameters beyond the recipe's

    def bins(self, X: Any, y: np.ndarray, recipe: Recipe) -> xgboost.DMatrix:
        if not self.quantile:
            return xgboost.DMatrix(X, y, nthread=recipe.n_threads, enable_categorical=True)
        return xgboost.QuantileDMatrix(X, y, max_bin=256, nthread=recipe.n_threads, enable_categorical=True)

    def tune(self, bins: Any, recipe: Recipe) -> None:
        pass

    def train(self, bins: xgboost.DMatrix, recipe: Recipe) -> xgboost.Booster:
        return xgboost.train({**xgboost_params(recipe), **self.more}, bins, recipe.rounds)

    def predict(self, model: xgboost.Booster, X: Any) -> np.ndarray:
        if isinstance(X, pd.DataFrame):  # categories by value
            return model.predict(xgboost.DMatrix(X, enable_categorical=True))
        return model.inplace_predict(X)

    def one_row(self, model: xgboost.Booster) -> Callable[[np.ndarray], Any]:
        model.set_param({"nthread": 1})
        return lambda row: model.inplace_predict(row[None, :], validate_features=False)

    def digest(self, model: Any) -> None:
        return None
