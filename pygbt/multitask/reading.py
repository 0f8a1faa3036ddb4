# SPDX-License-Identifier: Apache-2.0
"""From what `fit` is given to tasks and a table with the columns of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..table_estimator import check_weight
from .group import Rows
from .labels import columns_of_tasks, rows_of
from .options import TaskOptions
from .task import Task, learn_task

__all__ = ["eval_pairs", "read_labels", "read_rows"]


def read_rows(
    X: Any, y: Any, teachers: Any, sample_weight: Any, options: Sequence[TaskOptions]
) -> tuple[list[Task], Rows]:
    """The tasks that the labels and teachers make of their options, and the table.

    Raises
    ------
    ValueError, TypeError
        A task has neither labels nor a teacher, or either does not fit; the message names the task.
    """
    labels = {} if y is None else columns_of_tasks(y, options)
    if teachers is not None and not isinstance(teachers, Mapping):
        raise TypeError(f"teachers must be a dictionary by task, got {type(teachers).__name__}")
    said = {name: of(X) if callable(of) else of for name, of in (teachers or {}).items()}
    said = columns_of_tasks(said, options, "teachers")
    n = X.shape[0]
    for argument, columns in (("y", labels), ("teachers", said)):
        found = rows_of(columns, argument)
        if found not in (None, n):
            raise ValueError(f"X has {n} rows, but {argument} has {found}")
    tasks = [learn_task(task, labels.get(task.name), said.get(task.name)) for task in options]
    rows = Rows(
        X,
        {task.name: task.labels(labels.get(task.name), n) for task in tasks},
        {task.name: task.teacher(said[task.name], n) for task in tasks if task.name in said},
        check_weight(sample_weight, n, "sample_weight"),
    )
    for name, values in rows.labels.items():
        if np.isnan(values).all() and (name not in said or np.isnan(rows.teachers[name]).all()):
            raise ValueError(f"task {name!r} has no label and no teacher in any row")
    return tasks, rows


def eval_pairs(eval_set: Any) -> list[tuple[Any, Any]]:
    """`eval_set` as a list of (X, y)."""
    if eval_set is None:
        return []
    pairs = [eval_set] if isinstance(eval_set, tuple) and len(eval_set) == 2 else list(eval_set)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise ValueError("eval_set must be a pair (X, y) or a list of them")
    return [(X, y) for X, y in pairs]


def read_labels(X: Any, y: Any, tasks: Sequence[Task], name: str) -> Rows:
    """A table to score; tasks that `y` leaves out have no label in it.

    Raises
    ------
    ValueError
        The message begins with the name of the table.
    """
    labels = columns_of_tasks(y, [task.options for task in tasks], name)
    if rows_of(labels, name) not in (None, X.shape[0]):
        raise ValueError(f"{name}: X has {X.shape[0]} rows, y has {rows_of(labels, name)}")
    return Rows(X, {task.name: task.labels(labels.get(task.name), X.shape[0], name) for task in tasks})
