# SPDX-License-Identifier: Apache-2.0
"""`Booster`: ranges, slices, views of trees, importances, files and pickles."""

from __future__ import annotations

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pygbt

RNG = np.random.default_rng(5)
N = 500
X = RNG.normal(size=(N, 6)).astype(np.float32)
X[RNG.random(X.shape) < 0.1] = np.nan
Y = np.nan_to_num(X[:, 0]) * 2 + np.nan_to_num(X[:, 1]) ** 2 + 0.1 * RNG.normal(size=N)
CLASSES = np.digitize(Y, [0.0, 1.5]).astype(float)
NAMES = ["a", "b", "c", "d", "e", "f"]


@pytest.fixture(scope="module")
def number() -> pygbt.Booster:
    return pygbt.train({"max_depth": 4}, pygbt.Dataset(X, Y, feature_names=NAMES), 12)


@pytest.fixture(scope="module")
def classes() -> pygbt.Booster:
    return pygbt.train({"objective": "softmax", "max_depth": 3}, pygbt.Dataset(X, CLASSES), 6)


@pytest.fixture(scope="module")
def vectors() -> pygbt.Booster:
    params = {"objective": "softmax", "max_depth": 3, "multi_strategy": "vector_leaf"}
    return pygbt.train(params, pygbt.Dataset(X, CLASSES), 6)


@pytest.fixture(params=["number", "classes", "vectors"])
def booster(request: pytest.FixtureRequest) -> pygbt.Booster:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_shapes_and_facts(number: pygbt.Booster, classes: pygbt.Booster, vectors: pygbt.Booster) -> None:
    assert (len(number), number.n_iterations, number.n_trees, number.n_outputs) == (12, 12, 12, 1)
    assert (len(classes), classes.n_trees, classes.n_outputs) == (6, 18, 3)
    assert (len(vectors), vectors.n_trees, vectors.n_outputs) == (6, 6, 3)
    assert number.feature_names == NAMES
    assert number.n_features == 6
    assert "n_iterations=12" in repr(number)
    assert number.predict(X).shape == (N,)
    assert number.predict(X).dtype == np.float32
    assert classes.predict(X).shape == (N, 3)
    assert classes.predict(X, "leaf").shape == (N, 18)
    assert vectors.predict(X, "leaf").shape == (N, 6)
    assert number.predict(X[:0]).shape == (0,)
    np.testing.assert_allclose(classes.predict(X).sum(axis=1), 1.0, atol=1e-6)


def test_iteration_ranges_add_up(booster: pygbt.Booster) -> None:
    n = len(booster)
    base = booster.predict(X, "margin", iteration_range=(0, 0)).astype(np.float64)
    np.testing.assert_array_equal(base.reshape(N, -1), np.tile(booster.base_score, (N, 1)))
    total = base.copy()
    for i in range(n):
        total += booster.predict(X, "margin", iteration_range=(i, i + 1)) - base
    np.testing.assert_allclose(booster.predict(X, "margin"), total, atol=1e-5)
    np.testing.assert_array_equal(booster.predict(X, iteration_range=(0, None)), booster.predict(X))


@pytest.mark.parametrize("given", [(-1, 2), (2, 1), (0, 99), (0,), "ab", 3, (0, 1, 2)])
def test_bad_iteration_ranges_are_refused(number: pygbt.Booster, given: Any) -> None:
    with pytest.raises(ValueError, match="iteration_range"):
        number.predict(X, iteration_range=given)


def test_slices_are_ranges(booster: pygbt.Booster) -> None:
    n = len(booster)
    for a, b in ((0, n), (1, 4), (2, 2), (3, n)):
        part = booster[a:b]
        assert len(part) == b - a
        np.testing.assert_array_equal(part.predict(X), booster.predict(X, iteration_range=(a, b)))
    np.testing.assert_array_equal(booster[2].predict(X), booster.predict(X, iteration_range=(2, 3)))
    np.testing.assert_array_equal(booster[-1].predict(X), booster.predict(X, iteration_range=(n - 1, n)))
    assert booster[:].digest() == booster.digest()
    assert len(booster[::2]) == (n + 1) // 2
    assert booster[1:2].digest() == booster[1].digest() != booster[2].digest()
    for bad in (n, -n - 1):
        with pytest.raises(IndexError):
            booster[bad]
    with pytest.raises(ValueError, match="forward"):
        booster[::-1]


