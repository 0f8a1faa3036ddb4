# SPDX-License-Identifier: Apache-2.0
"""The leaf whose question improves most is split first: with room for all leaves, that is the tree grown in depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from pygbt.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from pygbt.tree import CARTClassifier, CARTRegressor

RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 4))
X[:, 3] = RNG.integers(0, 5, size=300)
Z = np.abs(X[:, 0] + X[:, 1] * X[:, 2])
Y = np.digitize(Z, [0.4, 1.0])
LACKING = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
FOREST = {"n_estimators": 3, "random_state": 0, "n_jobs": 1}
TREE: dict[str, Any] = {"cp": None, "min_split": 2, "min_bucket": 1, "missing": "direction", "max_competitors": 0}

# Classes first: what goes wrong in a regression may end the process.
MODELS: list[tuple[type, dict[str, Any]]] = [
    *(
        (kind, {**FOREST, "criterion": c})
        for kind in (RandomForestClassifier, ExtraTreesClassifier)
        for c in ("gini", "entropy")
    ),
    *((CARTClassifier, {**TREE, "criterion": c, "n_jobs": n}) for c in ("gini", "twoing") for n in (1, 2)),
    *(
        (kind, {**FOREST, "criterion": c})
        for kind in (RandomForestRegressor, ExtraTreesRegressor)
        for c in ("squared_error", "absolute_error", "poisson")
    ),
    *((CARTRegressor, {**TREE, "criterion": c, "n_jobs": n}) for c in ("squared_error", "poisson") for n in (1, 2)),
]


@pytest.mark.parametrize(("kind", "options"), MODELS, ids=str)
@pytest.mark.parametrize("table", [X, LACKING], ids=["full", "lacking"])
def test_room_for_all_leaves_changes_nothing(kind: type, options: dict[str, Any], table: np.ndarray) -> None:
    y = Y if kind.__name__.endswith("Classifier") else Z
    ask = "predict_proba" if kind.__name__.endswith("Classifier") else "predict"
    in_depth = kind(**options).fit(table, y)
    best_first = kind(max_leaves=1000, **options).fit(table, y)
    np.testing.assert_array_equal(getattr(best_first, ask)(X), getattr(in_depth, ask)(X))
    few = kind(max_leaves=7, **options).fit(table, y)
    trees = few.estimators_ if hasattr(few, "estimators_") else [few.tree_]
    assert all(1 < tree.n_leaves <= 7 for tree in trees)
