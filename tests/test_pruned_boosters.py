# SPDX-License-Identifier: Apache-2.0
"""`prune` of boosted models against predictions of their trees."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import pygbt
from pygbt.tree import prune


def collapsed(tree: Any, node: int) -> tuple[float, float]:
    """Cover and cover x value of the leaves below a node."""
    if tree.left[node] < 0:
        return tree.cover[node], tree.cover[node] * float(tree.value[node, 0])
    parts = [collapsed(tree, child) for child in (tree.left[node], tree.left[node] + 1)]
    return sum(p[0] for p in parts), sum(p[1] for p in parts)


@pytest.mark.parametrize(
    ("objective", "metric"),
    [
        ("squared_error", None),
        ("squared_error", "mae"),
        ("logistic", None),
        ("logistic", "error"),
        ("softmax", None),
        ("softmax", "merror"),
        ("poisson", "poisson_deviance"),
        ("quantile", None),
    ],
)
def test_boosted_trees_are_pruned_one_after_the_other(objective: str, metric: str | None) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    mean = X[:, 0] + (X[:, 1] > 0)
    y = {
        "logistic": (mean + rng.normal(size=600) > 0).astype(float),
        "softmax": np.clip(np.round(mean + rng.normal(size=600)), 0, 2),
        "poisson": rng.poisson(np.exp(np.clip(mean, -2, 2))).astype(float),
    }.get(objective, mean + 2 * rng.normal(size=600))
    params = {"objective": objective, "max_depth": 4, "learning_rate": 0.3}
    booster = pygbt.train(params, pygbt.Dataset(X[:300], y[:300]), 8)
    w = rng.integers(1, 3, 300).astype(float)
    pruned = prune(booster, "reduced_error", X[300:], y[300:], sample_weight=w, metric=metric)
    assert isinstance(pruned, pygbt.Booster) and pruned.n_trees == booster.n_trees

    def loss(z: np.ndarray) -> float:
        t = y[300:]
        if objective == "softmax":
            if metric == "merror":
                return float(w @ (z.argmax(axis=1) != t))
            return float(w @ (np.log(np.exp(z).sum(axis=1)) - z[np.arange(300), t.astype(int)]))
        z = z[:, 0]
        terms = {
            ("squared_error", None): 0.5 * (z - t) ** 2,
            ("squared_error", "mae"): np.abs(z - t),
            ("logistic", None): np.logaddexp(0, z) - t * z,
            ("logistic", "error"): (z > 0) != (t > 0),
            ("poisson", "poisson_deviance"): 2 * (np.exp(z) - t * z),
            ("quantile", None): np.where(z >= t, 0.5 * (z - t), 0.5 * (t - z)),
        }
        return float(w @ terms[objective, metric])

    # The margins of all other trees, those in front already pruned, and the best of keeping or cutting, bottom-up.
    old, new = booster.trees(), pruned.trees()
    leaf_old, leaf_new = booster.predict(X[300:], "leaf"), pruned.predict(X[300:], "leaf")
    margin = booster.predict(X[300:], "margin").reshape(300, -1).astype(float)
    for t, (before, after) in enumerate(zip(old, new, strict=True)):
        k = t % booster.n_outputs
        place = dict(enumerate(np.flatnonzero(before.left < 0)))
        own = np.array([place[leaf] for leaf in leaf_old[:, t]])
        others = margin.copy()
        others[:, k] -= before.value[own, 0]
        value = np.array([s / c if c else 0.0 for c, s in (collapsed(before, i) for i in range(len(before.left)))])
        reaches = [own == i for i in range(len(before.left))]
        for i in reversed(range(len(before.left))):
            if before.left[i] >= 0:
                reaches[i] = reaches[before.left[i]] | reaches[before.left[i] + 1]

        def with_values(values: np.ndarray, others: np.ndarray = others, k: int = k) -> float:
            z = others.copy()
            z[:, k] += values
            return loss(z)

        best = value[own]
        cut = np.zeros(len(before.left), dtype=bool)
        for i in reversed(range(len(before.left))):
            if before.left[i] >= 0:
                flat = np.where(reaches[i], value[i], best)
                kept = with_values(best)
                if with_values(flat) <= kept + 1e-8 * abs(kept):
                    cut[i], best = True, flat
        after_leaf = after.value[np.flatnonzero(after.left < 0)[leaf_new[:, t]], 0].astype(float)
        np.testing.assert_allclose(after_leaf, best, rtol=1e-5, atol=1e-7)
        margin = others
        margin[:, k] += after_leaf
    before_all, after_all = (m.predict(X[300:], "margin").reshape(300, -1).astype(float) for m in (booster, pruned))
    assert loss(after_all) <= loss(before_all) + 1e-6
    assert sum(len(tree.left) for tree in new) < sum(len(tree.left) for tree in old)


def test_boosted_pruning_on_any_number_of_threads_and_through_a_file(tmp_path: Any, n_threads: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 6))
    X[rng.random(X.shape) < 0.1] = np.nan
    y = np.nan_to_num(X[:, 0]) + rng.normal(size=3000)
    booster = pygbt.train({"objective": "squared_error", "max_depth": 6}, pygbt.Dataset(X[:1500], y[:1500]), 20)
    one = prune(booster, "reduced_error", X[1500:], y[1500:], n_threads=1)
    own = prune(booster, "reduced_error", X[1500:], y[1500:], n_threads=n_threads)
    assert one.digest() == own.digest() != booster.digest()
    own.save(tmp_path / "pruned.safetensors")
    again = pygbt.load(tmp_path / "pruned.safetensors")
    np.testing.assert_array_equal(again.predict(X), own.predict(X))


def test_boosted_pruning_of_categories_and_vector_leaves() -> None:
    """Sound models whose loss on the rows does not rise; only the rounds that predict uses are kept."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 40, 800), rng.normal(size=(800, 2))])
    effect = rng.normal(size=40)
    y = np.column_stack([effect[X[:, 0].astype(int)], X[:, 1]]) + rng.normal(size=(800, 2))
    for multi in ("one_tree_per_target", "vector_leaf"):
        params = {"objective": "squared_error", "multi_strategy": multi, "max_depth": 5, "learning_rate": 0.3}
        train = pygbt.Dataset(X[:400], y[:400], categorical_features=[0])
        held = pygbt.Dataset(X[400:], y[400:], reference=train)
        booster = pygbt.train(params, train, 30, evals=[(held, "held")], early_stopping_rounds=3)
        pruned = prune(booster, "reduced_error", X[400:], y[400:])
        assert len(pruned) == booster.best_iteration + 1 < len(booster)
        errors = [((m.predict(X[400:]) - y[400:]) ** 2).sum() for m in (booster, pruned)]
        assert errors[1] <= errors[0] * (1 + 1e-6)
        assert sum(len(t.left) for t in pruned.trees()) < sum(len(t.left) for t in booster.trees())
        again = pickle.loads(pickle.dumps(pruned))  # proves every index in range
        np.testing.assert_array_equal(again.predict(X), pruned.predict(X))


def test_boosters_and_wrong_arguments() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 3)), rng.normal(size=100)
    booster = pygbt.train({"objective": "squared_error"}, pygbt.Dataset(X, y), 2)
    for method, args, options, message in [
        ("pessimistic", (), {}, "only"),
        ("reduced_error", (), {}, "held-out rows"),
        ("reduced_error", (X, y), {"metric": "auc"}, "not a sum over rows"),
        ("reduced_error", (X, y), {"metric": "logloss"}, "no meaning"),
        ("reduced_error", (X[:50], y), {}, "same number of rows"),
        ("reduced_error", (X, y), {"return_report": True}, "return_report"),
    ]:
        with pytest.raises(ValueError, match=message):
            prune(booster, method, *args, **options)
    custom = pygbt.train({}, pygbt.Dataset(X, y), 2, objective=lambda m, d: (m - y.reshape(m.shape), np.ones_like(m)))
    with pytest.raises(ValueError, match="name a metric"):
        prune(custom, "reduced_error", X, y)
    assert prune(custom, "reduced_error", X, y, metric="rmse").n_trees == 2
