# SPDX-License-Identifier: Apache-2.0
"""Prediction from floats to probabilities: over rows, size of the trees and threads."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tables

import pygbt

SHAPES = {
    "depth 6": {"max_depth": 6},
    "255 leaves": {"grow_policy": "lossguide", "max_leaves": 255, "max_depth": 0},
    "symmetric 6": {"grow_policy": "symmetric", "max_depth": 6},
}
TREES = 100


@functools.cache
def forest(shape, rows, trees):
    X, y = tables.dense(rows, 28, 0)
    return pygbt.train({"objective": "logistic", **SHAPES[shape]}, pygbt.Dataset(X, y), trees)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [1, 64, 1000, 200_000])
@pytest.mark.parametrize("shape", SHAPES)
def bench_predict(measure, scaled, shape, n, threads):
    if n == 1 and threads == 2:
        pytest.skip("one row has nothing to share")
    trees = TREES if scaled(1000) == 1000 else 5
    model = forest(shape, scaled(20_000), trees)
    X = tables.dense(scaled(n) if n > 1000 else n, 28, 3)[0]
    values = measure(
        "predict",
        f"{len(X):,} rows, {trees} trees of {shape}, {threads} threads",
        lambda: model.predict(X, n_threads=threads),
        count=len(X) * trees,
        unit="row-trees",
        threads=threads,
    )
    assert np.array_equal(values[:3], [model.predict(X[i : i + 1])[0] for i in range(min(3, len(X)))])
