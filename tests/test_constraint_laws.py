# SPDX-License-Identifier: Apache-2.0
"""Constraints hold everywhere in any trained model, for every objective and way to grow."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from law_tables import OBJECTIVES, POLICIES, label, table, trees

import pygbt


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("direction", [1, -1])
def test_monotone_constraints_hold_everywhere(objective: str, policy: str, direction: int) -> None:
    X, z = table(800, 4)
    params = {"objective": objective, **POLICIES[policy], "monotone_constraints": [direction, 0, 0, 0]}
    if objective == "quantile":
        params["quantile_alpha"] = [0.8]
    model = pygbt.train(params, pygbt.Dataset(X, label(objective, z)), 25)
    grid = np.linspace(-4, 4, 101, dtype=np.float32)
    for other in X[:40]:
        probe = np.tile(other, (len(grid), 1))
        probe[:, 0] = grid
        margins = model.predict(probe, output="margin").astype(np.float64)
        # Margins are float32 sums of trees that are each monotone: rounding of a sum keeps order.
        assert (direction * np.diff(margins) >= 0).all()
    free = pygbt.train({**params, "monotone_constraints": None}, pygbt.Dataset(X, label(objective, z)), 25)
    assert trees(free) != trees(model)


def test_monotone_constraints_hold_for_every_target_of_a_vector_leaf() -> None:
    X, z = table(800, 4)
    Y = np.stack([z, -z, np.sin(z)], axis=1)
    params = {"multi_strategy": "vector_leaf", "monotone_constraints": [1, 0, -1, 0], "max_depth": 4}
    model = pygbt.train(params, pygbt.Dataset(X, Y), 20)
    grid = np.linspace(-4, 4, 101, dtype=np.float32)
    for other, (column, sign) in itertools.product(X[:20], [(0, 1), (2, -1)]):
        probe = np.tile(other, (len(grid), 1))
        probe[:, column] = grid
        assert (sign * np.diff(model.predict(probe), axis=0) >= 0).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_interaction_constraints_hold_on_every_path(policy: str) -> None:
    X, z = table(800, 5)
    sets = [[0, 1], [2, 3]]
    model = pygbt.train({**POLICIES[policy], "interaction_constraints": sets}, pygbt.Dataset(X, z), 15)
    used = set()
    for i in range(model.n_trees):
        tree = model._model.tree(i)
        paths: list[frozenset[int]] = [frozenset()] * len(tree["left"])
        for node, (left, feature) in enumerate(zip(tree["left"], tree["feature"], strict=True)):
            if left < 0:
                path = paths[node]
                used |= {path}
                assert len(path) <= 1 or any(path <= set(s) for s in sets), path
                continue
            paths[left] = paths[left + 1] = paths[node] | {int(feature)}
    assert any(len(path) == 2 for path in used)
