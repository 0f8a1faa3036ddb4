# SPDX-License-Identifier: Apache-2.0
"""Columns, groups of columns and rows are drawn at the share asked for."""

from __future__ import annotations

import numpy as np
from law_tables import table

import pygbt


def test_column_sampling_uses_the_share_asked_for() -> None:
    rng = np.random.default_rng(6)
    X = rng.standard_normal((500, 20)).astype(np.float32)
    y = X.sum(axis=1)
    model = pygbt.train({"colsample_bytree": 0.25, "max_depth": 8, "seed": 1}, pygbt.Dataset(X, y), 30)
    per_tree = [len({f for f in model._model.tree(i)["feature"] if f >= 0}) for i in range(model.n_trees)]
    assert max(per_tree) == 5
    importance = model.feature_importance("split_count")
    assert all(v > 0 for v in importance.values())  # every column is drawn sometimes
    weights = np.zeros(20)
    weights[:5] = 1.0
    weighted = pygbt.train({"colsample_bytree": 0.25, "feature_weights": list(weights)}, pygbt.Dataset(X, y), 10)
    assert {f for t in range(10) for f in weighted._model.tree(t)["feature"] if f >= 0} == set(range(5))


def test_feature_groups_are_drawn_together_or_at_their_rate() -> None:
    rng = np.random.default_rng(7)
    X = rng.standard_normal((600, 24)).astype(np.float32)
    y = X.sum(axis=1)
    names = [f"e{i}" for i in range(20)] + ["a", "b", "c", "d"]
    groups = {"embedding": names[:20]}
    data = pygbt.Dataset(X, y, feature_names=names, feature_groups=groups)
    together = pygbt.train({"colsample_bytree": 0.4, "max_depth": 7}, data, 40)
    for i in range(together.n_trees):
        features = {int(f) for f in together._model.tree(i)["feature"] if f >= 0}
        singles = {f for f in features if f >= 20}
        assert len(singles) <= (1 if features - singles else 2)  # 2 of 5 units: the group counts as one
    rated = pygbt.train({"group_rates": {"embedding": 0.1}, "max_depth": 7}, data, 20)
    for i in range(rated.n_trees):
        assert len({int(f) for f in rated._model.tree(i)["feature"] if 0 <= f < 20}) <= 2
    importance = rated.feature_importance("split_count")
    assert set(importance) <= {"embedding", "a", "b", "c", "d"} and importance["embedding"] > 0
    assert sum(rated.feature_importance("split_count", groups=False).values()) == sum(importance.values())


def test_row_sampling_draws_the_share_asked_for_and_changes_by_round() -> None:
    X, z = table(4000)
    model = pygbt.train({"subsample": 0.3, "seed": 5}, pygbt.Dataset(X, z), 6)
    roots = [int(model._model.tree(i)["count"][0]) for i in range(6)]
    assert all(abs(c / 4000 - 0.3) < 0.04 for c in roots)
    assert len(set(roots)) > 1
    assert pygbt.train({"subsample": 0.3, "seed": 6}, pygbt.Dataset(X, z), 6).digest() != model.digest()
