# SPDX-License-Identifier: Apache-2.0
"""`TransferReport`: what sharing trees does to every task, and which tasks had better not share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .comparison import Comparison
from .gradients import agreement, task_gradient
from .group import Group, Rows, split_columns
from .metrics import metric_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TransferReport", "make_report"]

Values = npt.NDArray[np.float64]

#: Rows and rounds that gradient correlations are worked out for.
MOST_ROWS = 20_000
MOST_ROUNDS = 9
#: Below this share of its own best gain, a task that also scores worse is advised to leave.
LOW_COMPATIBILITY = 0.5


@dataclass(frozen=True)
class TransferReport:
    """What sharing does to the tasks of a model.

    Attributes
    ----------
    share : str
        How the tasks were trained together to be compared; "auto" shows the best way for all of them.
    tasks : list of str
    metrics : list of str
        Metric of each task.
    kept : ndarray of float64, shape (n_tasks,)
        Gain that a task gets from the shared splits, as a share of what its own best split of the same nodes would
        bring: 1 where its questions agree with those of the others. NaN where the model shares nothing.
    single, joint : ndarray of float64, shape (n_tasks,)
        Held-out metric of the task's own model and of the joint one.
    difference, low, high : ndarray of float64, shape (n_tasks,)
        Relative score of the joint model less that of the task's own on the same held-out rows, mean and 95 % interval;
        negative: sharing helps. Relative: divided by the score of a constant, or 1 - score where larger is better.
    rounds : list of int
        Rounds before which gradients are compared.
    correlation : ndarray of float64, shape (n_rounds, n_tasks, n_tasks)
        Correlation of the tasks' gradients over the rows that have both.
    cosine : ndarray of float64, shape (n_tasks, n_tasks)
        Cosine of the gains by feature of the tasks' own models.
    separate : dict of str to str
        Tasks that had better have trees of their own, and why.
    """

    share: str
    tasks: list[str]
    metrics: list[str]
    kept: Values
    single: Values
    joint: Values
    difference: Values
    low: Values
    high: Values
    rounds: list[int]
    correlation: Values
    cosine: Values
    separate: dict[str, str]

    def to_frame(self) -> pd.DataFrame:
        """One row a task; needs pandas."""
        import pandas

        return pandas.DataFrame(
            {
                "metric": self.metrics,
                "single": self.single,
                "joint": self.joint,
                "difference": self.difference,
                "low": self.low,
                "high": self.high,
                "kept": self.kept,
                "correlation": self.mean_correlation(),
                "cosine": _off_diagonal_means(self.cosine),
                "separate": [self.separate.get(task, "") for task in self.tasks],
            },
            index=self.tasks,
        )

    def mean_correlation(self) -> Values:
        """Of each task the mean correlation of its gradients with the others', over tasks and rounds."""
        if len(self.correlation) == 0:
            return np.full(len(self.tasks), np.nan)
        by_round = np.array([_off_diagonal_means(matrix) for matrix in self.correlation])
        return np.array([_mean(column) for column in by_round.T])

    def __str__(self) -> str:
        width = max(4, *(len(task) for task in self.tasks))
        lines = [f"{len(self.tasks)} tasks, share={self.share!r}"]
        lines.append(
            f"{'task':{width}}  {'metric':16} {'single':>9} {'joint':>9} {'difference':>10} {'95 % interval':>19} "
            f"{'kept':>5} {'corr':>5} {'cosine':>6}"
        )
        correlation, cosine = self.mean_correlation(), _off_diagonal_means(self.cosine)
        for i, task in enumerate(self.tasks):
            interval = f"{self.low[i]:+.4f} .. {self.high[i]:+.4f}"
            lines.append(
                f"{task:{width}}  {self.metrics[i]:16} {self.single[i]:9.5g} {self.joint[i]:9.5g} "
                f"{self.difference[i]:+10.4f} {interval:>19} {self.kept[i]:5.2f} {correlation[i]:5.2f} {cosine[i]:6.2f}"
            )
        lines += [f"separate {task}: {why}" for task, why in self.separate.items()] or ["no task need be separated"]
        return "\n".join(lines)

    def plot(self, figure: Any = None) -> Any:
        """Draw the report: difference with interval and gain kept by task, correlation of gradients, cosine of gains.

        Parameters
        ----------
        figure : matplotlib Figure, optional
            Where to draw; a new one by default.

        Returns
        -------
        matplotlib Figure
        """
        from .transfer_picture import draw

        return draw(self, figure)


