# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's HistGradientBoosting; it makes its bins inside fit, and its threads are OMP_NUM_THREADS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from .interface import Recipe

Model = HistGradientBoostingClassifier | HistGradientBoostingRegressor


class Sklearn:
    separate_bins = False
    note = ""

    def __init__(self) -> None:
        self.n_classes = 2

    def bins(self, X: Any, y: np.ndarray, recipe: Recipe) -> tuple[Any, np.ndarray]:
        return _few_categories(X), y

    def tune(self, bins: Any, recipe: Recipe) -> None:
        pass

    def train(self, bins: tuple[Any, np.ndarray], recipe: Recipe) -> Model:
        self.n_classes = recipe.n_classes
        settings = {
            "max_iter": recipe.rounds,
            "learning_rate": recipe.learning_rate,
            "l2_regularization": recipe.reg_lambda,
            "min_samples_leaf": 1,
            "max_leaf_nodes": recipe.max_leaves,
            "max_depth": recipe.max_depth or None,
            "early_stopping": False,
            "categorical_features": "from_dtype",
        }
        if recipe.task in ("binary", "multiclass"):
            return HistGradientBoostingClassifier(**settings).fit(*bins)
        loss = "poisson" if recipe.task == "count" else "squared_error"
        return HistGradientBoostingRegressor(loss=loss, **settings).fit(*bins)

    def predict(self, model: Model, X: Any) -> np.ndarray:
        X = _few_categories(X)
        if isinstance(model, HistGradientBoostingRegressor):
            return model.predict(X)
        proba = model.predict_proba(X)
        if self.n_classes == 2:
            return proba[:, 1]
        every = np.zeros((len(proba), self.n_classes))  # it leaves out classes without a training row
        every[:, model.classes_.astype(int)] = proba
        return every

    def one_row(self, model: Model) -> Callable[[np.ndarray], Any]:
        return lambda row: model.predict_proba(row[None, :])

    def digest(self, model: Any) -> None:
        return None


def _few_categories(X: Any) -> Any:
    """Columns of more categories than it takes (255) become numbers."""
    if not isinstance(X, pd.DataFrame):
        return X
    X = X.copy()
    for column in X.select_dtypes("category"):
        if len(X[column].cat.categories) > 255:
            X[column] = X[column].cat.codes
    return X
