# SPDX-License-Identifier: Apache-2.0
"""CART's inputs: kinds of tables, cuts between hard values, edges, parameters, scikit-learn's contract."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import pygbt

pytest.importorskip("sklearn")
pandas = pytest.importorskip("pandas")

from sklearn.base import clone  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from pygbt.tree import CARTClassifier, CARTRegressor  # noqa: E402

EXPECTED_FAILURES: dict[str, str] = {}  # none, and none may be added
FULL: dict[str, Any] = {"min_split": 2, "min_bucket": 1, "cp": 0.0}


@parametrize_with_checks(
    [
        CARTClassifier(),
        CARTClassifier(criterion="entropy", **FULL),
        CARTRegressor(),
        CARTRegressor(criterion="absolute_error", **FULL),
        CARTRegressor(criterion="poisson", missing="direction"),
    ],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
@pytest.mark.filterwarnings("ignore")  # some checks warn on purpose
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def same(a: Any, b: Any) -> None:
    one, two = a.tree_.arrays, b.tree_.arrays
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


# --- tables ---------------------------------------------------------------------------------------------------------


def numbers(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.integers(-8, 9, (n, 4)).astype(float)
    return X, X[:, 0] + np.maximum(X[:, 1], X[:, 2]) + rng.standard_normal(n)


@pytest.mark.parametrize("kind", ["C", "F", "float32", "int8", "int64", "object", "strided", "csr", "csc", "frame"])
def test_kinds_of_tables(kind: str) -> None:
    X, y = numbers()
    makers: dict[str, Any] = {
        "C": np.ascontiguousarray,
        "F": np.asfortranarray,
        "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        "csr": scipy.sparse.csr_matrix,
        "csc": scipy.sparse.csc_matrix,
        "frame": lambda X: pandas.DataFrame(X, columns=list("abcd")),
    }
    given = makers[kind](X) if kind in makers else X.astype(kind)
    plain, other = CARTRegressor().fit(X, y), CARTRegressor().fit(given, y)
    narrow = kind in ("float32", "int8")  # their cuts are float32
    for name in plain.tree_.arrays:
        if not (narrow and name == "question_threshold"):
            np.testing.assert_array_equal(other.tree_.arrays[name], plain.tree_.arrays[name], err_msg=name)
    np.testing.assert_array_equal(other.predict(given), plain.predict(X))
    assert plain.tree_.n_leaves > 8


def test_bools_and_their_numbers() -> None:
    X, y = numbers()
    flags = X > 0
    bools, floats = CARTRegressor(cp=0).fit(flags, y), CARTRegressor(cp=0).fit(flags.astype(float), y)
    np.testing.assert_array_equal(bools.apply(flags), floats.apply(flags.astype(float)))
    assert set(bools.tree_.question_lower) == {0} and set(bools.tree_.question_upper) == {1}


def test_categories_of_a_frame_and_of_a_list() -> None:
    X, y = numbers()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    frame["a"] = frame["a"].map(lambda v: f"level {int(v) + 20}").astype("category")
    by_type = CARTRegressor().fit(frame, y)
    by_place = CARTRegressor(categorical_features=[0]).fit(X, y)
    np.testing.assert_array_equal(by_type.predict(frame), by_place.predict(X))
    assert (by_type.tree_.question_branch_begin >= 0).any()
    by_name = CARTRegressor(categorical_features=["a"]).fit(frame.astype({"a": str}), y)
    same(by_name, by_type)


def test_a_dataset_is_searched_over_its_bins() -> None:
    X, y = numbers()
    data = pygbt.Dataset(X, y)
    binned, exact = CARTRegressor().fit(data, y), CARTRegressor(threshold="value").fit(X, y)
    np.testing.assert_array_equal(binned.apply(X), exact.apply(X))  # fewer values than bins
    np.testing.assert_allclose(binned.predict(X), exact.predict(X), rtol=1e-12)
    coarse = CARTRegressor().fit(pygbt.Dataset(X, y, max_bin=4), y)
    assert coarse.score(X, y) > 0.3


def test_an_unseen_level_counts_as_missing() -> None:
    frame = pandas.DataFrame({"a": pandas.Categorical(list("xxxyyyzz")), "b": [1.0, 1, 1, 5, 5, 5, 5, 1]})
    y = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    model = CARTClassifier(**FULL).fit(frame, y)
    root = model.tree_.question_feature[0]
    assert root == 0 and model.tree_.n_surrogates[0] == 1
    new = pandas.DataFrame({"a": ["other", "other", None], "b": [1.0, 9.0, np.nan]})
    new["a"] = new["a"].astype("category")
    assert model.predict(new).tolist() == [0, 1, 1]  # by the surrogate; with nothing known by the majority


# --- cuts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threshold", ["midpoint", "value"])
def test_cuts_between_hard_values(dtype: str, threshold: str) -> None:
    """Neighbours, subnormal and huge values: every training row goes where it was counted, the middle goes up."""
    one = np.dtype(dtype).type(1)
    top, tiny = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    pairs = [
        (one, np.nextafter(one, 2 * one)),
        (np.nextafter(one, 0 * one), one),
        (-tiny, 0 * one),
        (0 * one, tiny),
        (-top, top),
        (np.nextafter(top, 0 * one), top),
        (one, 3 * one),
        (-3 * one, -one),
    ]
    for low, high in pairs:
        X = np.array([[low], [low], [high], [high]], dtype=dtype)
        model = CARTRegressor(threshold=threshold, **FULL).fit(X, [0.0, 0, 1, 1])
        assert model.predict(X).tolist() == [0, 0, 1, 1]
        cut = model.tree_.question_threshold[0]
        assert low <= cut < high and model.tree_.question_lower[0] == low and model.tree_.question_upper[0] == high
        middle = low / 2 + high / 2
        if low < middle < high:
            expected = 1.0 if threshold == "midpoint" else float(middle > low)
            assert model.predict(np.array([[middle]], dtype=dtype)).tolist() == [expected]
            below = np.nextafter(middle, low)
            assert (
                model.predict(np.array([[below]], dtype=dtype)).tolist() == [float(threshold == "value")]
                or low == below
            )
        if threshold == "value":
            assert cut == low


def test_a_float32_column_is_read_as_such() -> None:
    X = np.array([[0.1], [0.1], [0.3], [0.3]], dtype=np.float32)
    model = CARTRegressor(**FULL).fit(X, [0.0, 0, 1, 1])
    np.testing.assert_array_equal(model.predict(X.astype(np.float64)), [0, 0, 1, 1])
    assert float(np.float32(model.tree_.question_threshold[0])) == model.tree_.question_threshold[0]


# --- edges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["surrogate", "direction"])
def test_nothing_to_ask(missing: str) -> None:
    for X in (np.ones((6, 2)), np.full((6, 2), np.nan), np.array([[1.0, 2.0]])):
        y = np.arange(len(X))
        model = CARTRegressor(missing=missing, **FULL).fit(X, y)
        assert model.tree_.n_nodes == 1 and model.predict(X).tolist() == [y.mean()] * len(X)
        classifier = CARTClassifier(missing=missing, **FULL).fit(X, y)
        assert classifier.tree_.n_nodes == 1 and classifier.predict(X).tolist() == [0] * len(X)


def test_one_class_and_one_target() -> None:
    X = np.arange(8.0)[:, None]
    model = CARTClassifier(**FULL).fit(X, ["a"] * 8)
    assert model.tree_.n_nodes == 1 and model.predict(X).tolist() == ["a"] * 8
    assert model.predict_proba(X).tolist() == [[1.0]] * 8
    for criterion in ("squared_error", "absolute_error", "poisson"):
        same_y = CARTRegressor(criterion=criterion, **FULL).fit(X, np.full(8, 0.1))
        assert same_y.tree_.n_nodes == 1 and same_y.tree_.risk[0] == pytest.approx(0, abs=1e-15)
        np.testing.assert_allclose(same_y.predict(X), 0.1, rtol=1e-12)


@pytest.mark.parametrize("criterion", ["gini", "entropy", "twoing"])
def test_many_classes(criterion: str) -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(200), 3)
    X = np.column_stack([y + 0.2 * rng.random(len(y)), rng.integers(0, 40, len(y)), rng.random(len(y))])
    model = CARTClassifier(criterion=criterion, categorical_features=[1], **FULL).fit(X, y)
    assert model.predict(X).tolist() == y.tolist() and model.predict_proba(X).shape == (600, 200)


def test_large_and_far_targets() -> None:
    """A mean far from zero costs no digits; neither do large targets."""
    X, y = numbers()
    y = np.round(y * 1024) / 1024
    small = CARTRegressor(**FULL, max_depth=5).fit(X, y)
    for scale, shift in ((2.0**20, 0.0), (2.0**-30, 0.0), (1.0, 2.0**20), (2.0**400, 0.0)):
        other = CARTRegressor(**FULL, max_depth=5).fit(X, y * scale + shift)
        np.testing.assert_array_equal(other.tree_.question_feature, small.tree_.question_feature)
        np.testing.assert_array_equal(other.tree_.question_threshold, small.tree_.question_threshold)
        np.testing.assert_allclose(other.tree_.value, small.tree_.value * scale + shift, rtol=1e-12, atol=1e-9 * scale)
        np.testing.assert_allclose(other.tree_.question_improvement, small.tree_.question_improvement, rtol=1e-9)
        np.testing.assert_allclose(other.tree_.risk, small.tree_.risk * scale**2, rtol=1e-9, atol=1e-12 * scale**2)


def test_several_targets_at_once() -> None:
    X, y = numbers()
    Y = np.column_stack([y, -2 * y])
    model = CARTRegressor(cp=0.001).fit(X, Y)
    alone = CARTRegressor(cp=0.001).fit(X, y)
    assert model.predict(X).shape == Y.shape
    np.testing.assert_array_equal(model.apply(X), alone.apply(X))
    np.testing.assert_allclose(model.tree_.risk, 5 * alone.tree_.risk, rtol=1e-9)
    np.testing.assert_allclose(model.tree_.question_improvement, alone.tree_.question_improvement, rtol=1e-9)


def test_copies_and_pickles() -> None:
    X, y = numbers()
    model = CARTRegressor(max_leaves=7).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    same(again, model)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    same(clone(model).fit(X, y), model)


# --- limits ---------------------------------------------------------------------------------------------------------


def test_limits_are_kept() -> None:
    X, y = numbers()
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    for counting in ("weight", "rows"):
        size = "weight" if counting == "weight" else "count"
        tree = CARTRegressor(min_split=40, min_bucket=9, cp=0, counting=counting).fit(X, y, sample_weight=weight).tree_
        sizes = tree.arrays[size]
        assert sizes.min() >= 9 and sizes[tree.first_child >= 0].min() >= 40
        assert sizes.min() < 18
    assert CARTRegressor(max_depth=3, cp=0).fit(X, y).get_depth() == 3
    assert CARTRegressor(max_depth=0).fit(X, y).tree_.n_nodes == 1
    assert CARTRegressor(max_leaves=1).fit(X, y).tree_.n_nodes == 1
    default = CARTRegressor(min_split=31).fit(X, y)
    same(default, CARTRegressor(min_split=31, min_bucket=10).fit(X, y))


def test_the_best_leaf_is_split_first() -> None:
    """Trees of 1, 2, 3, .. leaves are nested, and each new split is the one that lowers the risk most."""
    X, y = numbers()
    free = CARTRegressor(min_split=2, min_bucket=5, cp=None)
    trees = [clone(free).set_params(max_leaves=n).fit(X, y).tree_ for n in range(1, 15)]
    assert [t.n_leaves for t in trees] == list(range(1, 15))
    risks = [t.risk[t.first_child < 0].sum() for t in trees]
    gains = -np.diff(risks)
    assert (gains > 0).all()
    whole = clone(free).fit(X, y).tree_
    for tree, gain in zip(trees, gains, strict=False):
        leaves = np.flatnonzero(tree.first_child < 0)
        # What splitting each leaf would gain, read off the whole tree: leaves are told by their statistics.
        possible = []
        for leaf in leaves:
            (same_node,) = np.flatnonzero((whole.risk == tree.risk[leaf]) & (whole.count == tree.count[leaf]))[:1]
            if whole.first_child[same_node] >= 0:
                children = whole.children(int(same_node))
                possible.append(whole.risk[same_node] - whole.risk[list(children)].sum())
        assert gain == pytest.approx(max(possible), rel=1e-9)


def test_rows_without_the_value_take_the_better_side() -> None:
    X = np.array([[1.0], [2], [3], [4], [np.nan], [np.nan]])
    for y, expected in (([0, 0, 9, 9, 0, 0], 0), ([0, 0, 9, 9, 9, 9], 9)):
        model = CARTRegressor(missing="direction", **FULL).fit(X, np.array(y, dtype=float))
        assert model.tree_.n_leaves == 2 and model.predict(X).tolist() == y
        assert model.predict([[np.nan]]).tolist() == [expected] and model.tree_.question_lower[0] == 2
    alone = CARTRegressor(missing="direction", **FULL).fit(X, [1.0, 1, 1, 1, 5, 5])
    assert alone.tree_.n_leaves == 2 and alone.predict(X).tolist() == [1, 1, 1, 1, 5, 5]
    assert alone.predict([[1e300], [-np.inf]]).tolist() == [1, 1]
    none_missing = CARTRegressor(missing="direction", **FULL).fit([[1.0], [2], [3]], [0.0, 1, 1])
    assert none_missing.predict([[np.nan]]).tolist() == [1]  # the heavier side


def test_a_level_or_none_with_direction() -> None:
    X = np.array([[0.0], [0], [1], [1], [2], [2], [np.nan], [np.nan]])
    for y in ([0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1, 1, 1]):
        model = CARTClassifier(missing="direction", categorical_features=[0], **FULL).fit(X, y)
        assert model.tree_.n_leaves == 2 and model.predict(X).tolist() == y


# --- parameters -----------------------------------------------------------------------------------------------------

BAD: list[tuple[str, Any]] = [
    ("criterion", "ginny"),
    ("min_split", -1),
    ("min_split", np.nan),
    ("min_split", "20"),
    ("min_bucket", -1),
    ("cp", -0.1),
    ("cp", np.nan),
    ("cp", "0.01"),
    ("max_depth", -1),
    ("max_depth", 2.5),
    ("max_leaves", 0),
    ("max_leaves", True),
    ("nominal", "all"),
    ("missing", "impute"),
    ("max_surrogates", -1),
    ("use_surrogates", 3),
    ("use_surrogates", True),
    ("surrogate_style", 2),
    ("max_competitors", -1),
    ("feature_costs", [1.0]),
    ("feature_costs", [1.0, 1, 1, 0]),
    ("feature_costs", [1.0, 1, 1, np.nan]),
    ("feature_costs", "cheap"),
    ("counting", "cases"),
    ("threshold", "middle"),
    ("categorical_features", "all"),
    ("categorical_features", [9]),
    ("n_jobs", "two"),
]
BAD_CLASSES: list[tuple[str, Any]] = [
    ("criterion", "squared_error"),
    ("priors", [0.5, 0.6]),
    ("priors", [1.0]),
    ("priors", [-0.5, 1.5]),
    ("priors", [np.nan, 1.0]),
    ("priors", {0: 0.5, 2: 0.5}),
    ("priors", "half"),
    ("losses", [[0, 1]]),
    ("losses", [[0, -1], [1, 0]]),
    ("losses", [[1, 1], [1, 0]]),
    ("losses", [[0, 0], [1, 0]]),
    ("losses", [[0, np.inf], [1, 0]]),
    ("losses", "high"),
    ("class_weight", {0: -1.0, 1: 1.0}),
    ("class_weight", "balance"),
]
BAD_NUMBERS: list[tuple[str, Any]] = [("criterion", "gini"), ("shrink", -1.0), ("shrink", np.nan), ("shrink", "1")]


@pytest.mark.parametrize("name, value", BAD + BAD_CLASSES, ids=str)
def test_bad_parameters_of_a_classifier(name: str, value: Any) -> None:
    X, y = numbers(20)
    with pytest.raises(ValueError, match=name if name != "class_weight" else "weight"):
        CARTClassifier(**{name: value}).fit(X, y > 0)


@pytest.mark.parametrize("name, value", BAD + BAD_NUMBERS, ids=str)
def test_bad_parameters_of_a_regressor(name: str, value: Any) -> None:
    X, y = numbers(20)
    with pytest.raises(ValueError, match=name):
        CARTRegressor(**{name: value}).fit(X, y)


def test_bad_data() -> None:
    X, y = numbers(20)
    with pytest.raises(ValueError, match="infinite|inf"):
        CARTRegressor().fit(np.where(X[0, 0] == X, np.inf, X), y)
    with pytest.raises(ValueError, match="y"):
        CARTRegressor().fit(X, np.where(y > 0, np.nan, y))
    with pytest.raises(ValueError, match="sample_weight"):
        CARTRegressor().fit(X, y, sample_weight=-np.ones(20))
    with pytest.raises(ValueError, match="sample_weight"):
        CARTRegressor().fit(X, y, sample_weight=np.ones(19))
    with pytest.raises(ValueError, match="poisson"):
        CARTRegressor(criterion="poisson").fit(X, y)
    with pytest.raises(ValueError, match="exposure"):
        CARTRegressor().fit(X, y, exposure=np.ones(20))
    for exposure in (np.zeros(20), np.ones(19), np.ones((20, 1)), np.full(20, np.nan)):
        with pytest.raises(ValueError, match="exposure"):
            CARTRegressor(criterion="poisson").fit(X, np.abs(y), exposure=exposure)
    with pytest.raises(ValueError, match="y"):
        CARTRegressor(criterion="absolute_error").fit(X, np.column_stack([y, y]))
    wide = np.arange(60.0)[:, None] % 30
    with pytest.raises(ValueError, match="exhaustive"):
        CARTRegressor(nominal="exhaustive", categorical_features=[0], **FULL).fit(wide, np.arange(60.0))


def test_every_parameter_is_documented_and_kept() -> None:
    for kind in (CARTClassifier, CARTRegressor):
        doc = inspect.getdoc(kind) or ""
        names = inspect.signature(kind).parameters
        assert all(f"\n{name} : " in doc for name in names)
        assert set(kind().get_params()) == set(names)
        assert all(p.kind is p.KEYWORD_ONLY for p in names.values())
