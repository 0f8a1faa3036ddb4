# SPDX-License-Identifier: Apache-2.0
"""Queries: consecutive groups of rows, given by their sizes or by a query a row, and taken as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .columns import numbers_of

__all__ = ["group_sizes", "rows_of_groups", "whole_groups"]


def group_sizes(qid: Any, n_rows: int) -> npt.NDArray[np.int64]:
    """Sizes of the runs of equal values of `qid`, shape (n,).

    Raises
    ------
    ValueError
        `qid` has another shape, is not finite, or a query has rows in two places.
    """
    ids = np.asarray(numbers_of(qid, "qid"))
    if ids.shape != (n_rows,):
        raise ValueError(f"qid has shape {ids.shape}; it must hold one query a row, {n_rows} in all")
    if ids.dtype.kind == "f" and not np.isfinite(ids).all():
        raise ValueError("qid must not be NaN or infinite: every row belongs to a query")
    begin = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    values, counts = np.unique(ids[begin], return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"qid: the rows of query {values[counts > 1][0]} do not lie side by side; sort the rows by qid"
        )
    return np.diff(np.append(begin, n_rows)).astype(np.int64)


def rows_of_groups(sizes: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The rows of some of the consecutive groups of these sizes, group by group."""
    ends = np.cumsum(sizes)
    return np.concatenate([np.arange(ends[i] - sizes[i], ends[i]) for i in groups]).astype(np.int64)


def whole_groups(sizes: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sizes of the groups that `rows` are made of.

    Raises
    ------
    ValueError
        `rows` is not a list of whole groups, each in its order.
    """
    ends = np.cumsum(sizes)
    number = np.searchsorted(ends, rows, side="right")
    fresh = np.ones(len(rows), dtype=bool)
    fresh[1:] = (rows[1:] != rows[:-1] + 1) | (number[1:] != number[:-1])
    begin = np.flatnonzero(fresh)
    taken = np.diff(np.append(begin, len(rows)))
    first = ends[number[begin]] - sizes[number[begin]]
    if not np.array_equal(rows[begin], first) or not np.array_equal(taken, sizes[number[begin]]):
        raise ValueError("subset: rows must be whole groups (queries) of the Dataset, each in its order")
    return taken.astype(np.int64)
