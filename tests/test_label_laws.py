# SPDX-License-Identifier: Apache-2.0
"""Several labels, soft labels and levels of one row."""

from __future__ import annotations

import numpy as np
from law_tables import table

import pygbt


def test_vector_leaves_equal_separate_trees_where_targets_are_copies() -> None:
    X, z = table()
    params = {"max_depth": 4, "histogram_precision": "wide"}
    one = pygbt.train(params, pygbt.Dataset(X, z), 5).predict(X)
    two = pygbt.train({**params, "multi_strategy": "vector_leaf"}, pygbt.Dataset(X, np.stack([z, z], 1)), 5).predict(X)
    assert two[:, 0].tobytes() == two[:, 1].tobytes() == one.tobytes()


def test_soft_rows_are_weighted_hard_rows() -> None:
    """(n, K) probabilities: the same gradient sums as K hard rows weighted by them (weights in exact 1/8 steps)."""
    rng = np.random.default_rng(13)
    X = rng.standard_normal((300, 3)).astype(np.float32)
    counts = rng.multinomial(8, [0.2, 0.3, 0.5], 300)
    soft = pygbt.train(
        {"objective": "softmax", "max_depth": 3, "max_bin": 32}, pygbt.Dataset(X, counts / 8.0, max_bin=32), 3
    ).predict(X)
    hard = pygbt.train(
        {"objective": "softmax", "max_depth": 3, "max_bin": 32},
        pygbt.Dataset(np.repeat(X, 3, axis=0), np.tile(np.arange(3), 300), weight=counts.ravel() / 8.0, max_bin=32),
        3,
    ).predict(X)
    np.testing.assert_allclose(soft, hard, atol=2e-4)


def test_soft_labels_do_not_stall() -> None:
    """A constant student reaches its teacher: KL below 1e-6 after 300 rounds at rate 0.1 (distillation law)."""
    q = np.tile([0.2, 0.3, 0.5], (50, 1))
    model = pygbt.train({"objective": "softmax", "base_score": 0.5}, pygbt.Dataset(np.zeros((50, 1)), q), 300)
    p = model.predict(np.zeros((1, 1))).astype(np.float64)[0]
    assert np.sum(q[0] * np.log(q[0] / p)) < 1e-6


def test_quantile_levels_are_covered() -> None:
    X, z = table(3000)
    levels = [0.1, 0.5, 0.9]
    model = pygbt.train({"objective": "quantile", "quantile_alpha": levels, "max_depth": 4}, pygbt.Dataset(X, z), 80)
    below = (z[:, None] <= model.predict(X)).mean(axis=0)
    np.testing.assert_allclose(below, levels, atol=0.04)
