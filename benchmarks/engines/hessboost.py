# SPDX-License-Identifier: Apache-2.0
"""hessboost, tree_method hist; bins are those of BinnedMatrix, arrays are borrowed instead of copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hessboost
import numpy as np

from .interface import Recipe, xgboost_params


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
        return hessboost.train(xgboost_params(recipe), bins, recipe.rounds, verbose_eval=False)

    def predict(self, model: hessboost.Booster, X: Any) -> np.ndarray:
        return model.predict(X)

    def one_row(self, model: hessboost.Booster) -> Callable[[np.ndarray], Any]:
        out = np.empty(1, dtype=np.float32)
        return lambda row: model.predict_row(row, out=out)

    def digest(self, model: Any) -> None:
        return None
