# SPDX-License-Identifier: Apache-2.0
"""Edges and binning: from floats to bins, over rows, features, bins, memory order and threads."""

from __future__ import annotations

import numpy as np
import pytest

import pygbt

#: rows, features, bins, order, threads
CASES = [
    (1_000_000, 28, 256, "C", 1),
    (1_000_000, 28, 256, "C", 2),
    (1_000_000, 28, 256, "F", 2),
    (100_000, 28, 256, "C", 1),
    (100_000, 28, 16, "C", 1),
    (100_000, 280, 256, "C", 1),
]


def table(n, f, order):
    return np.asarray(np.random.default_rng(0).standard_normal((n, f), dtype=np.float32), order=order)


def name(n, f, bins, order, threads):
    return f"{n:,} x {f}, {bins} bins, {order}, {threads} threads"


@pytest.mark.parametrize("case", CASES, ids=str)
def bench_edges_and_bins(measure, scaled, case):
    n, f, bins, order, threads = case
    X = table(scaled(n), f, order)
    made = measure(
        "edges + binning",
        name(len(X), *case[1:]),
        lambda: pygbt.Dataset(X, max_bin=bins, n_threads=threads),
        count=X.size,
        unit="values",
        threads=threads,
    )
    used = np.bincount(made.core.bins()[:, 0], minlength=bins)
    assert used[0] == 0 and used[1:].max() <= 1.5 * len(X) / (bins - 1) + 1  # quantiles: every bin as full as another


@pytest.mark.parametrize("case", CASES[:3], ids=str)
def bench_bins(measure, scaled, case):
    n, f, bins, order, threads = case
    X = table(scaled(n), f, order)
    reference = pygbt.Dataset(X, max_bin=bins)
    made = measure(
        "binning",
        name(len(X), *case[1:]),
        lambda: pygbt.Dataset(X, reference=reference, n_threads=threads),
        count=X.nbytes + 2 * X.size,  # floats read, bins written by rows and by columns
        unit="bytes",
        limit="memory",
        threads=threads,
    )
    assert np.array_equal(made.core.bins(), reference.core.bins())
