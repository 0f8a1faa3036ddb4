# SPDX-License-Identifier: Apache-2.0
"""Trees of a round that grow at the same time, one thread each: the model is that of one thread, and of the naive
backend, whatever else goes on in the round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

import pygbt

K, N = 5, 1500


def table(n: int = N, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mostly empty columns and missing values among the features; labels that depend on them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 12))
    X[:, 4:] *= rng.random((n, 8)) < 0.05
    X[rng.random(n) < 0.2, 1] = np.nan
    noisy = np.nan_to_num(X) @ rng.normal(size=(12, K)) + rng.normal(size=(n, K))
    return X, noisy.argmax(axis=1)


CONFIGS: dict[str, dict[str, Any]] = {
    "levels": {},
    "leaves": {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 12},
    "symmetric": {"grow_policy": "symmetric"},
    "sampled": {"subsample": 0.6, "colsample_bytree": 0.7, "colsample_bynode": 0.8, "seed": 5},
    "counted": {"min_child_samples": 30},
    "narrow": {"histogram_precision": "narrow"},
    "wide": {"histogram_precision": "wide"},
    "monotone": {"monotone_constraints": [1, -1, *[0] * 10]},
    "one vs rest": {"objective": "one_vs_rest"},
}


def digest(config: dict[str, Any], data: pygbt.Dataset, rounds: int = 4, **given: Any) -> str:
    params = {"objective": "softmax", "n_classes": K, "max_depth": 4, "learning_rate": 0.5, **config}
    return pygbt.train(params, data, rounds, **given).digest()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("weighted", [False, True])
def test_any_number_of_threads(name: str, weighted: bool) -> None:
    X, y = table()
    weight = np.random.default_rng(1).integers(0, 3, N) if weighted else None
    data = pygbt.Dataset(X, y, weight=weight)
    digests = {digest({**CONFIGS[name], "n_threads": n}, data) for n in (1, 2, 3, 5, 8)}
    digests.add(digest({**CONFIGS[name], "device": "naive"}, data))
    assert len(digests) == 1


def test_trees_of_several_targets_and_rounds_with_metrics() -> None:
    X, _ = table()
    Y = np.random.default_rng(2).normal(size=(N, 3)) + X[:, :1]
    Y[:, 2] = 1.0  # a target that is never cut
    data, valid = pygbt.Dataset(X[:1000], Y[:1000]), (X[1000:], Y[1000:])
    config = {"objective": "squared_error", "n_classes": None}
    digests = set()
    for n in (1, 2):
        evals = [(pygbt.Dataset(*valid, reference=data), "valid")]
        digests.add(digest({**config, "n_threads": n}, data, 6, evals=evals, early_stopping_rounds=2))
    assert len(digests) == 1


def test_a_model_is_continued_and_gradients_are_given() -> None:
    X, y = table()
    data = pygbt.Dataset(X, y)
    one = np.eye(K)[y]

    def objective(margins: np.ndarray, _: Any) -> tuple[np.ndarray, np.ndarray]:
        return margins - one, np.ones_like(margins)

    digests, continued = set(), set()
    for n in (1, 2, 4):
        params = {"n_classes": K, "max_depth": 3, "n_threads": n}
        digests.add(pygbt.train(params, data, 3, objective=objective).digest())
        half = pygbt.train({"objective": "softmax", "n_threads": n, "max_depth": 3}, data, 2)
        whole = pygbt.train({"objective": "softmax", "n_threads": n, "max_depth": 3}, data, 2, init_model=half)
        continued.add(whole.digest())
    continued.add(pygbt.train({"objective": "softmax", "n_threads": 2, "max_depth": 3}, data, 4).digest())
    assert len(digests) == 1
    assert len(continued) == 1


def test_large_tables_grow_one_tree_after_the_other() -> None:
    X, y = table(40_000, 3)
    data = pygbt.Dataset(sparse.csr_matrix(np.nan_to_num(X)), y)
    assert len({digest({"n_threads": n}, data, 2) for n in (1, 2)}) == 1
