# SPDX-License-Identifier: Apache-2.0
"""hessboost, tree_method hist; bins are those of BinnedMatrix, arrays are borrowed instead of copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hessboost
import numpy as np

from .interface import XGBOOST_OBJECTIVES, Recipe


class Hessboost:
    separate_bins = True
    note = ""

    def bins(self, X: Any, y: np.ndarray, recipe: Recipe) -> hessboost.BinnedMatrix:
        borrow = isinstance(X, np.ndarray) and X.flags.c_contiguous and X.base is None
        if borrow:
            X.setflags(write=False)
        return hessboost.BinnedMatrix(hessboost.DMatrix(X, y, copy=not borrow), 256)

    def tune(self, bins: Any, recipe: Recipe) -> None:
        pass

    def train(self, bins: hessboost.BinnedMatrix, recipe: Recipe) -> hessboost.Booster:
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
        return hessboost.train(params, bins, recipe.rounds, verbose_eval=False)

    def predict(self, model: hessboost.Booster, X: Any) -> np.ndarray:
        return model.predict(X)

    def one_row(self, model: hessboost.Booster) -> Callable[[np.ndarray], Any]:
        out = np.empty(1, dtype=np.float32)
        return lambda row: model.predict_row(row, out=out)

    def digest(self, model: Any) -> None:
        return None
