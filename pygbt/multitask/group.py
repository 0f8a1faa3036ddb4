# SPDX-License-Identifier: Apache-2.0
"""Tasks that one booster learns together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..booster import Booster
from ..callbacks import Callback, EarlyStopping
from ..data import Dataset
from ..table_estimator import take_rows
from ..training import Run, run_rounds
from .metrics import TaskScores
from .sharing import Sharing
from .task import Task

__all__ = ["Group", "Rows", "train_group"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """A table with the labels of all tasks.

    Attributes
    ----------
    X : array, sparse matrix or data frame, shape (n, n_features)
    labels : mapping of str to ndarray of float32, shape (n, n_labels)
    teachers : mapping of str to ndarray of float32, shape (n, n_targets)
        Of the tasks that have one.
    weight : ndarray of float64, shape (n,), or None
    """

    X: Any
    labels: Mapping[str, Floats]
    teachers: Mapping[str, Floats] = field(default_factory=dict)
    weight: npt.NDArray[np.float64] | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(next(iter(self.labels.values())))

    def take(self, rows: npt.NDArray[np.int64]) -> Rows:
        """Some of them, in this order."""
        return Rows(
            take_rows(self.X, rows),
            {name: values[rows] for name, values in self.labels.items()},
            {name: values[rows] for name, values in self.teachers.items()},
            None if self.weight is None else self.weight[rows],
        )

    def live(self, tasks: Sequence[Task]) -> npt.NDArray[np.int64]:
        """Rows that have a label or a teacher of one of these tasks."""
        said = [of[task.name] for of in (self.labels, self.teachers) for task in tasks if task.name in of]
        return np.flatnonzero(~np.all([np.isnan(values).all(axis=1) for values in said], axis=0))

    def dataset(self, tasks: Sequence[Task], **options: Any) -> Dataset:
        """The table with the columns of these tasks, in their order."""
        teacher = None
        if any(task.name in self.teachers for task in tasks):
            teacher = np.column_stack(
                [self.teachers.get(task.name, np.full((self.n, task.n_targets), np.nan, np.float32)) for task in tasks]
            )
        y = np.column_stack([self.labels[task.name] for task in tasks])
        return Dataset(self.X, y, weight=self.weight, teacher=teacher, **options)


@dataclass(frozen=True)
class Group:
    """Tasks and the booster that learnt them.

    Attributes
    ----------
    tasks : tuple of Task
    sharing : Sharing
    booster : Booster
        Predicts margins, shape (n, targets of all its tasks).
    history : mapping
        ``history[evaluation set][task][round]``.
    transfer : mapping or None
        What `_core.Trainer.transfer` measured.
    """

    tasks: tuple[Task, ...]
    sharing: Sharing
    booster: Booster
    history: Mapping[str, Mapping[str, list[float]]] = field(default_factory=dict)
    transfer: Mapping[str, Any] | None = None

    def margins(
        self, X: Any, *, iteration_range: tuple[int, int | None] | None = None, n_threads: int = 0
    ) -> dict[str, Floats]:
        """Margins of each task, shape (n, n_targets)."""
        together = self.booster.predict(X, "margin", iteration_range=iteration_range, n_threads=n_threads)
        return split_columns(self.tasks, together)

    def gains(self) -> dict[str, npt.NDArray[np.float64]]:
        """Total gain of every feature in the trees of each task, shape (n_features,); of shared trees, of the first."""
        ends = np.cumsum([task.n_targets for task in self.tasks])
        result = {task.name: np.zeros(self.booster.n_features) for task in self.tasks}
        for tree in self.booster.trees():
            split = tree.feature >= 0
            task = self.tasks[int(np.searchsorted(ends, tree.target, side="right"))]
            np.add.at(result[task.name], tree.feature[split], tree.gain[split].astype(np.float64))
        return result

    def start(self) -> dict[str, Floats]:
        """Margins of the model without trees, by task, shape (n_targets,)."""
        return {name: own[0] for name, own in split_columns(self.tasks, self.booster.base_score[np.newaxis]).items()}


def split_columns(tasks: Sequence[Task], margins: Floats) -> dict[str, Floats]:
    """The columns of each task, shape (n, n_targets)."""
    margins = margins.reshape(len(margins), -1)
    ends = np.cumsum([task.n_targets for task in tasks])
    return {task.name: margins[:, end - task.n_targets : end] for task, end in zip(tasks, ends, strict=True)}


def train_group(
    tasks: Sequence[Task],
    sharing: Sharing,
    rows: Rows,
    params: Mapping[str, Any],
    n_rounds: int,
    *,
    options: Mapping[str, Any],
    evals: Sequence[tuple[Rows, str]] = (),
    early_stopping_rounds: int | None = None,
    callbacks: Iterable[Callback] = (),
    report: bool = False,
    reference: Dataset | None = None,
) -> Group:
    """Train one booster.

    Parameters
    ----------
    params : mapping
        Of `pygbt.train`, without an objective.
    options : mapping
        Arguments of `Dataset` about columns and bins; not used with a reference.
    reference : Dataset, optional
        The same table in bins: its edges are used.
    """
    common = {"n_threads": params.get("n_threads", 0), "device": options.get("device")}
    live = rows.live(tasks)
    if len(live) < rows.n:  # edges are those of all rows
        reference = reference or Dataset(rows.X, weight=rows.weight, **options)
        rows = rows.take(live)
    data = rows.dataset(tasks, **(options if reference is None else {**common, "reference": reference}))
    evals = [(other.take(other.live(tasks)), name) for other, name in evals]
    for other, name in evals:
        if other.n == 0:
            raise ValueError(f"evaluation set {name!r} has no label of {', '.join(task.name for task in tasks)}")
    tables = [(other.dataset(tasks, reference=data, **common), name) for other, name in evals]
    scores = TaskScores(tasks)
    given = {**params, "objective": "tasks"}
    engine = [task for of in tasks for task in of.engine_tasks()]
    together = sharing if sharing.sketch < sum(task.n_targets for task in tasks) else sharing.without_sketch()
    run = Run(given, data, tables, metrics=[scores], tasks=engine, sharing=together.core(report=report))
    start = np.asarray(run.trainer.model().base_score, dtype=np.float32)
    for (other, name), (table, _, _) in zip(evals, run.evals, strict=True):
        scores.add(table, name, other.labels, other.weight, start)
    hooks: list[Callback] = [] if not early_stopping_rounds else [EarlyStopping(early_stopping_rounds)]
    booster = run_rounds(run, n_rounds, [*hooks, *callbacks])
    transfer = run.trainer.transfer() if report and sharing.share != "none" and len(tasks) > 1 else None
    return Group(tuple(tasks), sharing, booster, scores.history, transfer)
