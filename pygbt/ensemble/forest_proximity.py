# SPDX-License-Identifier: Apache-2.0
"""Proximity of rows (Breiman 2001): the share of the trees in which two of them fall into one leaf."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

__all__ = ["dense_proximity", "nearest_proximity"]

Ints = npt.NDArray[np.int32]

MOST_CELLS = 100_000_000  # of a dense result
CHUNK_CELLS = 4_000_000


def dense_proximity(of: Ints, to: Ints) -> npt.NDArray[np.float64]:
    """Proximities of rows by their leaves, shapes (n, n_trees) and (m, n_trees): an array of shape (n, m)."""
    if len(of) * len(to) > MOST_CELLS:
        raise ValueError(
            f"proximity: {len(of)} x {len(to)} numbers are too many for one array; ask for the nearest rows of each "
            "with top=, or pass fewer rows"
        )
    out = np.empty((len(of), len(to)))
    for rows, shares in _chunks(of, to):
        out[rows] = shares
    return out


def nearest_proximity(of: Ints, to: Ints, top: int) -> Any:
    """The `top` largest proximities of each row above 0, as a CSR matrix of shape (n, m); of equal ones the first."""
    columns, values, lengths = [], [], []
    for _, shares in _chunks(of, to):
        order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
        nearest = np.take_along_axis(shares, order, axis=1)
        kept = nearest > 0
        lengths.append(kept.sum(axis=1))
        columns.append(order[kept])
        values.append(nearest[kept])
    begin = np.concatenate([[0], np.cumsum(np.concatenate(lengths or [np.zeros(0, dtype=np.int64)]))])
    parts = (np.concatenate(values or [np.zeros(0)]), np.concatenate(columns or [np.zeros(0, dtype=np.int64)]), begin)
    matrix = scipy.sparse.csr_matrix(parts, shape=(len(of), len(to)))
    matrix.sort_indices()
    return matrix


def _chunks(of: Ints, to: Ints) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Some rows at a time: (rows, shares of the trees)."""
    n_trees = of.shape[1]
    n_leaves = np.maximum(of.max(axis=0, initial=0), to.max(axis=0, initial=0)).astype(np.int64) + 1
    begin = np.concatenate([[0], np.cumsum(n_leaves)])
    there = _indicator(to, begin).T.tocsr()
    step = max(1, CHUNK_CELLS // max(1, len(to)))
    for first in range(0, len(of), step):
        rows = slice(first, min(first + step, len(of)))
        together = _indicator(of[rows], begin) @ there
        yield rows, together.toarray() / max(n_trees, 1)


def _indicator(leaves: Ints, begin: npt.NDArray[np.int64]) -> Any:
    """CSR matrix of shape (n, leaves of all trees): 1 where a row falls into a leaf."""
    n, n_trees = leaves.shape
    columns = (leaves + begin[:-1]).ravel()
    ones = np.ones(n * n_trees, dtype=np.int32)
    return scipy.sparse.csr_matrix((ones, columns, np.arange(n + 1) * n_trees), shape=(n, int(begin[-1])))
