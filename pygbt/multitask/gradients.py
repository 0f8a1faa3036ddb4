# SPDX-License-Identifier: Apache-2.0
"""Gradients of tasks from their margins, in NumPy, and how they agree between tasks: part of the transfer report.

These formulas serve the report alone; training takes those of the core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .options import ENTIRE_SPACE
from .task import Task

__all__ = ["agreement", "task_gradient"]

Values = npt.NDArray[np.float64]


def task_gradient(task: Task, margins: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> Values:
    """Gradient of the loss of the labels at margins (n, n_targets), unweighted; NaN where there is no label."""
    z, y = margins.astype(np.float64), labels.astype(np.float64)
    p = task.values(margins).astype(np.float64)
    if task.loss == ENTIRE_SPACE:
        return _entire_space(p, y)
    if task.loss in ("softmax", "one_vs_rest") and y.shape[1] == 1:
        y = np.where(np.isnan(y), np.nan, (y == np.arange(z.shape[1])).astype(np.float64))
    if task.loss in ("squared_error", "softmax", "one_vs_rest", "logistic", "poisson"):
        return p - y
    if task.loss == "gamma":
        return 1.0 - y / p
    if task.loss == "tweedie":
        power = float(task.options.parameters.get("tweedie_variance_power", 1.5))
        g: Values = p ** (2.0 - power) - y * p ** (1.0 - power)
        return g
    if task.loss == "huber":
        delta = float(task.options.parameters.get("huber_delta", 1.0))
        return np.clip(p - y, -delta, delta)
    level = np.array(task.levels if task.loss == "quantile" else [0.5])
    return np.where(np.isnan(y), np.nan, (y < z).astype(np.float64) - level)


def _entire_space(p: Values, y: Values) -> Values:
    """As in math/entire_space.h; p holds click, conversion and both."""
    a, b, r = p.T
    click = y[:, 0]
    both = np.where(click == 0, 0.0, click * y[:, 1])
    pull = (r - both) / np.maximum((1.0 - a) + a * (1.0 - b), 1e-6)
    return np.column_stack([(a - click) + pull * (1.0 - a), pull * (1.0 - b)])


def agreement(tasks: Sequence[Task], gradients: Mapping[str, Values]) -> Values:
    """How the gradients of tasks agree over the rows that both have, shape (n_tasks, n_tasks).

    The correlation for tasks of one target each; else the root of the RV coefficient of their columns, which has no
    sign. NaN where fewer than three rows have both.
    """
    result = np.full((len(tasks), len(tasks)), np.nan)
    for i, first in enumerate(tasks):
        for j, second in enumerate(tasks[: i + 1]):
            a, b = gradients[first.name], gradients[second.name]
            seen = ~(np.isnan(a).any(axis=1) | np.isnan(b).any(axis=1))
            result[i, j] = result[j, i] = _correlation(a[seen], b[seen])
    return result


def _correlation(a: Values, b: Values) -> float:
    if len(a) < 3:
        return float("nan")
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    cross, own_a, own_b = a.T @ b, a.T @ a, b.T @ b
    scale = np.sqrt((own_a**2).sum() * (own_b**2).sum())
    if scale == 0.0:
        return float("nan")
    if cross.size == 1:
        return float(cross[0, 0] / np.sqrt(own_a[0, 0] * own_b[0, 0]))
    return float(np.sqrt((cross**2).sum() / scale))
