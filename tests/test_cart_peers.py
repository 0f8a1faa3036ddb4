# SPDX-License-Identifier: Apache-2.0
"""CART against scikit-learn's trees, node by node, where the criteria coincide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pygbt.tree import CARTClassifier, CARTRegressor

# One unit of their impurity in ours: natural logarithms, a whole deviance.
UNIT = {"gini": 1.0, "entropy": math.log(2), "squared_error": 1.0, "absolute_error": 1.0, "poisson": 2.0}
FULL: dict[str, Any] = {"min_split": 2, "min_bucket": 1, "cp": 0, "missing": "direction", "counting": "rows"}


def is_classes(criterion: str) -> bool:
    return criterion in ("gini", "entropy")


def ours(criterion: str, **settings: Any) -> Any:
    more = {"shrink": 0.0} if criterion == "poisson" else {}
    return (CARTClassifier if is_classes(criterion) else CARTRegressor)(criterion=criterion, **(FULL | more | settings))


def theirs(criterion: str, **settings: Any) -> Any:
    kind = DecisionTreeClassifier if is_classes(criterion) else DecisionTreeRegressor
    return kind(criterion=criterion, random_state=0, **settings)


def table(criterion: str, n: int, m: int, *, gaps: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Continuous columns, a response with noise, weights of many sizes: no ties but between small nodes."""
    rng = np.random.default_rng([n, m])
    X = np.column_stack([rng.permutation(n) for _ in range(m)]) * 4 / n - 2  # theirs are apart by more than 1e-7
    X = X.astype(np.float32)
    score = X[:, 0] - X[:, -1] ** 2 + rng.standard_normal(n) / 2
    X[rng.random(X.shape) < gaps] = np.nan
    # Few digits for regression: weights and targets share 62 bits.
    weight = rng.integers(1, 1000 if is_classes(criterion) else 8, n).astype(float)
    if is_classes(criterion):
        return X, np.digitize(score, [-1, 0.5]), weight
    return X, np.exp(score) if criterion == "poisson" else score, weight


def close(a: Any, b: Any, tolerance: float) -> bool:
    return bool(np.all(np.abs(a - b) <= tolerance * np.maximum(1, np.abs(b))))


@dataclass
class Outcome:
    """Nodes that are the same, of them asked alike, and nodes where two questions are as good."""

    nodes: int = 0
    asked_alike: int = 0
    ties: int = 0


def compare(criterion: str, a: Any, b: Any, X: np.ndarray, weight: np.ndarray) -> Outcome:
    """Walk down both trees, as long as they part the rows alike."""
    out = Outcome()
    mine, other = a.tree_, b.tree_
    paths = [model.decision_path(X).tocsc() for model in (a, b)]
    rows = [[path[:, i].indices for i in range(path.shape[1])] for path in paths]
    unit = UNIT[criterion]

    def spread(impurity: np.ndarray, parts: list[np.ndarray], nodes: list[int]) -> float:
        return sum(float(impurity[node]) * weight[part].sum() for node, part in zip(nodes, parts, strict=True))

    stack = [(0, 0)]
    while stack:
        i, j = stack.pop()
        assert np.array_equal(rows[0][i], rows[1][j])
        assert mine.count[i] == other.n_node_samples[j]
        assert close(mine.impurity[i], unit * other.impurity[j], 1e-12)
        shares = mine.value[i] / mine.weight[i] if is_classes(criterion) else mine.value[i]
        assert close(shares, other.value[j].ravel(), 1e-12)
        out.nodes += 1
        children = [list(mine.children(i)), [other.children_left[j], other.children_right[j]]]
        assert bool(children[0]) == (children[1][0] >= 0)
        if not children[0]:
            continue
        q = mine.question_begin[i]
        feature, middle = mine.question_feature[q], (mine.question_lower[q] + mine.question_upper[q]) / 2
        out.asked_alike += feature == other.feature[j] and middle == other.threshold[j]
        parts = [[rows[k][c] for c in children[k]] for k in (0, 1)]
        if np.array_equal(parts[0][0], parts[1][1]):
            children[1].reverse()
        elif not np.array_equal(parts[0][0], parts[1][0]):
            gained = [spread(mine.impurity, parts[0], children[0]), spread(other.impurity, parts[1], children[1])]
            assert close(gained[0], unit * gained[1], 1e-11)
            out.ties += 1
            continue
        stack += zip(*children, strict=True)
    return out


