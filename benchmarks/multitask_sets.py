# SPDX-License-Identifier: Apache-2.0
"""Real sets of several tasks, split by seed, and the score of a task without a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tables  # noqa: F401  the path of the shared data

LABELS = ("multilabel_emotions", "multilabel_scene", "multilabel_yeast")
TARGETS = (
    "mt_andro",
    "mt_atp1d",
    "mt_atp7d",
    "mt_edm",
    "mt_enb",
    "mt_jura",
    "mt_oes10",
    "mt_oes97",
    "mt_osales",
    "mt_scpf",
    "mt_sf1",
    "mt_sf2",
    "mt_slump",
    "mt_wq",
)
MIXED = ("eu_health",)
NAMES = (*LABELS, *TARGETS, *MIXED)
#: Rows of the mixed set that are trained on and scored; its teachers see this many others.
MIXED_ROWS, OTHER_ROWS = 12_000, 60_000
#: Rows of a count or an amount that must not be zero for the task to be taken.
LEAST_POSITIVE = 50


@dataclass
class Tasks:
    """A split of a set: features, labels by task, and the loss of each."""

    losses: dict[str, str]
    X: Any  # a frame where there are categories, else an array
    y: dict[str, np.ndarray]
    X_test: Any
    y_test: dict[str, np.ndarray]
    X_other: Any = None  # rows of the same kind that only teachers see
    y_other: dict[str, np.ndarray] | None = None


def load(name: str, seed: int) -> Tasks:
    """A set, 70 % for training; rows without a feature value or target are kept."""
    import datasets  # of ../shared/data

    table = datasets.load(name)
    X = table.X.copy()
    for column in X.columns:
        if not isinstance(X[column].dtype, pd.CategoricalDtype):
            X[column] = X[column].astype("float64")
    X.columns = [f"f{i}" for i in range(X.shape[1])]
    losses: dict[str, str] = {}
    y: dict[str, np.ndarray] = {}
    for column in table.y.columns:
        values = np.asarray(table.y[column])
        short = str(column)[:24]
        if name in MIXED:
            losses[short] = "poisson" if short.startswith("num") else "tweedie"
            y[short] = values.astype(np.float64)
        elif name in LABELS:
            losses[short] = "logistic"
            y[short] = np.unique(values.astype(str), return_inverse=True)[1].astype(np.float64)
        else:
            losses[short] = "squared_error"
            y[short] = values.astype(np.float64)
    order = np.random.default_rng(seed).permutation(len(X))
    other = None
    if name in MIXED:
        other, order = order[MIXED_ROWS : MIXED_ROWS + OTHER_ROWS], order[:MIXED_ROWS]
    cut = int(0.7 * len(order))

    categories = any(isinstance(kind, pd.CategoricalDtype) for kind in X.dtypes)

    def part(rows: Any) -> tuple[Any, dict[str, np.ndarray]]:
        own = X.iloc[rows].reset_index(drop=True)
        return own if categories else own.to_numpy(), {task: values[rows] for task, values in y.items()}

    train, test = part(order[:cut]), part(order[cut:])
    losses = {task: loss for task, loss in losses.items() if usable(loss, train[1][task])}
    return Tasks(losses, *train, *test, *(part(other) if other is not None else (None, None)))


def usable(loss: str, y: np.ndarray) -> bool:
    """Labels of one class or of one value teach nothing; nor do counts and amounts that are nearly all zero."""
    known = y[np.isfinite(y)]
    return len(np.unique(known)) > 1 and (loss not in ("poisson", "tweedie") or (known > 0).sum() >= LEAST_POSITIVE)


def loss_of(loss: str, y: np.ndarray, prediction: np.ndarray) -> float:
    """Root mean squared error, log loss, or deviance of Poisson or Tweedie (power 1.5), over known labels."""
    known = np.isfinite(y)
    y, p = y[known], np.asarray(prediction, dtype=np.float64)[known]
    if loss == "squared_error":
        return float(np.sqrt(((p - y) ** 2).mean()))
    if loss == "logistic":
        p = np.clip(p, 1e-7, 1 - 1e-7)
        return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean())
    p = np.maximum(p, 1e-9)
    if loss == "poisson":
        safe = np.where(y > 0, y, 1.0)
        return float(2 * (y * np.log(safe / p) - (y - p)).mean())
    return float(2 * (y**0.5 / -0.25 + 2 * y * p**-0.5 + 2 * p**0.5).mean())


def relative_losses(split: Tasks, predictions: dict[str, np.ndarray]) -> dict[str, float]:
    """Held-out loss of each task over that of the mean of the training labels; 1 is a constant, less is better."""
    result = {}
    for task, loss in split.losses.items():
        y = split.y_test[task]
        constant = loss_of(loss, y, np.full(len(y), np.nanmean(split.y[task])))
        if constant > 0:
            result[task] = loss_of(loss, y, predictions[task]) / constant
    return result


def values_of(model: Any, X: Any, losses: dict[str, str]) -> dict[str, np.ndarray]:
    """Probabilities of yes, or values, by task."""
    values = model.predict(X)
    shares = model.predict_proba(X)
    return {task: shares[task][:, 1] if loss == "logistic" else values[task] for task, loss in losses.items()}


def take_rows(X: Any, rows: np.ndarray) -> Any:
    """Some rows of a frame or an array."""
    return X.iloc[rows].reset_index(drop=True) if isinstance(X, pd.DataFrame) else X[rows]
