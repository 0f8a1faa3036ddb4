# SPDX-License-Identifier: Apache-2.0
"""Growing a forest some trees at a time, so that Ctrl-C is heard and a progress bar moves; rows that trees left out."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from ..callbacks import ProgressBar

__all__ = ["grow_trees", "out_of_bag", "table_columns"]

Floats = npt.NDArray[np.float64]

BATCH_SECONDS = 0.5
BAR_SECONDS = 2.0  # shorter growth shows no bar
LEAF_BYTES = 64 << 20


def grow_trees(trainer: Any, n_trees: int, n_threads: int, *, verbose: bool) -> None:
    """Grow trees in batches of about half a second; `n_threads`: 0 is all."""
    bar = ProgressBar()
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    least = max(1, n_threads or cpus)
    start, done, batch, opened = time.monotonic(), 0, least, False
    try:
        while done < n_trees:
            batch = min(batch, n_trees - done)
            trainer.grow(batch)
            done += batch
            elapsed = max(time.monotonic() - start, 1e-9)
            if verbose and not opened and elapsed * n_trees / done > BAR_SECONDS:
                bar.open(n_trees)
                bar.advance(done)
                opened = True
            elif opened:
                bar.advance(batch)
            batch = max(1, round(BATCH_SECONDS * done / elapsed / least)) * least
    finally:
        bar.finish()


def out_of_bag(core: Any, trainer: Any, columns: Any, n_threads: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Sums over the trees that did not draw a row of what they answer, shape (n, n_outputs); their number, (n,)."""
    n_rows = len(trainer.counts(0))
    sums = np.zeros((n_rows, core.n_outputs))
    n_left_out = np.zeros(n_rows, dtype=np.int64)
    step = max(1, LEAF_BYTES // (4 * max(1, n_rows)))
    for first in range(0, core.n_trees, step):
        end = min(first + step, core.n_trees)
        leaves = core.predict(columns, output="leaf", begin=first, end=end, n_threads=n_threads)
        for index in range(first, end):
            value = core.tree(index)["leaf_value"].reshape(-1, core.n_outputs)
            rows = np.flatnonzero(trainer.counts(index) == 0)
            sums[rows] += value[leaves[rows, index - first]]
            n_left_out[rows] += 1
    return sums, n_left_out


def table_columns(table: Any, n_categories: list[int]) -> list[Any]:
    """Columns that go the ways of a `_core.CodedTable` of bins: the largest value of every row's bin."""
    columns: list[Any] = []
    for feature, (levels, wide) in enumerate(zip(n_categories, table.wide, strict=True)):
        codes = table.codes(feature).astype(np.int64)
        if levels:
            columns.append(("codes", (codes - 1).astype(np.int32)))
            continue
        kind = np.float64 if wide else np.float32
        value = np.concatenate([[np.nan], table.values(feature), [np.finfo(kind).max]])  # the last bin has no end
        columns.append(value[codes].astype(kind))
    return columns
