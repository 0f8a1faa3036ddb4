# SPDX-License-Identifier: Apache-2.0
"""Small tables of several tasks with known structure."""

from __future__ import annotations

from typing import Any

import numpy as np

from pygbt.multitask import MultiTask

MIXED = {
    "bought": "logistic",
    "kind": "softmax",
    "amount": "squared_error",
    "visits": "poisson",
    "range": {"loss": "quantile", "quantile_alpha": [0.1, 0.9]},
}


def table(n: int = 400, n_features: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features, and a signal that all tasks share."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features)).astype(np.float32)
    signal = np.where(X[:, 0] > 0, 1.0, -1.0) + X[:, 1] * (X[:, 2] > 0)
    return X, signal


def mixed_labels(signal: np.ndarray, seed: int = 1, missing: float = 0.2) -> dict[str, Any]:
    """Labels of MIXED, some of them missing."""
    rng = np.random.default_rng(seed)
    n = len(signal)
    y: dict[str, Any] = {
        "bought": np.where(signal + rng.normal(size=n) > 0, "yes", "no").astype(object),
        "kind": np.array(["low", "middle", "top"], dtype=object)[np.digitize(signal + rng.normal(size=n), [-0.7, 0.7])],
        "amount": 100.0 * signal + rng.normal(size=n),
        "visits": rng.poisson(np.exp(0.5 * signal)).astype(np.float64),
        "range": signal + rng.normal(size=n),
    }
    for values in y.values():
        values[rng.random(n) < missing] = None if values.dtype == object else np.nan
    return y


def mixed_model(**params: Any) -> MultiTask:
    """A small model of MIXED."""
    return MultiTask(MIXED, **{"n_estimators": 20, "max_depth": 3, **params})
