# SPDX-License-Identifier: Apache-2.0
"""Labels of tasks as they are given, missing ones among them, as columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import parameters
from ..table_estimator import is_frame, on_host
from .options import ENTIRE_SPACE, TaskOptions

__all__ = ["class_codes", "columns_of_tasks", "missing_cells", "numbers_of_task", "rows_of"]

Floats = npt.NDArray[np.float32]


def columns_of_tasks(y: Any, tasks: Sequence[TaskOptions], argument: str = "y") -> dict[str, Any]:
    """The labels of each task, shape (n,) or (n, k): the columns of a frame or of an (n, t) array, or the values of a
    dictionary by task. Tasks that a dictionary lacks are left out.

    Raises
    ------
    ValueError, TypeError
        A column is missing or not a task's; shapes do not fit.
    """
    if isinstance(y, Mapping):
        known = [task.name for task in tasks]
        for name in y:
            if name not in known:
                raise ValueError(f"{argument}: there is no task {name!r}{parameters.nearest(str(name), known)}")
        return {name: on_host(y[name]) for name in known if name in y and y[name] is not None}
    if is_frame(y):
        return {task.name: _of_frame(y, task, argument) for task in tasks}
    array = np.asarray(on_host(y))
    if array.ndim == 1 and len(tasks) == 1:
        array = array[:, np.newaxis]
    wide = [task.name for task in tasks if task.columns is not None or task.loss == ENTIRE_SPACE]
    if array.ndim != 2 or array.shape[1] != len(tasks) or wide:
        raise ValueError(
            f"{argument} must be a dictionary by task, a frame with a column for each, or an array of shape (n, "
            f"{len(tasks)}), got shape {array.shape}" + (f"; {wide[0]!r} has columns of its own" if wide else "")
        )
    return {task.name: array[:, i] for i, task in enumerate(tasks)}


def _of_frame(y: Any, task: TaskOptions, argument: str) -> Any:
    have = list(y.columns) if hasattr(y, "columns") else list(y.column_names)
    have = [getattr(name, "_name", name) if not isinstance(name, str) else name for name in have]
    wanted = (task.name,) if task.columns is None else task.columns
    for column in wanted:
        if column not in have:
            raise ValueError(f"{argument} has no column {column!r} for task {task.name!r}; it has {have[:20]}")
    if len(wanted) == 1:
        return y[wanted[0]]
    return np.column_stack([numbers_of_task(y[column], task.name) for column in wanted])


def rows_of(columns: Mapping[str, Any], argument: str) -> int | None:
    """The number of rows that all have; None where there are none."""
    n_rows = {name: len(values) for name, values in columns.items()}
    if len(set(n_rows.values())) > 1:
        raise ValueError(f"{argument}: the tasks have different numbers of rows: {n_rows}")
    return next(iter(n_rows.values()), None)


def missing_cells(values: Any) -> npt.NDArray[np.bool_]:
    """Where a column has None, NaN or null."""
    for name in ("isna", "is_null"):
        if hasattr(values, name):
            return np.asarray(getattr(values, name)(), dtype=bool)
    array = np.asarray(values)
    if array.dtype.kind == "f":
        nan: npt.NDArray[np.bool_] = np.isnan(array)
        return nan
    if array.dtype.kind != "O":
        return np.zeros(array.shape, dtype=bool)
    flat = [_is_missing(value) for value in array.ravel()]
    return np.array(flat, dtype=bool).reshape(array.shape)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def numbers_of_task(values: Any, task: str) -> npt.NDArray[Any]:
    """Labels or a teacher as float64, or float32 where they are, shape (n,) or (n, k); missing ones are NaN. May be the
    array that is given.

    Raises
    ------
    ValueError
        They are no numbers.
    """
    if is_frame(values) or hasattr(values, "to_numpy"):
        missing = missing_cells(values)
        array = np.array(values.to_numpy())
        if missing.any() and array.dtype.kind not in "fO":
            array = array.astype(np.float64)
    else:
        array = np.asarray(values)
        missing = missing_cells(array)
    if array.dtype in (np.float32, np.float64):
        return array
    numbers = np.full(array.shape, np.nan)
    try:
        numbers[~missing] = array[~missing].astype(np.float64)
    except (TypeError, ValueError):
        example = array[~missing][:1]
        raise ValueError(
            f"task {task!r}: labels must be numbers, got {example.tolist()}; its loss has no classes"
        ) from None
    return numbers


def class_codes(
    values: Any, task: str, classes: npt.NDArray[Any] | None, argument: str = "y"
) -> tuple[Floats, npt.NDArray[Any]]:
    """Labels of any type as codes 0, 1, .., NaN where they are missing, shape (n,); and the classes, sorted.

    Raises
    ------
    ValueError
        Fewer than two classes, a label that is none of the given classes, or classes that cannot be sorted.
    """
    missing = missing_cells(values)
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"task {task!r}: class labels must have shape (n,), got {array.shape}")
    present = array[~missing]
    if present.dtype.kind == "O" and all(isinstance(value, str) for value in present):
        present = present.astype(str)
    if present.dtype.kind == "f" and not np.isfinite(present).all():
        raise ValueError(f"task {task!r}: {argument} holds infinite labels")
    try:
        found = np.unique(present)
    except TypeError:
        raise ValueError(f"task {task!r}: {argument} mixes labels of several types; make them all text") from None
    if classes is None:
        if len(found) < 2:
            what = "no label at all" if len(found) == 0 else f"one class only, {found[0]!r}"
            raise ValueError(f"task {task!r} has {what}; a task with classes needs at least two")
        classes = found
    unknown = found[~np.isin(found, classes)]
    if len(unknown):
        raise ValueError(f"task {task!r}: {argument} holds labels that training had not: {unknown[:5].tolist()}")
    codes: Floats = np.full(len(array), np.nan, dtype=np.float32)
    codes[~missing] = np.searchsorted(classes, present)
    return codes, classes
