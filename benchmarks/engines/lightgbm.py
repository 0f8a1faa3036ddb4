# SPDX-License-Identifier: Apache-2.0
"""LightGBM, float or quantised gradients; row-wise or column-wise histograms, whichever a short trial finds faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np

from .interface import Recipe

OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression", "count": "poisson"}
LAYOUTS = {"row-wise": {"force_row_wise": True}, "column-wise": {"force_col_wise": True}}
TRIAL_ROUNDS = 10


class LightGBM:
    separate_bins = True

    def __init__(self, quantised: bool = False) -> None:
        self.quantised = quantised
        self.note = ""
        self.n_threads = 0

    def bins(self, X: Any, y: np.ndarray, recipe: Recipe) -> lightgbm.Dataset:
        params = {"max_bin": 255, "verbosity": -1, "num_threads": recipe.n_threads, "min_data_in_leaf": 1}
        return lightgbm.Dataset(X, y, params=params).construct()

    def tune(self, bins: lightgbm.Dataset, recipe: Recipe) -> None:
        seconds = {}
        for self.note in LAYOUTS:
            start = time.perf_counter()
            self.train(bins, replace(recipe, rounds=min(TRIAL_ROUNDS, recipe.rounds)))
            seconds[self.note] = time.perf_counter() - start
        self.note = min(seconds, key=lambda layout: seconds[layout])

    def train(self, bins: lightgbm.Dataset, recipe: Recipe) -> lightgbm.Booster:
        self.n_threads = recipe.n_threads
        params = {
            "objective": OBJECTIVES[recipe.task],
            "num_leaves": recipe.max_leaves,
            "max_depth": recipe.max_depth or -1,
            "learning_rate": recipe.learning_rate,
            "lambda_l2": recipe.reg_lambda,
            "min_sum_hessian_in_leaf": recipe.min_child_weight,
            "min_data_in_leaf": 1,
            "max_bin": 255,
            "num_threads": recipe.n_threads,
            "verbosity": -1,
            **LAYOUTS.get(self.note, {}),
            **({"use_quantized_grad": True} if self.quantised else {}),
            **({"num_class": recipe.n_classes} if recipe.task == "multiclass" else {}),
        }
        return lightgbm.train(params, bins, recipe.rounds)

    def predict(self, model: lightgbm.Booster, X: Any) -> np.ndarray:
        return np.asarray(model.predict(X, num_threads=self.n_threads))

    def one_row(self, model: lightgbm.Booster) -> Callable[[np.ndarray], Any]:
        return lambda row: model.predict(row[None, :], num_threads=1)

    def digest(self, model: Any) -> None:
        return None
