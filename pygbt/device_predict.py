# SPDX-License-Identifier: Apache-2.0
"""Prediction of arrays on a CUDA device, where they lie. Internal: `Booster` and the estimators call it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import devices
from .device_arrays import DeviceArray, empty, put, view

if TYPE_CHECKING:
    from .booster import Booster
    from .schema import Schema

__all__ = ["CategoryTable", "category_tables", "check_matrix", "class_shares", "predict", "top_classes", "widen"]

#: Values of the categories of a column as float64, ascending, and their codes; None for a numeric column.
CategoryTable = tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]] | None

_EXACT = 2**53  # integers below it are float64 numbers of their own


def check_matrix(X: DeviceArray, n_features: int, owner: str = "Booster") -> None:
    """Raise ValueError where X is not a matrix of numbers of so many columns."""
    if X.ndim != 2:
        raise ValueError(f"X: expected a 2D array, got a {X.ndim}D array on a GPU instead")
    if X.shape[1] != n_features:
        raise ValueError(f"X has {X.shape[1]} features, but {owner} is expecting {n_features} features as input")
    _check_dtype(X.dtype, "X")


def _check_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or dtype == np.float16 or not dtype.isnative:
        raise ValueError(
            f"{name} has dtype {dtype}, which is not read from a GPU; convert it there to float32, float64, an integer "
            "type or bool"
        )


def category_tables(schema: Schema) -> list[CategoryTable] | None:
    """What the numbers of an array mean in each categorical column; None if all columns are numeric.

    The same as in a NumPy array: category values. Text is no number, so its code never occurs.

    Raises
    ------
    ValueError
        A category is too large for float64 to tell it from its neighbours.
    """
    if all(values is None for values in schema.categories):
        return None
    tables: list[CategoryTable] = []
    for name, categories in zip(schema.feature_names, schema.categories, strict=True):
        if categories is None:
            tables.append(None)
            continue
        codes = {float(value): code for code, value in enumerate(categories) if not isinstance(value, str)}
        if any(not abs(value) < _EXACT for value in codes):
            raise ValueError(
                f"X, column {name!r}: categories of 2**53 and more are not looked up on a GPU; copy X to the host"
            )
        values = np.array(sorted(codes), dtype=np.float64)
        tables.append((values, np.array([codes[value] for value in values.tolist()], dtype=np.int32)))
    return tables


def predict(
    booster: Booster,
    X: DeviceArray,
    output: str,
    iterations: tuple[int, int],
    base_margin: Any,
    tables: Sequence[CategoryTable] | None,
) -> DeviceArray:
    """`Booster.predict` of a matrix on a device: float32 (n, n_outputs), or int32 (n, trees) for "leaf", there.

    `tables` are those of `category_tables`.
    """
    check_matrix(X, booster.n_features)
    ordinal = X.ordinal
    model = booster._model
    begin, end = iterations
    n_columns = (end - begin) * model.trees_per_iteration if output == "leaf" else model.n_outputs
    margin = None if base_margin is None else _margin(booster, base_margin, X)
    result = empty((X.shape[0], n_columns), np.int32 if output == "leaf" else np.float32, ordinal)
    devices.load_cuda()
    model.predict_at(
        _matrix(X),
        result.pointer,
        output=output,
        begin=begin,
        end=end,
        base_margin=None if margin is None else _matrix(margin),
        categories=tables,
        device="cuda",
        device_ordinal=ordinal,
    )
    return result


def _matrix(array: DeviceArray) -> tuple[int, tuple[int, ...], tuple[int, ...], np.dtype[Any]]:
    return array.pointer, array.shape, array.strides, array.dtype


def _margin(booster: Booster, given: Any, X: DeviceArray) -> DeviceArray:
    margin = view(given)
    if margin is None:
        return put(booster._base_margin(given), X.ordinal)
    shape, strides = margin.shape, margin.strides
    if margin.ndim == 1:
        shape, strides = (*shape, 1), (*strides, 0)
    if len(shape) != 2 or shape[1] != booster.n_outputs:
        raise ValueError(f"base_margin must have shape (n, {booster.n_outputs}), got {margin.shape}")
    _check_dtype(margin.dtype, "base_margin")
    if margin.ordinal != X.ordinal:
        raise ValueError(f"base_margin lies on cuda:{margin.ordinal}, X on cuda:{X.ordinal}; move one of them")
    return DeviceArray(margin.pointer, shape, margin.dtype, strides=strides, ordinal=margin.ordinal, owner=margin)


# --- what estimators make of it -------------------------------------------------------------------------------------


def as_column(result: DeviceArray) -> DeviceArray:
    """(n, 1) as (n,)."""
    return DeviceArray(result.pointer, result.shape[:1], result.dtype, ordinal=result.ordinal, owner=result)


def widen(scores: DeviceArray) -> DeviceArray:
    """float32 scores as float64."""
    result = empty(scores.shape, np.float64, scores.ordinal)
    devices.load_cuda().widen_scores(scores.ordinal, scores.pointer, scores.size, result.pointer)
    return result


def class_shares(values: DeviceArray) -> DeviceArray:
    """Values of the classes, (n, n_outputs) float32, as shares, (n, classes) float64."""
    n_rows, n_outputs = values.shape
    result = empty((n_rows, max(2, n_outputs)), np.float64, values.ordinal)
    devices.load_cuda().class_shares(values.ordinal, values.pointer, n_rows, n_outputs, result.pointer)
    return result


def top_classes(margins: DeviceArray, classes: npt.NDArray[Any]) -> DeviceArray:
    """The class with the largest margin, (n,) of the type of `classes`.

    Raises
    ------
    TypeError
        The classes are no numbers.
    """
    if classes.dtype.kind not in "biuf" or not classes.dtype.isnative:
        raise TypeError(
            f"classes_ are {classes.dtype}, which no array on a GPU holds; take decision_function or predict_proba, or "
            "copy X to the host"
        )
    n_rows, n_outputs = margins.shape
    result = empty((n_rows,), classes.dtype, margins.ordinal)
    devices.load_cuda().top_classes(
        margins.ordinal, margins.pointer, n_rows, n_outputs, np.ascontiguousarray(classes), result.pointer
    )
    return result
