# SPDX-License-Identifier: Apache-2.0
"""Held-out losses, smaller is better: log loss, RMSE, or mean Poisson deviance, with their standard deviation."""

from __future__ import annotations

import numpy as np
from tables import Split

NAMES = {"binary": "log loss", "multiclass": "log loss", "regression": "RMSE", "count": "Poisson deviance"}


def loss(split: Split, prediction: np.ndarray) -> float:
    """Loss of predictions for the held-out rows."""
    return loss_and_deviation(split, prediction)[0]


def loss_and_deviation(split: Split, prediction: np.ndarray) -> tuple[float, float]:
    """The loss, and its standard deviation over held-out sets of this size drawn anew."""
    rows = _row_losses(split, np.asarray(prediction, dtype=np.float64))
    mean, deviation = float(rows.mean()), float(rows.std() / len(rows) ** 0.5)
    if split.task != "regression":
        return mean, deviation
    return mean**0.5, deviation / (2 * mean**0.5)


def _row_losses(split: Split, prediction: np.ndarray) -> np.ndarray:
    y = np.asarray(split.y_test, dtype=np.float64)
    if split.task == "regression":
        return (y - prediction) ** 2
    if split.task == "count":
        mean = np.maximum(prediction, 1e-9)
        return 2 * (np.where(y > 0, y * np.log(np.maximum(y, 1e-9) / mean), 0.0) - y + mean)
    tiny = 1e-15
    if prediction.ndim == 1:
        p = np.clip(prediction, tiny, 1 - tiny)
        return -np.log(np.where(y > 0.5, p, 1 - p))
    p = prediction / prediction.sum(axis=1, keepdims=True)
    return -np.log(np.maximum(p[np.arange(len(y)), y.astype(int)], tiny))
