# SPDX-License-Identifier: Apache-2.0
"""Where the mathematics coincide: the same trees as XGBoost on exactly binned tables, like scores on real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pygbt

xgboost = pytest.importorskip("xgboost")

ROUNDS = 5


def few_values(n: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Columns of at most 30 distinct values, so that both engines have every cut; some values are missing."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 30, (n, 5)).astype(np.float32)
    X[rng.random((n, 5)) < 0.05] = np.nan
    F = np.nan_to_num(X, nan=40.0)
    z = 0.3 * F[:, 0] - 4 * (F[:, 1] > 12) + 0.02 * F[:, 2] * F[:, 3] + rng.standard_normal(n)
    return X, z


@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("squared_error", "reg:squarederror"), ("logistic", "binary:logistic"), ("gamma", "reg:gamma")],
)
def test_the_same_trees_as_xgboost(ours: str, theirs: str, policy: str) -> None:
    """Not poisson: XGBoost takes e^(z + max_delta_step) for its hessian."""
    X, z = few_values()
    start = 0.5
    y = {"squared_error": z, "logistic": (z > np.median(z)) * 1.0, "gamma": np.exp(z / 8)}[ours]
    shape: dict[str, Any] = {"grow_policy": policy, "max_depth": 4, "learning_rate": 0.3, "reg_lambda": 1.5}
    if policy == "lossguide":
        shape |= {"max_leaves": 9, "max_depth": 0}
    model = pygbt.train({**shape, "objective": ours, "base_score": start}, pygbt.Dataset(X, y), ROUNDS)
    shape |= {"objective": theirs, "base_score": start, "tree_method": "hist", "max_bin": 64, "nthread": 1}
    peer = xgboost.train(shape, xgboost.DMatrix(X, y), ROUNDS)
    np.testing.assert_allclose(
        model.predict(X, output="margin"), peer.predict(xgboost.DMatrix(X), output_margin=True), rtol=2e-3, atol=2e-3
    )
    splits = sum(len(tree.left) // 2 for tree in model.trees())
    assert splits == sum(tree.count("yes=") for tree in peer.get_dump()) > 4 * ROUNDS


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "objective", "peer"),
    [
        ("adult", "logistic", "binary:logistic"),
        ("california_housing", "squared_error", "reg:squarederror"),
        ("bike_sharing", "squared_error", "reg:squarederror"),
    ],
)
def test_real_tables(name: str, objective: str, peer: str, shared_data: Path) -> None:
    """Held-out loss within 3 % of XGBoost's, the same model for 1 and 2 threads, missing and categories included."""
    import datasets  # of the shared data

    table = datasets.load(name)
    y = np.asarray(table.y.astype(str) == table.y.astype(str).max() if objective == "logistic" else table.y, float)
    order = np.random.default_rng(0).permutation(len(y))[:12_000]
    train, test = order[:9000], order[9000:]
    X = table.X.astype({c: float for c in table.X if table.X[c].dtype.kind in "iuf"})
    data = pygbt.Dataset(X.iloc[train], y[train])
    models = [pygbt.train({"objective": objective, "n_threads": n}, data, 60) for n in (1, 2)]
    assert models[0].digest() == models[1].digest()
    theirs = xgboost.train(
        {"objective": peer, "learning_rate": 0.1, "nthread": 2},
        xgboost.DMatrix(X.iloc[train], y[train], enable_categorical=True),
        60,
    ).predict(xgboost.DMatrix(X.iloc[test], enable_categorical=True))

    def loss(p: np.ndarray) -> float:
        p = np.asarray(p, float)
        if objective == "logistic":
            return float(-np.mean(np.where(y[test] > 0, np.log(p), np.log1p(-p))))
        return float(np.sqrt(np.mean((p - y[test]) ** 2)))

    assert loss(models[0].predict(X.iloc[test])) < 1.03 * loss(theirs)