def check_without_ties(criterion: str, out: Outcome, a: Any, b: Any) -> None:
    """Absolute errors may tie in any data: a row between two medians costs the same on either side."""
    if criterion == "absolute_error":
        assert out.ties <= 1 + 0.01 * out.nodes
    else:
        assert out.ties == 0 and out.nodes == a.tree_.n_nodes == b.tree_.node_count


@pytest.mark.parametrize("n", [150, 2000])
@pytest.mark.parametrize("criterion", UNIT)
def test_one_column_gives_the_same_tree(criterion: str, n: int) -> None:
    """Without a second column the questions of small nodes differ, too."""
    X, y, weight = table(criterion, n, 1)
    a = ours(criterion).fit(X, y, sample_weight=weight)
    b = theirs(criterion).fit(X, y, sample_weight=weight)
    out = compare(criterion, a, b, X, weight)
    check_without_ties(criterion, out, a, b)
    assert out.asked_alike >= (out.nodes - 1) // 2 - out.ties


@pytest.mark.parametrize("n", [150, 1000, 5000])
@pytest.mark.parametrize("criterion", UNIT)
def test_the_same_tree(criterion: str, n: int) -> None:
    X, y, weight = table(criterion, n, 4)
    for w in (weight, np.ones(n))[: 1 if n > 1000 else 2]:
        a = ours(criterion).fit(X, y, sample_weight=w)
        b = theirs(criterion).fit(X, y, sample_weight=w)
        out = compare(criterion, a, b, X, w)
        # Without weights the small nodes of classes are full of ties.
        assert out.ties <= (0.02 if w is weight or not is_classes(criterion) else 0.2) * out.nodes
        assert out.nodes > 0.5 * b.tree_.node_count


@pytest.mark.parametrize("criterion", UNIT)
def test_limits_mean_the_same(criterion: str) -> None:
    X, y, weight = table(criterion, 1000, 4)
    limits = [
        ({"max_depth": 4}, {"max_depth": 4}),
        ({"min_bucket": 12}, {"min_samples_leaf": 12}),
        ({"min_split": 60}, {"min_samples_split": 60}),
        ({"max_leaves": 13}, {"max_leaf_nodes": 13}),
    ]
    for mine, other in limits:
        a = ours(criterion, **(mine | {"cp": None})).fit(X, y, sample_weight=weight)
        b = theirs(criterion, **other).fit(X, y, sample_weight=weight)
        check_without_ties(criterion, compare(criterion, a, b, X, weight), a, b)


@pytest.mark.parametrize("criterion", ["gini", "entropy", "squared_error"])
def test_missing_values_take_the_same_side(criterion: str) -> None:
    X, y, weight = table(criterion, 1000, 4, gaps=0.2)
    a = ours(criterion, min_bucket=5, cp=None).fit(X, y, sample_weight=weight)
    b = theirs(criterion, min_samples_leaf=5).fit(X, y, sample_weight=weight)
    out = compare(criterion, a, b, X, weight)
    assert out.ties <= 0.02 * out.nodes and out.nodes > 0.9 * b.tree_.node_count


def test_the_same_predictions_of_several_targets() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 4)).astype(np.float32)
    Y = np.column_stack([X[:, 0], X[:, 1] ** 2, X[:, 2] * X[:, 3]]) + rng.standard_normal((1000, 3)) / 4
    a = ours("squared_error", min_bucket=5).fit(X, Y)
    b = theirs("squared_error", min_samples_leaf=5).fit(X, Y)
    assert a.tree_.n_nodes == b.tree_.node_count
    np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=1e-9, atol=1e-12)
    assert a.tree_.impurity[0] == pytest.approx(3 * b.tree_.impurity[0], rel=1e-12)  # a sum, theirs is a mean
