# SPDX-License-Identifier: Apache-2.0
"""Laws of CART: weights, costs, symmetries, kinds of input, threads, cuts, limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pandas = pytest.importorskip("pandas")

from pygbt.tree import CARTClassifier, CARTRegressor  # noqa: E402

CRITERIA = ["gini", "entropy", "twoing", "squared_error", "absolute_error", "poisson"]
SMALL: dict[str, Any] = {"min_split": 4, "min_bucket": 2, "cp": 0.0}


def is_classes(criterion: str) -> bool:
    return criterion in ("gini", "entropy", "twoing")


def cart(criterion: str, **settings: Any) -> Any:
    return (CARTClassifier if is_classes(criterion) else CARTRegressor)(criterion=criterion, **(SMALL | settings))


def table(criterion: str, n: int = 200, *, seed: int = 0, gaps: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Six columns, the last two of categories; some values missing."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.standard_normal((n, 2)), rng.integers(0, 9, (n, 2)), rng.integers(0, 5, (n, 2))])
    score = X[:, 0] + np.where(X[:, 2] > 4, X[:, 1], -1) + np.isin(X[:, 4], [1, 3]) + rng.standard_normal(n) / 2
    X[rng.random(X.shape) < gaps] = np.nan
    if is_classes(criterion):
        return X, np.digitize(score, [-1, 0.5])
    return X, np.maximum(0, np.round(4 * score)) if criterion == "poisson" else np.round(score, 3) * 1000


NOMINAL = {"categorical_features": [4, 5]}


def same(a: Any, b: Any, *, but: tuple[str, ...] = ()) -> None:
    """The same bits in every array of two trees."""
    one, two = a.tree_.arrays, b.tree_.arrays
    for name in one.keys() - set(but):
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def parts(model: Any, X: Any) -> list[tuple[int, ...]]:
    """Rows of every leaf, as a partition without an order."""
    leaf = model.apply(X)
    return sorted(tuple(np.flatnonzero(leaf == k)) for k in np.unique(leaf))


# --- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_weight_is_a_repeated_row(criterion: str) -> None:
    X, y = table(criterion)
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = cart(criterion, **NOMINAL).fit(X, y, sample_weight=weight)
    repeated = cart(criterion, **NOMINAL).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    same(weighted, repeated, but=("count",))
    assert weighted.tree_.n_leaves > 5
    np.testing.assert_array_equal(weighted.tree_.count[0], np.count_nonzero(weight))


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("counting", ["weight", "rows"])
def test_a_row_without_a_weight_is_not_there(criterion: str, counting: str) -> None:
    X, y = table(criterion)
    weight = np.random.default_rng(2).integers(0, 3, len(y))
    there = weight > 0
    with_zeros = cart(criterion, counting=counting, **NOMINAL).fit(X, y, sample_weight=weight)
    same(with_zeros, cart(criterion, counting=counting, **NOMINAL).fit(X[there], y[there], sample_weight=weight[there]))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_all_weights_three_times_as_large(criterion: str) -> None:
    X, y = table(criterion)
    weight = np.random.default_rng(3).integers(1, 4, len(y)).astype(float)
    more = {"shrink": 0.0} if criterion == "poisson" else {}
    one = cart(criterion, counting="rows", **NOMINAL, **more).fit(X, y, sample_weight=weight).tree_
    three = cart(criterion, counting="rows", **NOMINAL, **more).fit(X, y, sample_weight=3 * weight).tree_
    of_shares = criterion in ("squared_error", "absolute_error")
    for name, factor in {"weight": 3, "risk": 3, "question_improvement": 1 if of_shares else 3}.items():
        np.testing.assert_allclose(three.arrays[name], factor * one.arrays[name], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(three.value, one.value * (3 if is_classes(criterion) else 1), rtol=1e-9)
    for name in ("first_child", "count", "fallback", "label", "question_feature", "question_lower", "question_upper"):
        np.testing.assert_array_equal(three.arrays[name], one.arrays[name])
    for name in ("question_branches", "question_agreement", "question_adjusted"):
        np.testing.assert_array_equal(three.arrays[name], one.arrays[name])


@pytest.mark.parametrize("criterion", CRITERIA)
def test_k_copies_of_the_data(criterion: str) -> None:
    X, y = table(criterion)
    more: dict[str, Any] = {"shrink": 0.0} if criterion == "poisson" else {}
    more |= {"counting": "rows", "max_surrogates": 0, **NOMINAL}
    one = cart(criterion, min_split=6, min_bucket=2, **more).fit(X, y)
    four = cart(criterion, min_split=24, min_bucket=8, **more).fit(np.repeat(X, 4, axis=0), np.repeat(y, 4))
    for name in ("first_child", "label", "question_feature", "question_threshold", "question_branches"):
        np.testing.assert_array_equal(four.tree_.arrays[name], one.tree_.arrays[name])
    np.testing.assert_array_equal(four.tree_.count, 4 * one.tree_.count)


def test_class_weights_are_weights() -> None:
    X, y = table("gini")
    factor = {0: 3, 1: 1, 2: 2}
    same(
        cart("gini", class_weight=factor, **NOMINAL).fit(X, y),
        cart("gini", **NOMINAL).fit(X, y, sample_weight=np.array([factor[k] for k in y])),
    )
    balanced = cart("gini", class_weight="balanced").fit(X, y).tree_.value[0]
    np.testing.assert_allclose(balanced, len(y) / 3, rtol=1e-6)


# --- costs, priors, losses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_feature_cost_divides_the_improvement(criterion: str) -> None:
    X, y = table(criterion)
    settings = {"max_depth": 1, "max_competitors": 5, "cp": None, **NOMINAL}
    cost = np.array([4.0, 1.0, 0.5, 3.0, 1.0, 2.0])
    plain = cart(criterion, **settings).fit(X, y).tree_
    costly = cart(criterion, feature_costs=cost, **settings).fit(X, y).tree_
    asked = [np.flatnonzero(t.question_agreement == 0) for t in (plain, costly)]
    by_feature = [
        dict(zip(t.question_feature[q], t.question_improvement[q], strict=True))
        for t, q in zip((plain, costly), asked, strict=True)
    ]
    assert by_feature[0].keys() == by_feature[1].keys() == set(range(6))
    for feature, improvement in by_feature[0].items():
        assert by_feature[1][feature] == pytest.approx(improvement / cost[feature], rel=1e-12)
    assert list(by_feature[1].values()) == sorted(by_feature[1].values(), reverse=True)


def test_priors_that_are_the_frequencies_change_nothing() -> None:
    X, y = table("gini")
    plain = cart("gini", **NOMINAL).fit(X, y)
    given = cart("gini", priors=np.bincount(y) / len(y), **NOMINAL).fit(X, y)
    by_name = cart("gini", priors={2: np.mean(y == 2), 0: np.mean(y == 0), 1: np.mean(y == 1)}, **NOMINAL).fit(X, y)
    for model in (given, by_name):
        np.testing.assert_array_equal(model.apply(X), plain.apply(X))
        np.testing.assert_allclose(model.tree_.risk, plain.tree_.risk, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), rtol=1e-12)


def test_losses_of_one_class_are_like_its_prior() -> None:
    """For two classes: calling the second class the first costs 4."""
    X, y = table("gini")
    y = (y == 2).astype(int)
    n = np.bincount(y)
    losses = cart("gini", losses=[[0, 1], [4, 0]], **NOMINAL).fit(X, y)
    priors = cart("gini", priors=n * [1, 4] / (n * [1, 4]).sum(), **NOMINAL).fit(X, y)
    np.testing.assert_array_equal(losses.apply(X), priors.apply(X))
    np.testing.assert_array_equal(losses.predict(X), priors.predict(X))
    np.testing.assert_allclose(losses.tree_.impurity, priors.tree_.impurity, rtol=1e-12)


@pytest.mark.parametrize("criterion", ["gini", "entropy", "twoing"])
def test_classes_have_no_order(criterion: str) -> None:
    X, y = table(criterion, gaps=0)
    weight = np.random.default_rng(4).random(len(y)) + 0.5  # no ties
    renamed = np.array([2, 0, 1])[y]
    a = cart(criterion, counting="rows", **NOMINAL).fit(X, y, sample_weight=weight)
    b = cart(criterion, counting="rows", **NOMINAL).fit(X, renamed, sample_weight=weight)
    assert parts(a, X) == parts(b, X)
    np.testing.assert_array_equal(np.array([2, 0, 1])[a.predict(X)], b.predict(X))


# --- symmetries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", CRITERIA)
def test_monotone_maps_of_a_feature(criterion: str) -> None:
    X, y = table(criterion)
    mapped = X.copy()
    mapped[:, 0] = np.exp(mapped[:, 0])
    mapped[:, 2] = mapped[:, 2] ** 3 + 7
    a, b = (cart(criterion, **NOMINAL).fit(Z, y) for Z in (X, mapped))
    np.testing.assert_array_equal(a.apply(X), b.apply(mapped))
    same(a, b, but=("question_threshold", "question_lower", "question_upper"))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_rows_have_no_order(criterion: str) -> None:
    X, y = table(criterion)
    order = np.random.default_rng(5).permutation(len(y))
    weight = np.random.default_rng(6).random(len(y))
    for settings in ({}, {"max_leaves": 9}, {"missing": "direction"}, {"nominal": "one_vs_rest"}):
        a = cart(criterion, counting="rows", **NOMINAL, **settings).fit(X, y, sample_weight=weight)
        b = cart(criterion, counting="rows", **NOMINAL, **settings).fit(X[order], y[order], sample_weight=weight[order])
        same(a, b)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("settings", [{}, {"max_leaves": 40}, {"missing": "direction"}], ids=str)
def test_any_number_of_threads(criterion: str, settings: dict[str, Any]) -> None:
    X, y = table(criterion, 9_000 if criterion != "absolute_error" else 5_000)
    models = [cart(criterion, n_jobs=n, min_bucket=5, **NOMINAL, **settings).fit(X, y) for n in (1, 2, 3, 8)]
    for model in models[1:]:
        same(models[0], model)
    assert models[0].tree_.n_leaves >= 25
    np.testing.assert_array_equal(models[0].predict(X), models[3].predict(X))