def test_a_model_is_a_sequence_of_rounds(number: pygbt.Booster) -> None:
    assert [len(part) for part in number] == [1] * 12


def walk(tree: pygbt.Tree, row: np.ndarray) -> int:
    """The leaf node of a row, by the documented rule."""
    node = 0
    while tree.left[node] >= 0:
        x = float(row[tree.feature[node]])
        go_left = bool(tree.default_left[node]) if np.isnan(x) else x <= tree.threshold[node]
        node = int(tree.left[node] if go_left else tree.right[node])
    return node


def test_trees_are_what_prediction_walks(booster: pygbt.Booster) -> None:
    trees = booster.trees()
    assert [t.index for t in trees] == list(range(booster.n_trees))
    leaves = booster.predict(X[:50], "leaf")
    margin = np.tile(booster.base_score, (50, 1))
    for tree in trees:
        for i in range(50):
            node = walk(tree, X[i])
            assert tree.leaf[node] == leaves[i, tree.index]
            width = tree.value.shape[1]
            margin[i, tree.target : tree.target + width] += tree.value[node]
    np.testing.assert_array_equal(
        margin.reshape(booster.predict(X[:50], "margin").shape), booster.predict(X[:50], "margin")
    )


def test_trees_are_consistent(booster: pygbt.Booster) -> None:
    for tree in booster.trees():
        inner = np.flatnonzero(tree.left >= 0)
        assert tree.n_leaves == len(inner) + 1 == tree.n_nodes - len(inner)
        np.testing.assert_array_equal(tree.count[inner], tree.count[tree.left[inner]] + tree.count[tree.right[inner]])
        np.testing.assert_allclose(tree.cover[inner], tree.cover[tree.left[inner]] + tree.cover[tree.right[inner]])
        assert tree.count[0] == N
        assert (tree.gain[inner] > 0).all()
        assert tree.depth <= booster.params["max_depth"]
        assert len(tree.to_text().splitlines()) == tree.n_nodes
        with pytest.raises(ValueError, match="read-only"):
            tree.threshold[0] = 0


def test_the_frame_holds_every_node(number: pygbt.Booster) -> None:
    pytest.importorskip("pandas")
    frame = number.to_dataframe()
    trees = number.trees()
    assert len(frame) == sum(t.n_nodes for t in trees)
    for index, part in frame.groupby("tree"):
        tree = trees[index]
        np.testing.assert_array_equal(part["value"].to_numpy(dtype=np.float32), tree.value[:, 0])
        np.testing.assert_array_equal(part["left"], tree.left)
        children = part["parent"] >= 0
        assert children.sum() == tree.n_nodes - 1
    assert set(frame["feature"].dropna()) <= set(NAMES)


