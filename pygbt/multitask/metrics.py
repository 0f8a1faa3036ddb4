# SPDX-License-Identifier: Apache-2.0
"""Scores of tasks by the core's exact metrics, cells without a label left out, and the number that stops training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .. import _core, parameters
from ..data import Dataset
from .options import ENTIRE_SPACE
from .task import Task

__all__ = ["LabelledRows", "TaskScores", "larger_is_better", "metric_of", "relative_score"]

Floats = npt.NDArray[np.float32]

#: An entire-space task is scored by the log loss of click and conversion on all impressions.
ENTIRE_SPACE_METRIC = "logloss"


def metric_of(task: Task) -> str:
    """Canonical name of the metric of a task."""
    if task.options.metric is not None:
        return task.options.metric
    if task.loss == ENTIRE_SPACE:
        return ENTIRE_SPACE_METRIC
    defaults = {
        "absolute_error": "mae",
        "huber": "mae",
        "quantile": "quantile",
        "poisson": "poisson_deviance",
        "gamma": "gamma_deviance",
        "tweedie": "tweedie_deviance",
        "logistic": "logloss",
        "one_vs_rest": "logloss",
        "softmax": "mlogloss",
    }
    return defaults.get(task.loss, "rmse")


def larger_is_better(task: Task) -> bool:
    """Direction of its metric."""
    return _core.metric_larger_is_better(metric_of(task))


def relative_score(task: Task, score: float, start: float) -> float:
    """A score as a number of which less is better and 1 is about what a constant gets, without a unit."""
    if larger_is_better(task):
        return 1.0 - score
    return score / start if start > 0 else score


class LabelledRows:
    """The rows of a table in which one task has a label, ready to be scored.

    Parameters
    ----------
    task : Task
    labels : ndarray of float32, shape (n, n_labels)
        NaN: none.
    weight : ndarray of float64, shape (n,), optional
    """

    def __init__(self, task: Task, labels: Floats, weight: npt.NDArray[np.float64] | None = None) -> None:
        self.task = task
        columns = labels[:, :1] if task.loss == "quantile" else labels
        seen = ~np.isnan(columns)
        self.rows = np.flatnonzero(seen[:, 0] if task.loss == ENTIRE_SPACE else seen.any(axis=1))
        self.data: Dataset | None = None
        own = None if weight is None else weight[self.rows]
        if len(self.rows) == 0 or (own is not None and not own.any()):
            return
        kept = columns[self.rows]
        params = task.training_params()
        if task.loss == ENTIRE_SPACE:
            kept = np.where(kept[:, 0] == 0, np.float32(0), kept[:, 0] * kept[:, 1])[:, np.newaxis]
            known = ~np.isnan(kept[:, 0])
            self.rows, kept, own = self.rows[known], kept[known], None if own is None else own[known]
            params = {"objective": "logistic"}
        self.data = Dataset(np.zeros((len(self.rows), 1), dtype=np.float32), kept, own)
        self.params = _core.Params(parameters.core_values(parameters.normalise(params, self.data)))

    def score(self, margins: Floats, metric: str | None = None) -> float:
        """A metric of margins (n, n_targets), by default the task's own; NaN where it is undefined or nobody has a
        label.
        """
        if self.data is None:
            return math.nan
        seen = np.ascontiguousarray(margins[self.rows])
        if self.task.loss == ENTIRE_SPACE:
            seen = logits_of(self.task.values(seen)[:, 2:])
        return float(_core.evaluate_metric(metric or metric_of(self.task), self.params, self.data.core, seen))


def logits_of(shares: Floats) -> Floats:
    """Log odds of probabilities, kept within 1e-7 of the ends."""
    p = np.clip(shares.astype(np.float64), 1e-7, 1 - 1e-7)
    logits: Floats = (np.log(p) - np.log1p(-p)).astype(np.float32)
    return logits


class TaskScores:
    """A metric of `pygbt.train` for many tasks: the weighted mean of their relative scores.

    ``history[data set][task]`` collects the metric of every task, a number a round.

    Parameters
    ----------
    tasks : sequence of Task
        Margins lie in their order.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = list(tasks)
        self.history: dict[str, dict[str, list[float]]] = {}
        self._tables: dict[int, tuple[str, dict[str, LabelledRows], dict[str, float]]] = {}

    def add(
        self,
        data: Dataset,
        name: str,
        labels: Mapping[str, Floats],
        weight: npt.NDArray[np.float64] | None,
        start: npt.NDArray[np.float32],
    ) -> None:
        """A table to score; `start` are the margins of the model without trees, by which scores are measured."""
        rows = {task.name: LabelledRows(task, labels[task.name], weight) for task in self.tasks}
        constant = np.tile(start, (data.n_rows, 1))
        reference = {name: rows[name].score(margins) for name, margins in self._split(constant)}
        self.history[name] = {task.name: [] for task in self.tasks}
        self._tables[id(data)] = (name, rows, reference)

    def _split(self, margins: Floats) -> list[tuple[str, Floats]]:
        ends = np.cumsum([task.n_targets for task in self.tasks])
        return [(task.name, margins[:, end - task.n_targets : end]) for task, end in zip(self.tasks, ends, strict=True)]

    def __call__(self, margins: Floats, data: Dataset) -> tuple[str, float, bool]:
        """Score a round: ("mean", value, False)."""
        name, rows, reference = self._tables[id(data)]
        if margins.ndim == 1:
            margins = margins[:, np.newaxis]
        total = weights = 0.0
        for task, (_, own) in zip(self.tasks, self._split(margins), strict=True):
            score = rows[task.name].score(own)
            self.history[name][task.name].append(score)
            relative = relative_score(task, score, reference[task.name])
            if task.options.auxiliary or not math.isfinite(relative):
                continue
            total += task.options.weight * relative
            weights += task.options.weight
        return "mean", total / weights if weights else math.nan, False
