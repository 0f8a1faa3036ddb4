# SPDX-License-Identifier: Apache-2.0
"""This engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import pygbt

from .interface import Recipe

OBJECTIVES = {"binary": "logistic", "multiclass": "softmax", "regression": "squared_error", "count": "poisson"}


class Pygbt:
    separate_bins = True

    def __init__(self, **more: object) -> None:
        self.note = ""
        self.more = more  # parameters beyond the recipe's
        self.n_threads = 0

    def bins(self, X: Any, y: np.ndarray, recipe: Recipe) -> pygbt.Dataset:
        device = str(self.more.get("device", "cpu"))
        return pygbt.Dataset(X, y, n_threads=recipe.n_threads, device=device if device.startswith("cuda") else None)

    def tune(self, bins: pygbt.Dataset, recipe: Recipe) -> None:
        pass

    def train(self, bins: pygbt.Dataset, recipe: Recipe) -> pygbt.Booster:
        self.n_threads = recipe.n_threads
        params = {
            "objective": OBJECTIVES[recipe.task],
            "grow_policy": recipe.policy,
            "max_depth": recipe.max_depth,
            "max_leaves": recipe.max_leaves if recipe.policy == "lossguide" else 0,
            "learning_rate": recipe.learning_rate,
            "reg_lambda": recipe.reg_lambda,
            "min_child_weight": recipe.min_child_weight,
            "n_threads": recipe.n_threads,
            **({"n_classes": recipe.n_classes} if recipe.task == "multiclass" else {}),
            **({"multi_strategy": "vector_leaf"} if recipe.vector_leaves else {}),
            **self.more,
        }
        return pygbt.train(params, bins, recipe.rounds)

    def predict(self, model: pygbt.Booster, X: Any) -> np.ndarray:
        return model.predict(X, n_threads=self.n_threads)

    def one_row(self, model: pygbt.Booster) -> Callable[[np.ndarray], Any]:
        return model.predictor().predict

    def digest(self, model: pygbt.Booster) -> str | None:
        return model.digest()