def test_the_frame_needs_pandas(number: pygbt.Booster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        number.to_dataframe()


def test_importances_are_sums_over_the_trees(booster: pygbt.Booster) -> None:
    gain, cover, count = np.zeros(6), np.zeros(6), np.zeros(6)
    for tree in booster.trees():
        for node in np.flatnonzero(tree.left >= 0):
            f = tree.feature[node]
            gain[f] += tree.gain[node]
            cover[f] += tree.cover[node]
            count[f] += 1
    for kind, expected in (
        ("total_gain", gain),
        ("total_cover", cover),
        ("split_count", count),
        ("gain", gain / np.maximum(count, 1)),
        ("cover", cover / np.maximum(count, 1)),
    ):
        scores = booster.feature_importance(kind)
        assert list(scores) == booster.feature_names
        np.testing.assert_allclose(list(scores.values()), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="kind must be one of"):
        booster.feature_importance("weight")


def test_importance_of_a_group_is_one_number() -> None:
    ds = pygbt.Dataset(X, Y, feature_names=NAMES, feature_groups={"pair": ["b", "d"]})
    bst = pygbt.train({"max_depth": 4}, ds, 5)
    single = bst.feature_importance("total_gain", groups=False)
    grouped = bst.feature_importance("total_gain")
    assert list(grouped) == ["a", "pair", "c", "e", "f"]
    assert grouped["pair"] == pytest.approx(single["b"] + single["d"])
    counts = bst.feature_importance("split_count", groups=False)
    mean = bst.feature_importance("gain")["pair"]
    assert mean == pytest.approx(grouped["pair"] / (counts["b"] + counts["d"]))
    restored = pickle.loads(pickle.dumps(bst))
    assert restored.feature_importance() == bst.feature_importance()


def test_files_and_pickles_hold_the_same_model(booster: pygbt.Booster, tmp_path: Path) -> None:
    booster.save(tmp_path / "m.pygbt")
    for other in (
        pygbt.load(tmp_path / "m.pygbt"),
        pickle.loads(pickle.dumps(booster)),
        copy.deepcopy(booster),
        copy.copy(booster),
    ):
        assert other.digest() == booster.digest()
        np.testing.assert_array_equal(other.predict(X), booster.predict(X))
        for name in ("params", "evals_result", "best_iteration", "best_score", "feature_names", "extra"):
            assert getattr(other, name) == getattr(booster, name)
        other.save(tmp_path / "again.pygbt")
        assert (tmp_path / "again.pygbt").read_bytes() == (tmp_path / "m.pygbt").read_bytes()
    with pytest.raises(OSError):
        pygbt.load(tmp_path / "none.pygbt")


def test_history_and_extra_survive_a_file(tmp_path: Path) -> None:
    ds = pygbt.Dataset(X, Y)
    bst = pygbt.train({}, ds, 5, [(ds, "train")], early_stopping_rounds=2)
    bst.extra = {"note": [1, "two"]}
    bst.save(tmp_path / "m.pygbt")
    again = pygbt.load(tmp_path / "m.pygbt")
    assert again.evals_result == bst.evals_result
    assert (again.best_iteration, again.best_score) == (4, bst.best_score)
    assert again.extra == {"note": [1, "two"]}


def test_the_digest_is_of_the_model_not_of_its_history() -> None:
    ds = pygbt.Dataset(X, Y)
    watched = pygbt.train({}, ds, 3, [(ds, "train")])
    assert watched.digest() == pygbt.train({}, ds, 3).digest()
    assert len(watched.digest()) == 64
    assert watched.digest() != pygbt.train({}, ds, 4).digest()


def test_base_margin_is_where_rows_start(number: pygbt.Booster) -> None:
    margin = RNG.normal(size=N).astype(np.float32)
    own = number.predict(X, "margin", base_margin=margin)
    trees_only = number.predict(X, "margin").astype(np.float64) - number.base_score[0]
    np.testing.assert_allclose(own, margin + trees_only, atol=1e-5)
    trained = pygbt.train({"max_depth": 4}, pygbt.Dataset(X, Y, base_margin=margin), 5)
    error = np.mean((trained.predict(X, base_margin=margin) - Y) ** 2)
    assert error < np.mean((margin - Y) ** 2)
    for bad in (np.zeros((N, 2)), np.zeros(N - 1), np.full(N, np.nan)):
        with pytest.raises(ValueError, match="base_margin"):
            number.predict(X, base_margin=bad)


def test_prediction_from_many_threads_at_once(classes: pygbt.Booster) -> None:
    expected = classes.predict(X)
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(lambda i: classes.predict(X, n_threads=1 + i % 3), range(64)):
            np.testing.assert_array_equal(result, expected)


def test_what_predict_refuses(number: pygbt.Booster) -> None:
    with pytest.raises(NotImplementedError, match="contrib"):
        number.predict(X, "contrib")
    with pytest.raises(ValueError, match="output"):
        number.predict(X, "probability")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not a Dataset"):
        number.predict(pygbt.Dataset(X))
    for bad in (-2, 1.5, True, "all"):
        with pytest.raises((ValueError, TypeError), match="n_threads"):
            number.predict(X, n_threads=bad)  # type: ignore[arg-type]
    np.testing.assert_array_equal(number.predict(X, n_threads=-1), number.predict(X))
