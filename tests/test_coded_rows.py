# SPDX-License-Identifier: Apache-2.0
"""Training rows down a tree by their codes, and many trees at once, against one tree and one walk at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import pandas as pd

import pygbt
from pygbt import _core
from pygbt.tree import CARTClassifier, CARTRegressor, DecisionTree
from pygbt.tree.base import read_training_table
from pygbt.tree.decision_tree import SHARED, STAYS


def drawn_frame(seed: int, n: int = 500) -> tuple[Any, Any]:
    """Numbers of both widths, categories, values missing everywhere."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "wide": rng.normal(size=n),
            "narrow": rng.normal(size=n).astype(np.float32),
            "level": pd.Categorical(rng.choice(list("abcdef"), n)),
            "whole": rng.integers(0, 5, n),
        }
    )
    y = (frame["wide"] + frame["narrow"] > 0) ^ frame["level"].isin(["a", "d"])
    for name in ("wide", "narrow", "level"):
        frame.loc[rng.random(n) < 0.15, name] = None
    return frame, y.to_numpy().astype(np.int64) + (frame["whole"] > 3).to_numpy()


def with_fallback(tree: DecisionTree, fallback: int | None) -> DecisionTree:
    """The tree whose nodes send undecided rows elsewhere."""
    if fallback is None:
        return tree
    arrays = tree._core.to_arrays()
    arrays["fallback"] = np.where(arrays["n_children"] > 0, fallback, STAYS).astype(np.int32)
    core = _core.DecisionTree.from_arrays(arrays, tree.schema.n_features)
    return DecisionTree(core, tree.schema, tree.wide, tree.classes)


@pytest.mark.parametrize("fallback", [None, STAYS, SHARED, 1])
@pytest.mark.parametrize("surrogates", [0, 5])
def test_codes_answer_as_values_do(fallback: int | None, surrogates: int) -> None:
    X, y = drawn_frame(0)
    model = CARTClassifier(min_split=10, cp=0.0, max_surrogates=surrogates).fit(X, y)
    _, table = read_training_table(X, "auto", 2)
    tree = with_fallback(model.tree_, fallback)
    np.testing.assert_array_equal(_core.coded_leaves(tree._core, table, 2), tree.leaves(X))
    np.testing.assert_array_equal(_core.coded_labels(tree._core, table, 2), tree.labels(X))
    np.testing.assert_array_equal(_core.coded_values(tree._core, table, 2), tree.values(X))
    if fallback == SHARED and surrogates == 0:
        assert (tree.values(X)[np.arange(len(y)), tree.labels(X)] == tree.values(X).max(axis=1)).mean() > 0.9


def test_bins_answer_as_values_do() -> None:
    X, y = drawn_frame(1)
    X = X.drop(columns="level").to_numpy(dtype=np.float64)
    bins = pygbt.Dataset(X, max_bin=16)
    model = CARTClassifier(min_split=10, cp=0.0).fit(bins, y)
    table = _core.CodedTable.of_bins(bins.core)
    np.testing.assert_array_equal(_core.coded_leaves(model.tree_._core, table), model.tree_.leaves(X))


@pytest.mark.parametrize("fallback", [None, SHARED])
def test_many_trees_are_added_up_in_order(fallback: int | None) -> None:
    X, y = drawn_frame(2)
    rng = np.random.default_rng(3)
    trees = []
    for _ in range(7):
        weight = rng.integers(0, 3, len(y)).astype(float)
        model = CARTClassifier(min_split=10, cp=0.0).fit(X, y, weight)
        trees.append(with_fallback(model.tree_, fallback))
    votes = rng.random(7)
    cores, wide = [tree._core for tree in trees], trees[0].wide
    codes = trees[0].schema.encode(X, owner="the test")
    expected = np.zeros((len(y), 3))
    sums = np.zeros((len(y), 4))
    for i, (tree, vote) in enumerate(zip(trees, votes, strict=True)):
        expected[np.arange(len(y)), tree.labels(X)] += vote
        sums[:, i % 2 : i % 2 + 3] += 0.3 * tree.values(X)
    for n_threads in (1, 3):
        found = _core.tree_votes(cores, votes.tolist(), 3, codes, wide, n_threads)
        assert found.tobytes() == expected.tobytes()
        first = [i % 2 for i in range(7)]
        found = _core.tree_sums(cores, 0.3, [0.0] * 4, first, codes, wide, n_threads)
        np.testing.assert_allclose(found, sums, rtol=1e-14)
    with pytest.raises(ValueError, match="do not fit"):
        _core.tree_sums(cores, 1.0, [0.0] * 2, [0] * 7, codes, wide)
    with pytest.raises(ValueError, match="same classes"):
        _core.tree_votes(cores, votes.tolist(), 2, codes, wide)


def test_some_columns_of_a_table() -> None:
    X, _ = drawn_frame(4)
    y = X["whole"].to_numpy(dtype=float) + X["narrow"].fillna(0).to_numpy()
    chosen = [3, 1]
    _, table = read_training_table(X, "auto", 1)
    part = _core.select_columns(table, chosen)
    for i, feature in enumerate(chosen):
        np.testing.assert_array_equal(part.codes(i), table.codes(feature))
    model = CARTRegressor(cp=0.0)
    alone = model.fit(X.iloc[:, chosen], y).tree_
    response = _core.Response.targets(y[:, None])
    core = _core.renumber_features(model._grow(part, response), chosen)
    np.testing.assert_array_equal(np.take(chosen, alone.question_feature), core.to_arrays()["question_feature"])
    np.testing.assert_array_equal(_core.coded_leaves(core, table), alone.leaves(X.iloc[:, chosen]))
    with pytest.raises(ValueError, match="out of range"):
        _core.select_columns(table, [7])
