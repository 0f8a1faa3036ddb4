# SPDX-License-Identifier: Apache-2.0
"""What a model in training takes, by its shape: the numbers that the memory budget of a batch is kept with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .batch_jobs import PartTables
from .data import Dataset

__all__ = ["available_bytes", "model_bytes", "outputs_of", "part_bytes"]

_FIXED = 1 << 20  # of a trainer
_CELL_BYTES = 16  # two integers of 64 bits; 8 more where rows are counted
_NODE_BYTES = 192  # of a tree while it grows and in the model
_CLASS_OBJECTIVES = ("softmax", "one_vs_rest")


def available_bytes() -> int:
    """Memory that the system can give out without swapping; a very large number where it does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    try:
        return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE")) // 2
    except (OSError, ValueError):
        return 1 << 62


def outputs_of(params: Mapping[str, Any], ds: Dataset) -> int:
    """Outputs of a model, or a few more: from the parameters (canonical names) and the labels."""
    columns = max(1 if a is None else int(np.prod(a.shape[1:], dtype=np.int64)) for a in (ds.label, ds.teacher))
    objective = params.get("objective")
    if objective in _CLASS_OBJECTIVES and columns == 1:
        known = 2 if ds.label is None or not len(ds.label) else np.nanmax(ds.label, initial=1.0) + 1
        return max(int(params.get("n_classes", 0)), int(known))
    if objective == "quantile":
        return max(columns, len(params.get("quantile_alpha", [0.5])))
    return columns


def _leaves(params: Mapping[str, Any], n_rows: int) -> int:
    """Most leaves of a tree."""
    depth, most = int(params.get("max_depth", 6)), int(params.get("max_leaves", 0))
    by_depth = 1 << min(depth, 30) if depth > 0 else 1 << 30
    return max(1, min(by_depth, most or by_depth, n_rows))


def model_bytes(params: Mapping[str, Any], ds: Dataset, tables: PartTables, n_rounds: int) -> int:
    """Bytes that a model in training takes beside the tables it reads.

    Scores, gradients and the orders of rows; histograms of the nodes that wait for their children; the trees. Of the
    evaluation sets the scores.

    Parameters
    ----------
    params : mapping
        By canonical name.
    ds : Dataset
        The whole table; edges of a part have at most the bins that `max_bin` allows.
    tables : PartTables
    n_rounds : int
    """
    outputs = outputs_of(params, ds)
    width = outputs if params.get("multi_strategy") == "vector_leaf" else 1
    bins = int(np.sum(_bins(ds, tables)))
    leaves = _leaves(params, tables.part.n_rows)
    rows = tables.part.n_rows * (16 * outputs + 24 * width + 16) + tables.n_scored * 4 * outputs
    histograms = 2 * leaves * bins * width * (_CELL_BYTES + 8)
    trees = n_rounds * (outputs // width) * 2 * leaves * (_NODE_BYTES + 16 * width)
    return _FIXED + rows + histograms + trees


def part_bytes(ds: Dataset, tables: PartTables) -> int:
    """Bytes of the tables that a part of `ds` adds: bins in two layouts, labels, weights; a copy of values."""
    columns = max(1 if a is None else int(np.prod(a.shape[1:], dtype=np.int64)) for a in (ds.label, ds.teacher))
    bytes_of_row = 8 * columns + 40
    rows = tables.part.n_rows + (tables.n_scored if tables.part.kind == "fold" else 0)
    if tables.part.kind == "all":
        return 0
    if tables.own_bins:
        bytes_of_row += 2 * int(np.sum(np.where(_bins(ds, tables) > 256, 2, 1))) + 16
    if tables.keeps_values:
        bytes_of_row += 8 * ds.n_features
    return rows * bytes_of_row


def _bins(ds: Dataset, tables: PartTables) -> Any:
    """Bins of every feature, at most."""
    cuts = ds.core.cuts
    present = np.array([cuts.n_bins(f) for f in range(ds.n_features)], dtype=np.int64)
    if not tables.keeps_values and tables.part.kind != "replica":
        return present
    numeric = np.array([not cuts.is_categorical(f) for f in range(ds.n_features)])
    return np.where(numeric, np.minimum(ds.max_bin, tables.part.n_rows + 1), present)