def make_report(comparison: Comparison, share: str, groups: Sequence[Group], rows: Rows) -> TransferReport:
    """The report of a fitted model.

    Parameters
    ----------
    comparison : Comparison
        Holds "none" and `share`, of all tasks together.
    groups : sequence of Group
        Of the model; the shared one has sums of gains.
    rows : Rows
        Those of training.
    """
    tasks = comparison.tasks
    names = [task.name for task in tasks]
    together = next((group for group in groups if len(group.tasks) > 1 and group.transfer is not None), None)
    kept = _kept(together)
    rounds, correlation = _correlations(together, names, rows)
    difference = comparison.difference(share, "none")
    columns = np.array([difference[name] for name in names])
    mean = [[_mean(column) for column in comparison.metrics[which].T] for which in ("none", share)]
    gains = np.array([comparison.gains[name] for name in names])
    own = np.array([kept.get(name, np.nan) for name in names])
    return TransferReport(
        share=share,
        tasks=names,
        metrics=[metric_of(task) for task in tasks],
        kept=own,
        single=np.array(mean[0]),
        joint=np.array(mean[1]),
        difference=columns[:, 0],
        low=columns[:, 1],
        high=columns[:, 2],
        rounds=rounds,
        correlation=correlation,
        cosine=_cosines(gains),
        separate=_advice(difference, dict(zip(names, own.tolist(), strict=True))),
    )


def _advice(difference: Mapping[str, tuple[float, float, float]], kept: Mapping[str, float]) -> dict[str, str]:
    """Tasks to separate: those that lose beyond their interval, or lose while the splits are not theirs."""
    advice = {}
    for name, (mean, low, high) in difference.items():
        if low > 0:
            advice[name] = f"scores worse together by {mean:.4f}, interval {low:.4f} to {high:.4f}"
        elif mean > 0 and kept[name] < LOW_COMPATIBILITY:
            advice[name] = (
                f"keeps {kept[name]:.0%} of its own best gain on shared splits and scores worse by {mean:.4f}"
            )
    return advice


def _kept(group: Group | None) -> dict[str, float]:
    """Shared gain over own best gain by task; the levels of a quantile task together."""
    if group is None or group.transfer is None:
        return {}
    counts = [len(task.engine_tasks()) for task in group.tasks]
    ends = np.cumsum(counts)
    shared, own = (np.asarray(group.transfer[name], dtype=np.float64) for name in ("shared_gain", "own_gain"))
    result = {}
    for task, end, count in zip(group.tasks, ends, counts, strict=True):
        best = own[end - count : end].sum()
        result[task.name] = float(shared[end - count : end].sum() / best) if best > 0 else math.nan
    return result


def _correlations(group: Group | None, names: Sequence[str], rows: Rows) -> tuple[list[int], Values]:
    """Correlations before some rounds of the shared model, on evenly spaced rows."""
    if group is None:
        return [], np.empty((0, len(names), len(names)))
    some = rows.take(np.unique(np.linspace(0, rows.n - 1, min(rows.n, MOST_ROWS)).astype(np.int64)))
    n_rounds = group.booster.n_iterations
    rounds = np.unique(np.linspace(0, n_rounds, min(MOST_ROUNDS, n_rounds + 1)).astype(np.int64)).tolist()
    tasks = [task for task in group.tasks if task.name in names]
    at = [names.index(task.name) for task in tasks]
    result = np.full((len(rounds), len(names), len(names)), np.nan)
    for i, done in enumerate(rounds):
        margins = split_columns(group.tasks, group.booster.predict(some.X, "margin", iteration_range=(0, done)))
        gradients = {task.name: task_gradient(task, margins[task.name], some.labels[task.name]) for task in tasks}
        result[i][np.ix_(at, at)] = agreement(tasks, gradients)
    return rounds, result


def _cosines(vectors: Values) -> Values:
    norms = np.sqrt((vectors**2).sum(axis=1))
    scale = np.outer(norms, norms)
    return np.divide(vectors @ vectors.T, scale, out=np.full_like(scale, np.nan), where=scale > 0)


def _off_diagonal_means(matrix: Values) -> Values:
    others = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    return np.array([_mean(row) for row in others])


def _mean(values: Any) -> float:
    finite = [x for x in np.asarray(values).tolist() if math.isfinite(x)]
    return math.fsum(finite) / len(finite) if finite else math.nan
