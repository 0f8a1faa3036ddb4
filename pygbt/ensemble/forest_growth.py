# SPDX-License-Identifier: Apache-2.0
"""Growing a forest some trees at a time, so that Ctrl-C is heard and a progress bar moves."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from ..late_bar import LateBar

__all__ = ["grow_trees", "table_columns"]

BATCH_SECONDS = 0.5


def grow_trees(trainer: Any, n_trees: int, n_threads: int, *, verbose: bool) -> None:
    """Grow trees in batches of about half a second, the last up to a second; `n_threads`: 0 is all."""
    bar = LateBar(n_trees, verbose, "training")
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    least = max(1, n_threads or cpus)
    start, done, batch = time.monotonic(), 0, least
    try:
        while done < n_trees:
            batch = min(batch, n_trees - done)
            trainer.grow(batch)
            done += batch
            bar.advance(batch)
            elapsed = max(time.monotonic() - start, 1e-9)
            batch = max(1, round(BATCH_SECONDS * done / elapsed / least)) * least
            if n_trees - done < 2 * batch:  # threads wait for each other at the end of a batch
                batch = n_trees - done
    finally:
        bar.finish()


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
