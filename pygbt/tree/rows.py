# SPDX-License-Identifier: Apache-2.0
"""Rows of a table as a tree compares them: numbers rounded as its columns are, categories by code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..columns import Column, is_missing, read_table
from ..schema import Schema

__all__ = ["encoded_value", "raw_row", "read_values"]

Floats = npt.NDArray[np.float64]


def read_values(schema: Schema, wide: Sequence[bool], X: Any) -> Floats:
    """All values of a table, shape (n, n_features): NaN is missing or a category that training did not see."""
    encoded = schema.encode(X, owner="DecisionTree")
    if not isinstance(encoded, list):
        encoded = [encoded[:, f] for f in range(schema.n_features)]
    columns = []
    for column, is_wide in zip(encoded, wide, strict=True):
        if isinstance(column, tuple) and column[0] == "codes":
            codes = np.asarray(column[1], dtype=np.float64)
            columns.append(np.where(codes < 0, np.nan, codes))
            continue
        if isinstance(column, tuple):
            _, values, rows, fill, n_rows = column
            column = np.full(n_rows, fill, dtype=np.float64)
            column[rows] = values
        with np.errstate(over="ignore"):
            numbers = np.asarray(column) if is_wide else np.asarray(column).astype(np.float32)
        columns.append(numbers.astype(np.float64))
    return np.column_stack(columns)


def encoded_value(schema: Schema, wide: Sequence[bool], feature: int, value: Any) -> float:
    """One value, given as in the table, as the tree compares it; NaN is missing or a category not seen."""
    if is_missing(value):
        return float("nan")
    categories = schema.categories[feature]
    if categories is not None:
        try:
            return float(categories.index(value)) if value in categories else float("nan")
        except TypeError:
            return float("nan")
    try:
        number = float(value)
    except (TypeError, ValueError):
        name = schema.feature_names[feature]
        raise ValueError(f"x, column {name!r}: {value!r} is not a number, as the column was in training") from None
    with np.errstate(over="ignore"):
        return number if wide[feature] else float(np.float32(number))


def raw_row(schema: Schema, x: Any) -> list[Any]:
    """The values of one row: a mapping by name (names left out are missing), a sequence in the order of training, or a
    table of one row.
    """
    names = schema.feature_names
    if isinstance(x, Mapping):
        unknown = [name for name in x if name not in names]
        if unknown:
            raise ValueError(f"x holds {unknown[0]!r}, which is no column of the tree; its columns are {list(names)}")
        return [x.get(name) for name in names]
    if not hasattr(x, "columns") and not hasattr(x, "column_names") and not hasattr(x, "tocsc"):
        if hasattr(x, "to_dict") and hasattr(x, "index"):  # a row of a data frame, taken as a series
            return raw_row(schema, {str(name): value for name, value in x.to_dict().items() if str(name) in names})
        values = list(x)
        if not values or np.ndim(values[0]) == 0:
            if len(values) != len(names):
                raise ValueError(f"x has {len(values)} values, but the tree has {len(names)} columns")
            return values
    table = read_table(x)
    if table.n_rows != 1:
        raise ValueError(f"x must be one row, got {table.n_rows}; explain them one by one")
    places: Sequence[int] = range(table.n_columns)
    if table.names is not None and schema.named:
        place = {name: i for i, name in enumerate(table.names)}
        missing = [name for name in names if name not in place]
        if missing:
            raise ValueError(f"x lacks the column {missing[0]!r}")
        places = [place[name] for name in names]
    elif table.n_columns != len(names):
        raise ValueError(f"x has {table.n_columns} values, but the tree has {len(names)} columns")
    return [_first(column) for column in table.columns(places)]


def _first(column: Column) -> Any:
    if column.numbers is not None:
        return column.numbers[0].item()
    if column.stored is not None:
        return column.stored[0][0].item() if len(column.stored[0]) else 0.0
    if column.codes is not None:
        return column.values[column.codes[0]] if column.codes[0] >= 0 else None
    assert column.objects is not None
    return column.objects()[0]
