# SPDX-License-Identifier: Apache-2.0
"""What a comparison asks of an engine, and the settings that all of them get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

#: XGBoost's names, which hessboost shares.
XGBOOST_OBJECTIVES = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
    "count": "count:poisson",
}


@dataclass(frozen=True)
class Recipe:
    """Settings of one training. depthwise: trees of `depth`; lossguide: best first up to `leaves`, no depth limit."""

    task: str  # binary, multiclass, regression, count
    n_classes: int = 2
    rounds: int = 100
    policy: str = "depthwise"
    depth: int = 6
    leaves: int = 31
    n_threads: int = 2
    learning_rate: float = 0.1
    reg_lambda: float = 1.0
    min_child_weight: float = 1.0
    vector_leaves: bool = False  # one tree a round for all classes, where the engine has that and is not told otherwise

    @property
    def max_depth(self) -> int:
        """Depth limit, 0 where there is none."""
        return self.depth if self.policy == "depthwise" else 0

    @property
    def max_leaves(self) -> int:
        """Leaf limit, 2**depth where depth alone decides."""
        return 2**self.depth if self.policy == "depthwise" else self.leaves


def xgboost_params(recipe: Recipe) -> dict[str, Any]:
    """The recipe under XGBoost's names, which hessboost shares."""
    return {
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


class Engine(Protocol):
    """One engine. `note` says which of its ways was the fastest and is used, where it has several."""

    note: str
    separate_bins: bool  # False: bins are made inside `train`

    def bins(self, X: Any, y: np.ndarray, recipe: Recipe) -> Any:
        """The table made ready for training."""

    def tune(self, bins: Any, recipe: Recipe) -> None:
        """Choose among the engine's layouts by a short trial; not part of any time."""

    def train(self, bins: Any, recipe: Recipe) -> Any:
        """A model."""

    def predict(self, model: Any, X: Any) -> np.ndarray:
        """Values in units of the label: probabilities (n,) or (n, K), means (n,)."""

    def one_row(self, model: Any) -> Callable[[np.ndarray], Any]:
        """The fastest documented way to the prediction of one float32 row (n_features,)."""

    def digest(self, model: Any) -> str | None:
        """SHA-256 of the model, where the engine promises the same one on every machine."""
