# SPDX-License-Identifier: Apache-2.0
"""Sizes, limits and order of growth: what trees count, where they end, which leaf is next."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from law_tables import POLICIES, label, table

import pygbt


def test_cover_and_count_add_up_to_the_root() -> None:
    X, z = table()
    model = pygbt.train({"objective": "logistic", "max_depth": 5}, pygbt.Dataset(X, label("logistic", z)), 3)
    for i in range(3):
        tree = model._model.tree(i)
        for node, left in enumerate(tree["left"]):
            if left >= 0:
                assert tree["count"][node] == tree["count"][left] + tree["count"][left + 1]
                assert tree["cover"][node] == pytest.approx(tree["cover"][left] + tree["cover"][left + 1], rel=1e-12)
        leaves = model.predict(X, output="leaf")[:, i]
        counts = tree["count"][tree["left"] < 0]
        assert np.bincount(leaves, minlength=len(counts)).tolist() == counts.tolist()


@pytest.mark.parametrize("least", [1, 17, 60])
def test_min_child_samples_counts_rows_exactly(least: int) -> None:
    X, z = table(500)
    model = pygbt.train({"min_child_samples": least, "min_child_weight": 0, "max_depth": 8}, pygbt.Dataset(X, z), 5)
    smallest = min(int(model._model.tree(i)["count"].min()) for i in range(5))
    assert smallest >= least
    assert smallest <= 2 * least + 5


@pytest.mark.parametrize("policy", POLICIES)
def test_limits_of_depth_and_leaves(policy: str) -> None:
    X, z = table()
    for max_leaves in (2, 5, 8):
        params = {"grow_policy": policy, "max_depth": 3, "max_leaves": max_leaves}
        model = pygbt.train(params, pygbt.Dataset(X, z), 3)
        for i in range(3):
            left = model._model.tree(i)["left"]
            assert 1 < (left < 0).sum() <= max_leaves
            depth = np.zeros(len(left), int)
            for node, child in enumerate(left):
                if child >= 0:
                    depth[child] = depth[child + 1] = depth[node] + 1
            assert depth.max() <= 3
            if policy == "symmetric":
                assert len(set(depth[left < 0])) == 1


def test_symmetric_trees_ask_one_question_a_level() -> None:
    X, z = table()
    tree = pygbt.train(POLICIES["symmetric"], pygbt.Dataset(X, z), 1)._model.tree(0)
    depth = np.zeros(len(tree["left"]), int)
    for node, child in enumerate(tree["left"]):
        if child >= 0:
            depth[child] = depth[child + 1] = depth[node] + 1
    for level in range(depth.max()):
        at = (depth == level) & (tree["left"] >= 0)
        assert len(set(zip(tree["feature"][at], tree["threshold"][at], tree["default_left"][at], strict=True))) == 1


@pytest.mark.parametrize("n_threads", [1, 2])
def test_lossguide_adopts_the_best_leaf_first(n_threads: int) -> None:
    """Leaves expanded ahead of time leave no trace: each larger tree continues the smaller one by its best leaf."""
    X, z = table(900, 6, seed=5)
    params = {"grow_policy": "lossguide", "max_depth": 0, "n_threads": n_threads}
    ds = pygbt.Dataset(X, z)
    grown = [pygbt.train({**params, "max_leaves": n}, ds, 1).trees()[0] for n in range(2, 24)]
    splits = [{int(i): (tree.feature[i], tree.left[i]) for i in np.flatnonzero(tree.left >= 0)} for tree in grown]
    for before, after in itertools.pairwise(splits):
        assert before.items() <= after.items() and len(after) == len(before) + 1
    whole, adopted = grown[-1], sorted(splits[-1], key=lambda i: splits[-1][i][1])
    frontier = {0}
    for node in adopted:  # of those that are split in the end, the best that is open comes first
        assert whole.gain[node] == max(whole.gain[i] for i in frontier & set(adopted))
        frontier = (frontier - {node}) | {int(whole.left[node]), int(whole.right[node])}


def test_lossguide_without_limits_is_depthwise() -> None:
    X, z = table()
    a = pygbt.train({"grow_policy": "lossguide", "max_depth": 4}, pygbt.Dataset(X, z), 5)
    b = pygbt.train({"grow_policy": "depthwise", "max_depth": 4}, pygbt.Dataset(X, z), 5)
    # The same leaves in another node order.
    assert a.predict(X).tobytes() == b.predict(X).tobytes()
