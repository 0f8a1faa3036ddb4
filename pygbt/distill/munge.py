# SPDX-License-Identifier: Apache-2.0
"""New rows for a transfer set, made of pairs of near ones (MUNGE: Bucila, Caruana and Niculescu-Mizil 2006)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from ..columns import Column, read_table, take_rows
from ..device_arrays import view
from ..schema import Schema

__all__ = ["munge", "nearest_rows"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

#: Distances are computed for so many pairs at a time.
PAIRS = 1 << 24


def munge(
    X: Any,
    size_factor: float = 1.0,
    *,
    p: float = 0.5,
    s: float = 1.0,
    categorical_features: Any = "auto",
    max_candidates: int = 10_000,
    random_state: int = 0,
) -> Any:
    """Make rows that lie where the rows of `X` do, for a teacher to label.

    Every new row is a row of `X`, in turn, in which each value is replaced, with probability `p`, by that of its
    nearest neighbour: a category by the neighbour's, a number by a draw from a normal distribution about the
    neighbour's value, of standard deviation ``|x - x_neighbour| / s``. Numbers stay within the column's range, whole
    numbers whole. Labels are not made: ask the teacher for each new row, as `pygbt.distill.distill` does with
    ``augment=``.

    Parameters
    ----------
    X : array, sparse matrix or data frame, shape (n, n_features)
        NaN is a value that is replaced, and replaces, as any other; a sparse matrix gives an array.
    size_factor : float, default 1
        New rows for each row; 0.5 makes n / 2.
    p : float, default 0.5
        Probability that a value is replaced, in [0, 1].
    s : float, default 1
        Divisor of the standard deviation, above 0: the larger, the nearer to the neighbour's value. ``math.inf`` copies
        it.
    categorical_features : "auto", list of str or int, or None, default "auto"
        As in `pygbt.Dataset`. They count 1 in a distance where they differ; numbers by their distance in standard
        deviations; where one of two is missing, 1.
    max_candidates : int, default 10000
        Neighbours are sought among so many rows, drawn, which bounds the time: n x max_candidates distances.
    random_state : int, default 0
        Seed. The same rows for the same table and seed.

    Returns
    -------
    table
        ``round(n size_factor)`` rows, of the library, columns and types of `X`.

    Raises
    ------
    ValueError
        The message names the argument.

    References
    ----------
    C. Bucila, R. Caruana, A. Niculescu-Mizil, Model compression, KDD 2006.
    """
    _check(size_factor, p, s, max_candidates)
    there = view(X)
    if there is not None:
        X = there.numpy()
    elif hasattr(X, "toarray"):
        X = X.toarray()
    elif isinstance(X, list | tuple):
        X = np.asarray(X)
    table = read_table(X)
    n, n_features = table.n_rows, table.n_columns
    if n < 2:
        raise ValueError(f"X must have at least two rows, got {n}")
    n_new = max(1, round(n * size_factor))
    rng = np.random.default_rng([0x6D756E67, int(random_state)])
    nominal = _nominal(table, categorical_features)
    columns = list(table.columns(range(n_features)))
    candidates = np.sort(rng.permutation(n)[:max_candidates])
    base: Index = np.arange(n_new, dtype=np.int64) % n
    neighbour = nearest_rows(columns, nominal, candidates)[base]
    replaced = rng.random((n_features, n_new)) < p
    made = [
        None if nominal[f] else _numbers(_dense(column), base, neighbour, replaced[f], rng, s)
        for f, column in enumerate(columns)
    ]
    return _assembled(X, made, base, neighbour, replaced)


def _check(size_factor: float, p: float, s: float, max_candidates: int) -> None:
    if not (math.isfinite(size_factor) and size_factor > 0):
        raise ValueError(f"size_factor must be a finite number above 0, got {size_factor!r}")
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie between 0 and 1, got {p!r}")
    if not s > 0:
        raise ValueError(f"s must be above 0, got {s!r}")
    if isinstance(max_candidates, bool) or not isinstance(max_candidates, int | np.integer) or max_candidates < 2:
        raise ValueError(f"max_candidates must be an integer of at least 2, got {max_candidates!r}")


def _nominal(table: Any, categorical_features: Any) -> list[bool]:
    schema = Schema.infer(
        table, categorical_features=categorical_features, feature_names=None, feature_groups=None, sparse_missing=False
    )
    return [categories is not None for categories in schema.categories]


def _dense(column: Column) -> npt.NDArray[Any]:
    """A column of numbers."""
    assert column.numbers is not None
    return column.numbers


def _codes(column: Column) -> Index:
    """A number for each category, -1 where it is missing."""
    if column.codes is not None:
        return np.asarray(column.codes, dtype=np.int64)
    if column.numbers is not None:
        values, codes = np.unique(column.numbers, return_inverse=True)
        return np.where(np.isnan(values.astype(np.float64))[codes], -1, codes)
    assert column.objects is not None
    place: dict[Any, int] = {}
    return np.array(
        [-1 if v is None or v != v else place.setdefault(v, len(place)) for v in column.objects()], np.int64
    )


def nearest_rows(columns: Sequence[Column], nominal: Sequence[bool], candidates: Index) -> Index:
    """The nearest other row of each row among `candidates`, the first of equal ones; shape (n,)."""
    n = columns[0].n_rows
    numbers = np.empty((n, sum(not is_nominal for is_nominal in nominal)))
    codes = np.empty((n, sum(nominal)), dtype=np.int64)
    at_number = at_code = 0
    for column, is_nominal in zip(columns, nominal, strict=True):
        if is_nominal:
            codes[:, at_code] = _codes(column)
            at_code += 1
        else:
            numbers[:, at_number] = _standardised(_dense(column))
            at_number += 1
    missing = np.isnan(numbers)
    gaps = missing.astype(np.float64)
    numbers = np.where(missing, 0.0, numbers)
    square = (numbers * numbers).sum(axis=1)
    anything_missing = bool(missing.any())
    nearest = np.empty(n, dtype=np.int64)
    step = max(1, PAIRS // len(candidates))
    for begin in range(0, n, step):
        rows = slice(begin, min(begin + step, n))
        # |a - b|^2 over the columns that both have; a column that one of them lacks counts 1.
        d = square[rows, np.newaxis] + square[candidates] - 2.0 * numbers[rows] @ numbers[candidates].T
        if anything_missing:
            squares = numbers * numbers
            d -= squares[rows] @ gaps[candidates].T + gaps[rows] @ squares[candidates].T
            d += gaps[rows] @ (1.0 - gaps[candidates]).T + (1.0 - gaps[rows]) @ gaps[candidates].T
        for c in range(codes.shape[1]):
            d += codes[rows, c, np.newaxis] != codes[candidates, c]
        d = np.round(d, 9)  # the last bits of a matrix product depend on the machine
        own = np.searchsorted(candidates, np.arange(n)[rows])
        found = (own < len(candidates)) & (candidates[np.minimum(own, len(candidates) - 1)] == np.arange(n)[rows])
        d[np.flatnonzero(found), own[found]] = np.inf
        nearest[rows] = candidates[d.argmin(axis=1)]
    return nearest


def _standardised(values: npt.NDArray[Any]) -> Floats:
    """In standard deviations; infinities as the largest finite values."""
    x = values.astype(np.float64)
    finite = x[np.isfinite(x)]
    if len(finite) == 0:
        return np.where(np.isnan(x), np.nan, 0.0)
    x = np.clip(x, finite.min(), finite.max())
    deviation = float(finite.std())
    return (x - finite.mean()) / deviation if deviation > 0 else np.where(np.isnan(x), np.nan, 0.0)


def _numbers(
    values: npt.NDArray[Any],
    base: Index,
    neighbour: Index,
    replaced: npt.NDArray[np.bool_],
    rng: np.random.Generator,
    s: float,
) -> npt.NDArray[Any]:
    """New values of a column of numbers."""
    own, other = values[base].astype(np.float64), values[neighbour].astype(np.float64)
    known = np.isfinite(own) & np.isfinite(other)
    gap = np.where(known, np.abs(np.where(known, own, 0.0) - np.where(known, other, 0.0)), 0.0)
    noise = rng.standard_normal(len(base))
    drawn = np.where(known, other + (noise * (gap / s) if math.isfinite(s) else 0.0), other)
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if len(finite):
        drawn = np.where(known, np.clip(drawn, float(finite.min()), float(finite.max())), drawn)
    if values.dtype.kind in "biu":
        drawn = np.round(drawn)
    return np.where(replaced, drawn, own).astype(values.dtype)


def _assembled(
    X: Any, made: list[npt.NDArray[Any] | None], base: Index, neighbour: Index, replaced: npt.NDArray[np.bool_]
) -> Any:
    """Numbers as made, other columns as rows of the column itself, so that their types stay."""
    frame = None if isinstance(X, np.ndarray) else nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        array = np.asarray(X)
        out = np.empty((len(base), array.shape[1]), dtype=array.dtype)
        for f, values in enumerate(made):
            out[:, f] = array[np.where(replaced[f], neighbour, base), f] if values is None else values
        return out
    rows = _numbered(take_rows(X, base))
    new = []
    for f, name in enumerate(frame.columns):
        values = made[f]
        if values is None:
            new.append(_numbered(take_rows(X, np.where(replaced[f], neighbour, base)))[name])
        else:
            series = nw.new_series(name, values, backend=frame.implementation)
            new.append(series if series.dtype == rows[name].dtype else series.cast(rows[name].dtype))
    return rows.with_columns(*new).to_native()


def _numbered(native: Any) -> nw.DataFrame[Any]:
    """A frame whose rows are counted from 0, by which pandas aligns columns."""
    return nw.from_native(native.reset_index(drop=True) if hasattr(native, "reset_index") else native, eager_only=True)
