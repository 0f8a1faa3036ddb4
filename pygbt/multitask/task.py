# SPDX-License-Identifier: Apache-2.0
"""A task whose labels were seen: its classes, its columns in the engine, and what its margins mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from .labels import class_codes, missing_cells, numbers_of_task
from .options import ENTIRE_SPACE, TASK_PARAMETERS, TaskOptions

__all__ = ["Task", "learn_task"]

Floats = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """A task of a fitted model.

    Attributes
    ----------
    options : TaskOptions
    n_labels : int
        Columns of its labels in the engine.
    n_targets : int
        Columns of its margins.
    classes : ndarray or None
        Sorted labels of a task with classes; None where labels are numbers.
    flat : bool
        Values of one column have shape (n,).
    """

    options: TaskOptions
    n_labels: int
    n_targets: int
    classes: npt.NDArray[Any] | None = None
    flat: bool = True

    @property
    def name(self) -> str:
        """Its name."""
        return self.options.name

    @property
    def loss(self) -> str:
        """Canonical name of its loss."""
        return self.options.loss

    @property
    def levels(self) -> list[float]:
        """Levels of a quantile task, one a target."""
        alpha = self.options.parameters.get("quantile_alpha", [0.5])
        return [float(level) for level in alpha]

    # --- what the engine is given -----------------------------------------------------------------------------------

    def engine_tasks(self) -> list[dict[str, Any]]:
        """Its dictionaries for `_core.Trainer`: one, or one for each level of quantile."""
        common: dict[str, Any] = {"objective": self.loss, "weight": self.options.weight}
        for name, value in self.options.parameters.items():
            if name != "quantile_alpha":
                common[TASK_PARAMETERS[name]] = value
        if self.loss != "quantile":
            return [{**common, "n_targets": self.n_targets, "n_labels": self.n_labels}]
        return [{**common, "n_targets": 1, "n_labels": 1, "quantile_level": level} for level in self.levels]

    def labels(self, y: Any, n_rows: int, argument: str = "y") -> Floats:
        """Labels as float32, shape (n, n_labels); all NaN where y is None.

        Raises
        ------
        ValueError
            They do not fit the task.
        """
        if y is None:
            return np.full((n_rows, self.n_labels), np.nan, dtype=np.float32)
        if self.classes is not None and self.n_labels == 1 and not self._given_shares(y):
            return class_codes(y, self.name, self.classes, argument)[0][:, np.newaxis]
        numbers = numbers_of_task(y, self.name)
        columns = numbers.reshape(len(numbers), -1)
        if self.loss == "quantile" and columns.shape[1] == 1:
            columns = np.repeat(columns, self.n_labels, axis=1)
        if columns.shape[1] != self.n_labels:
            raise ValueError(
                f"task {self.name!r}: {argument} has {columns.shape[1]} columns, training had {self.n_labels}"
            )
        with np.errstate(over="ignore"):
            return columns.astype(np.float32, copy=False)

    def _given_shares(self, y: Any) -> bool:
        """Labels of a logistic task in [0, 1]: shares rather than classes."""
        return self.loss == "logistic" and _are_shares(y)

    def teacher(self, values: Any, n_rows: int) -> Floats:
        """A teacher's word as float32, shape (n, n_targets); all NaN where values is None.

        Raises
        ------
        ValueError
            It has another shape.
        """
        if values is None:
            return np.full((n_rows, self.n_targets), np.nan, dtype=np.float32)
        numbers = numbers_of_task(values, self.name)
        columns = numbers.reshape(len(numbers), -1)
        if self.loss == "logistic" and self.n_targets == 1 and columns.shape[1] == 2:
            columns = columns[:, 1:]
        if self.loss == "quantile" and columns.shape[1] == 1:
            columns = np.repeat(columns, self.n_targets, axis=1)
        if columns.shape != (n_rows, self.n_targets):
            raise ValueError(
                f"teachers: task {self.name!r} needs shape ({n_rows}, {self.n_targets}), got {numbers.shape}"
            )
        return np.ascontiguousarray(columns, dtype=np.float32)

    # --- what its margins mean --------------------------------------------------------------------------------------

    def values(self, margins: Floats) -> Floats:
        """Margins (n, n_targets) in units of the label: means, quantiles, probabilities. Of an entire-space task the
        probabilities of a click, of a conversion after it, and of both, shape (n, 3).
        """
        margins = np.ascontiguousarray(margins, dtype=np.float32)
        if self.loss == ENTIRE_SPACE:
            shares = _core.link_values("logistic", margins)
            return np.column_stack([shares, shares[:, 0] * shares[:, 1]])
        linked: Floats = _core.link_values(self.loss, margins)
        return linked

    def answers(self, margins: Floats) -> npt.NDArray[Any]:
        """What `predict` gives: labels of the classes, or values as float64; shape (n,) or (n, k)."""
        if self.classes is None:
            values: Values = self.values(margins).astype(np.float64)
            return values[:, 0] if self.flat else values
        if self.n_labels > 1 and self.loss != "softmax":
            return (margins > 0).astype(np.int64)
        codes = (margins[:, 0] > 0).astype(np.int64) if self.n_targets == 1 else margins.argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes[codes]
        return labels

    def probabilities(self, margins: Floats) -> Values:
        """Probabilities of the classes, float64 of shape (n, n_classes); of a task of several yes-or-no labels that of
        yes, (n, n_labels).
        """
        p: Values = self.values(margins).astype(np.float64)
        if self.n_targets == 1:
            return np.column_stack([1.0 - p[:, 0], p[:, 0]])
        if self.n_labels > 1 and self.loss != "softmax":
            return p
        total = p.sum(axis=1, keepdims=True)
        shares: Values = np.divide(p, total, out=np.full_like(p, 1.0 / p.shape[1]), where=total > 0)
        return shares

    def training_params(self) -> dict[str, Any]:
        """Parameters of `pygbt.train` for this task alone; an entire-space task has none."""
        own = {k: v for k, v in self.options.parameters.items() if not k.startswith("teacher_")}
        if self.loss in ("softmax", "one_vs_rest"):
            own["n_classes"] = self.n_targets
        return {"objective": self.loss, **own}


def _are_shares(y: Any) -> bool:
    array = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    if array.dtype.kind != "f":
        return False
    present = array[~missing_cells(array)]
    return bool(((present > 0) & (present < 1)).any())


def learn_task(options: TaskOptions, y: Any, teacher: Any) -> Task:
    """The task of these labels, shape (n,) or (n, k), or of a teacher alone where y is None.

    Raises
    ------
    ValueError
        There is neither; labels that the loss has no use for; fewer than two classes.
    """
    name, loss = options.name, options.loss
    if y is None and teacher is None:
        raise ValueError(f"y has no labels for task {name!r}; give them, or a teacher")
    wide = np.ndim(y) == 2 if y is not None else np.ndim(teacher) == 2
    n_columns = np.shape(y if y is not None else teacher)[1] if wide else 1
    if loss == ENTIRE_SPACE:
        if y is None or n_columns != 2:
            raise ValueError(f"task {name!r} needs two label columns, click and conversion, in an array (n, 2)")
        return Task(options, 2, 2, flat=False)
    if loss == "quantile":
        n_levels = len(options.parameters.get("quantile_alpha", [0.5]))
        if n_columns not in (1, n_levels):
            raise ValueError(f"task {name!r}: quantile takes one label column, got {n_columns}")
        return Task(options, n_levels, n_levels, flat=n_levels == 1)
    if not options.has_classes:
        return Task(options, n_columns, n_columns, flat=not wide)
    if y is None:
        return _of_teacher(options, n_columns)
    if wide and n_columns > 1:
        return Task(options, n_columns, n_columns, classes=np.arange(2 if loss != "softmax" else n_columns))
    if wide:
        raise ValueError(f"task {name!r}: class labels must have shape (n,), got {np.shape(y)}")
    if loss == "logistic" and _are_shares(y):
        numbers = numbers_of_task(y, name)
        if not ((numbers >= 0) & (numbers <= 1) | np.isnan(numbers)).all():
            raise ValueError(f"task {name!r}: labels of logistic that are no classes must lie in [0, 1]")
        return Task(options, 1, 1, classes=np.arange(2))
    classes = class_codes(y, name, None)[1]
    if loss == "logistic" and len(classes) != 2:
        raise ValueError(
            f"task {name!r} has {len(classes)} classes, {classes[:5].tolist()}; logistic takes two, softmax any number"
        )
    return Task(options, 1, 1 if loss == "logistic" else len(classes), classes=classes)


def _of_teacher(options: TaskOptions, n_columns: int) -> Task:
    """A task with classes whose labels nobody knows: 0, 1, .. in the order of the teacher's columns."""
    if options.loss == "logistic":
        if n_columns > 2:
            raise ValueError(f"task {options.name!r}: a teacher of {n_columns} classes needs softmax, not logistic")
        return Task(options, 1, 1, classes=np.arange(2))
    if n_columns < 2:
        raise ValueError(f"task {options.name!r}: a teacher of {options.loss} has a column for each class")
    return Task(options, 1, n_columns, classes=np.arange(n_columns))
