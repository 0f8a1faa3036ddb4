# SPDX-License-Identifier: Apache-2.0
"""Tables of any library: rows of them, one below another, and a fingerprint of what they hold."""

from __future__ import annotations

import hashlib
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from ..columns import Column, read_table, take_rows
from ..device_arrays import view

__all__ = ["check_same_columns", "fingerprint", "row_keys", "row_number", "stacked", "take_rows"]


def row_number(X: Any, name: str = "X") -> int:
    """Number of rows of a table."""
    there = view(X)
    if there is not None:
        return int(there.shape[0])
    try:
        return read_table(X).n_rows
    except ValueError as error:
        raise ValueError(str(error).replace("X", name, 1)) from None


def _column_bytes(column: Column) -> bytes:
    """What a column holds, the same for equal values of one type."""
    if column.numbers is not None:
        return column.numbers.dtype.str.encode() + np.ascontiguousarray(column.numbers).tobytes()
    if column.stored is not None:
        return np.ascontiguousarray(column.stored[0]).tobytes() + column.stored[1].tobytes()
    if column.codes is not None:
        return repr(list(column.values)).encode() + np.asarray(column.codes, dtype=np.int64).tobytes()
    assert column.objects is not None
    return repr(column.objects()).encode()


def fingerprint(X: Any) -> str:
    """SHA-256 of names and values of a table, as 64 hex digits."""
    there = view(X)
    table = read_table(X if there is None else there.numpy())
    state = hashlib.sha256(repr((table.n_rows, table.n_columns, table.names)).encode())
    for column in table.columns(range(table.n_columns)):
        state.update(_column_bytes(column))
    return state.hexdigest()


def row_keys(X: Any) -> npt.NDArray[Any]:
    """A number for each row that equal rows share: 64 bits of a hash of its values, shape (n,)."""
    there = view(X)
    table = read_table(X if there is None else there.numpy())
    keys = np.zeros(table.n_rows, dtype=np.uint64)
    for column in table.columns(range(table.n_columns)):
        keys = _mixed(keys * np.uint64(0x9E3779B97F4A7C15) + _value_keys(column, table.n_rows))
    return keys


def _value_keys(column: Column, n_rows: int) -> npt.NDArray[np.uint64]:
    """64 bits for each value of a column."""
    if column.numbers is not None or column.stored is not None:
        if column.numbers is not None:
            dense = column.numbers.astype(np.float64)
        else:
            assert column.stored is not None
            dense = np.zeros(n_rows)
            dense[column.stored[1]] = column.stored[0]
        dense = np.where(np.isnan(dense), np.nan, dense + 0.0)  # one NaN, one zero
        return np.ascontiguousarray(dense).view(np.uint64)
    if column.codes is not None:
        texts = [str(value) for value in column.values]
        table = np.array([_text_key(t) for t in [*texts, ""]], dtype=np.uint64)
        return table[np.asarray(column.codes, dtype=np.int64)]  # a missing value: the last
    assert column.objects is not None
    return np.array([_text_key(str(value)) for value in column.objects()], dtype=np.uint64)


def _text_key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _mixed(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def check_same_columns(X: Any, other: Any, name: str) -> None:
    """Raise ValueError unless `other` has the columns of `X`: their number, their names in order, their kinds."""
    ours, theirs = (read_table(t if view(t) is None else np.empty((0, view(t).shape[1]))) for t in (X, other))  # type: ignore[union-attr]
    if ours.n_columns != theirs.n_columns:
        raise ValueError(f"{name} has {theirs.n_columns} columns, but X has {ours.n_columns}; pass the same columns")
    if (ours.names is None) != (theirs.names is None):
        raise ValueError(f"{name} and X must both be data frames with names, or both arrays")
    if ours.names != theirs.names:
        pairs = zip(ours.names or (), theirs.names or (), strict=True)
        a, b = next((a, b) for a, b in pairs if a != b)
        raise ValueError(f"{name} has the column {b!r} where X has {a!r}; pass the same columns in the same order")
    for i in range(ours.n_columns):
        own, its = (next(iter(t.columns([i]))) for t in (ours, theirs))
        if (own.codes is None and own.objects is None) != (its.codes is None and its.objects is None):
            called = i if ours.names is None else repr(ours.names[i])
            raise ValueError(f"{name}: column {called} is {its.dtype}, but {own.dtype} in X")


def stacked(X: Any, other: Any) -> Any:
    """The rows of two tables of the same columns and library, those of `X` first."""
    if hasattr(X, "tocsr") and hasattr(other, "tocsr"):
        import scipy.sparse

        return scipy.sparse.vstack([X, other], format="csr")
    if nw.dependencies.is_pandas_dataframe(X) and nw.dependencies.is_pandas_dataframe(other):
        return _stacked_pandas(X, other)
    frames = [nw.from_native(t, eager_only=True, pass_through=True) for t in (X, other)]
    if all(isinstance(frame, nw.DataFrame) for frame in frames):
        return nw.concat(frames, how="vertical").to_native()
    parts = [np.asarray(t if view(t) is None else view(t).numpy()) for t in (X, other)]  # type: ignore[union-attr]
    return np.concatenate(parts)


def _stacked_pandas(X: Any, other: Any) -> Any:
    """Categories of both; pandas itself would turn columns of different ones into objects."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    columns = {}
    for name in X.columns:
        a, b = X[name], other[name]
        if isinstance(a.dtype, pd.CategoricalDtype) and isinstance(b.dtype, pd.CategoricalDtype):
            if a.dtype == b.dtype:
                columns[name] = pd.concat([a, b], ignore_index=True)
            else:
                columns[name] = pd.Series(union_categoricals([a, b], ignore_order=True))
        else:
            columns[name] = pd.concat([a, b], ignore_index=True)
    return pd.DataFrame(columns)
