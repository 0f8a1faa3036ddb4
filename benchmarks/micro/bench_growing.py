# SPDX-License-Identifier: Apache-2.0
"""What a tree is grown by: gradients, histograms, split search, partition.

Axes: rows, features, bins, entropy of the bins, size of the node, threads.
"""

from __future__ import annotations

import numpy as np
import pytest
from growing import Growing

#: rows, features, bins, share of the rows in one bin, rows of the node per row of the table, threads
HISTOGRAMS = [
    (1_000_000, 28, 256, 0.0, 1, 1),
    (1_000_000, 28, 256, 0.0, 1, 2),
    (1_000_000, 28, 256, 0.0, 16, 1),
    (1_000_000, 28, 256, 0.0, 128, 1),
    (1_000_000, 28, 16, 0.0, 1, 1),
    (1_000_000, 28, 256, 0.9, 1, 1),
    (1_000_000, 28, 256, 1.0, 1, 1),
    (100_000, 28, 256, 0.0, 1, 1),
    (100_000, 280, 256, 0.0, 1, 1),
    (10_000, 28, 256, 0.0, 1, 1),
]


@pytest.mark.parametrize("case", HISTOGRAMS, ids=str)
def bench_histogram(measure, scaled, case):
    n, f, bins, skew, parts, threads = case
    growing = Growing(scaled(n), f, bins, skew, threads)
    node, rows = 0, growing.n
    if parts > 1:  # scattered rows: a cut by an independent feature
        rows = growing.cut(0, 1, 1, bins // parts)
        node = 1
    backend = growing.backend
    spread = f"bins, {100 * skew:.0f} % in one" if skew else "even bins"
    made = []

    def fresh():
        if made:
            backend.release([node])
        made.append(True)

    measure(
        "histogram",
        f"{rows:,} of {growing.n:,} x {f}, {bins} {spread}, {threads} threads",
        lambda: backend.histograms([node]),
        before=fresh,
        count=rows * f,
        unit="updates",
        limit="stores",  # one an update, and a core commits one line a cycle
        threads=threads,
    )
    first = np.cumsum([0, *(growing.data.core.cuts.n_bins(feature) for feature in range(f - 1))])
    sums = np.add.reduceat(backend.histogram_of(node)[:, 0], first)
    assert np.array_equal(sums, np.tile(sums[0], (f, 1)))  # every column holds every row
    if node == 0:
        assert np.array_equal(sums[0], growing.root["sums"][0])


@pytest.mark.parametrize("f, bins, nodes", [(28, 256, 1), (28, 256, 32), (28, 16, 32), (500, 256, 8)])
def bench_split(measure, scaled, f, bins, nodes):
    growing = Growing(scaled(20_000), f, bins)
    backend = growing.backend
    backend.histograms([0])
    query = {"node": 0, "count": growing.n, "sums": growing.root["sums"], "features": list(range(f))}
    found = measure(
        "split search",
        f"{f} features, {bins} bins, {nodes} nodes",
        lambda: backend.best_splits({"min_child_weight": 1.0}, [query] * nodes, False),
        count=f * (bins - 1) * nodes,
        unit="cuts",
    )
    assert {split["feature"] for split in found} == {0}  # the labels are a threshold of feature 0


@pytest.mark.parametrize("n, threads", [(1_000_000, 1), (1_000_000, 2), (30_000, 1), (1_000, 1)])
def bench_partition(measure, scaled, n, threads):
    growing = Growing(scaled(n), 4, threads=threads)
    left = measure(
        "partition",
        f"{growing.n:,} rows, half go left, {threads} threads",
        lambda: growing.cut(0, 1, 1, 128),
        before=growing.begin,
        count=growing.n * 9,  # bin and row id read, row id written
        unit="bytes",
        limit="memory",
        threads=threads,
    )
    column = growing.bins[:, 1]
    assert left == np.count_nonzero((column >= 1) & (column <= 128))


@pytest.mark.parametrize("n, threads", [(1_000_000, 1), (1_000_000, 2), (10_000, 1)])
def bench_gradients(measure, scaled, n, threads):
    growing = Growing(scaled(n), 1, threads=threads)
    measure(
        "gradients",
        f"logistic, {growing.n:,} rows, {threads} threads",
        lambda: growing.backend.gradients({"objective": "logistic"}),
        count=growing.n * 16,  # score and label read, g and h written, float32
        unit="bytes",
        limit="memory",
        threads=threads,
    )
    growing.begin()
    assert growing.backend.totals(0)["max_g"] == 0.5  # of a score of 0
