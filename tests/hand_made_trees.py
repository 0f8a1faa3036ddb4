# SPDX-License-Identifier: Apache-2.0
"""Decision trees made by hand from a list of nodes, and drawn at random, without an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pygbt import _core
from pygbt.schema import Schema
from pygbt.tree import DecisionTree

INTS = (
    *("first_child", "n_children", "question_begin", "n_surrogates", "fallback", "label"),
    *("question_feature", "question_branch_begin", "question_n_branches", "question_branches"),
)
STAYS, SHARED = -1, -2


@dataclass
class Ask:
    """One question: numeric by threshold (and the training values around it), or nominal by the child of each code."""

    feature: int
    threshold: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    low_child: int = 0
    branches: Sequence[int] | None = None
    improvement: float = 0.0
    agreement: float = 0.0
    adjusted: float = 0.0


def below_midpoint(feature: int, lower: float, upper: float, **more: Any) -> Ask:
    """A question of CART: the threshold is the largest number below the midpoint."""
    return Ask(feature, float(np.nextafter((lower + upper) / 2, -np.inf)), lower, upper, **more)


@dataclass
class Node:
    """A node with its children; leaves need values only."""

    value: Sequence[float]
    children: Sequence[Node] = ()
    asks: Sequence[Ask] = ()  # the question asked, its surrogates, its competitors
    n_surrogates: int = 0
    fallback: int = STAYS
    label: int | None = None
    count: int | None = None
    weight: float | None = None
    risk: float | None = None
    impurity: float = 0.0
    place: int = field(default=0, init=False)


def make_tree(root: Node, schema: Schema, classes: Sequence[Any] | None, factor: Any = None) -> DecisionTree:
    """Number the nodes level by level and hand them to the engine; risks of classes are their errors unless given."""
    nodes = [root]
    for node in nodes:  # grows while it is read
        for child in node.children:
            child.place = len(nodes)
            nodes.append(child)
    questions = [ask for node in nodes for ask in node.asks]
    numeric = [ask.branches is None for ask in questions]
    n_branches = [0 if ask.branches is None else len(ask.branches) for ask in questions]
    begins = np.concatenate([[0], np.cumsum(n_branches)])[:-1].astype(np.int32)
    weights = [float(sum(node.value)) if node.weight is None else node.weight for node in nodes]
    labels = [-1 if classes is None else int(np.argmax(n.value)) if n.label is None else n.label for n in nodes]
    arrays: dict[str, Any] = {
        "classifier": classes is not None,
        "n_values": len(root.value),
        "first_child": [node.children[0].place if node.children else -1 for node in nodes],
        "n_children": [len(node.children) for node in nodes],
        "question_begin": np.concatenate([[0], np.cumsum([len(node.asks) for node in nodes])]),
        "n_surrogates": [node.n_surrogates for node in nodes],
        "fallback": [node.fallback if node.children else STAYS for node in nodes],
        "label": labels,
        "count": np.array([round(w) if n.count is None else n.count for n, w in zip(nodes, weights, strict=True)]),
        "weight": weights,
        "value": np.concatenate([np.asarray(node.value, dtype=np.float64) for node in nodes]),
        "risk": [
            (w - n.value[k] if classes is not None else 0.0) if n.risk is None else n.risk
            for n, w, k in zip(nodes, weights, labels, strict=True)
        ],
        "impurity": [node.impurity for node in nodes],
        "class_factor": np.ones(len(root.value)) if factor is None and classes is not None else factor,
        "question_feature": [ask.feature for ask in questions],
        "question_threshold": [ask.threshold for ask in questions],
        "question_lower": [ask.lower for ask in questions],
        "question_upper": [ask.upper for ask in questions],
        "question_low_child": np.array([ask.low_child for ask in questions], dtype=np.uint8),
        "question_branch_begin": np.where(numeric, -1, begins),
        "question_n_branches": n_branches,
        "question_branches": [child for ask in questions for child in ask.branches or ()],
        "question_improvement": [ask.improvement for ask in questions],
        "question_agreement": [ask.agreement for ask in questions],
        "question_adjusted": [ask.adjusted for ask in questions],
    }
    if classes is None:
        arrays["class_factor"] = np.zeros(0)
    for name in INTS:
        arrays[name] = np.asarray(arrays[name], dtype=np.int32)
    core = _core.DecisionTree.from_arrays(arrays, schema.n_features)
    labels_of = None if classes is None else np.asarray(classes)
    return DecisionTree(core, schema, [True] * schema.n_features, labels_of)


# --- trees everybody knows ------------------------------------------------------------------------------------------

GOLF = Schema(
    ("outlook", "temperature", "humidity", "windy"),
    True,
    (("sunny", "overcast", "rainy"), None, None, (False, True)),
)


def golf_tree() -> DecisionTree:
    """C4.5's tree of the 14 days of golf: multiway, thresholds are data values, missing values are shared."""
    sunny = Node([3, 2], [Node([0, 2]), Node([3, 0])], [Ask(2, 75.0, 70.0, 85.0, improvement=0.971)], fallback=SHARED)
    rainy = Node([2, 3], [Node([0, 3]), Node([2, 0])], [Ask(3, branches=[0, 1], improvement=0.971)], fallback=SHARED)
    root = Node([5, 9], [sunny, Node([0, 4]), rainy], [Ask(0, branches=[0, 1, 2], improvement=0.2467)], fallback=SHARED)
    return make_tree(root, GOLF, ["no", "yes"])


IRIS_NAMES = ("sepal length", "sepal width", "petal length", "petal width")
IRIS = Schema(IRIS_NAMES, True, (None, None, None, None))
SPECIES = ["setosa", "versicolor", "virginica"]


def iris_tree() -> DecisionTree:
    """CART's tree of iris: two questions with surrogates and competitors, cuts at midpoints."""
    second = Node(
        [0, 50, 50],
        [Node([0, 49, 5]), Node([0, 1, 45])],
        [
            below_midpoint(3, 1.7, 1.8, improvement=38.969404),
            below_midpoint(2, 4.7, 4.8, agreement=0.91, adjusted=0.804348),
            below_midpoint(0, 6.1, 6.2, agreement=0.73, adjusted=0.413043),
            below_midpoint(2, 4.7, 4.8, improvement=37.353535),
        ],
        n_surrogates=2,
        fallback=0,
    )
    root = Node(
        [50, 50, 50],
        [Node([50, 0, 0]), second],
        [
            below_midpoint(2, 1.9, 3.0, improvement=50.0),
            below_midpoint(3, 0.6, 1.0, agreement=1.0, adjusted=1.0),
            below_midpoint(0, 5.4, 5.5, agreement=0.92, adjusted=0.76),
            below_midpoint(1, 3.2, 3.3, low_child=1, agreement=0.833333, adjusted=0.5),
            below_midpoint(3, 0.6, 1.0, improvement=50.0),
            below_midpoint(0, 5.4, 5.5, improvement=34.163995),
        ],
        n_surrogates=3,
        fallback=1,
    )
    return make_tree(root, IRIS, SPECIES)


CARS = Schema(("Weight",), True, (None,))


def car_tree() -> DecisionTree:
    """The regression of mileage on weight of 60 cars: three questions, printed by rpart."""
    light = Node([30.93333], weight=15.0, risk=186.9333)
    heavy = Node([20.40909], weight=22.0, risk=61.31818)
    low = Node([25.625], weight=8.0, risk=39.875)
    high = Node([23.8], weight=15.0, risk=60.4)
    middle = Node(
        [24.43478],
        [low, high],
        [below_midpoint(0, 2745.0, 2750.0, improvement=0.1476996)],
        weight=23.0,
        risk=117.6522,
        fallback=1,
    )
    rest = Node(
        [22.46667],
        [middle, heavy],
        [below_midpoint(0, 3085.0, 3090.0, improvement=0.5045118)],
        weight=45.0,
        risk=361.2,
        fallback=0,
    )
    root = Node(
        [24.58333],
        [light, rest],
        [below_midpoint(0, 2567.0, 2568.0, improvement=0.5953491)],
        weight=60.0,
        risk=1354.583,
        fallback=1,
    )
    return make_tree(root, CARS, None)


# --- trees at random ------------------------------------------------------------------------------------------------

MIXED = Schema(
    ("a", "b", "colour", "size", "c"),
    True,
    (None, None, ("red", "green", "blue", "grey"), ("S", "M", "L"), None),
)


def random_table(rng: np.random.Generator, n: int, missing: float = 0.0) -> np.ndarray:
    """Encoded rows of `MIXED`, shape (n, 5): small whole numbers and codes, so that thresholds are met."""
    X = rng.integers(0, 12, (n, 5)).astype(np.float64)
    X[:, 2] = rng.integers(0, 4, n)
    X[:, 3] = rng.integers(0, 3, n)
    X[rng.random((n, 5)) < missing] = np.nan
    return X


def as_frame(X: np.ndarray) -> Any:
    """Rows of `MIXED` as a data frame with categories by value."""
    import pandas as pd

    frame = pd.DataFrame(X, columns=MIXED.feature_names)
    for f in (2, 3):
        values = MIXED.categories[f]
        assert values is not None
        frame[MIXED.feature_names[f]] = [None if x != x else values[int(x)] for x in X[:, f]]
    return frame


def _random_ask(rng: np.random.Generator, n_children: int, X: np.ndarray) -> Ask:
    numeric = n_children == 2 and rng.random() < 0.6
    if numeric:
        feature = int(rng.choice([0, 1, 4]))
        lower = float(rng.integers(0, 11))
        if rng.random() < 0.5:
            return below_midpoint(feature, lower, lower + 1, low_child=int(rng.integers(2)))
        return Ask(feature, lower, lower, lower + 1, low_child=int(rng.integers(2)))
    feature = 2 if n_children > 3 else int(rng.choice([2, 3]))
    n = 4 if feature == 2 else 3
    branches = rng.permutation(np.concatenate([np.arange(n_children), rng.integers(0, n_children, n - n_children)]))
    if rng.random() < 0.2 and n_children < n:
        kept = np.flatnonzero(np.bincount(branches, minlength=n_children)[branches] > 1)
        branches[kept[0]] = -1
    return Ask(feature, branches=branches.tolist())


def random_tree(
    rng: np.random.Generator, X: np.ndarray, n_classes: int, *, most_nodes: int = 40, surrogates: bool = False
) -> DecisionTree:
    """A tree of 2 to 4 branches a node whose counts are those of the rows of `X` it would train on.

    Without `surrogates` every fallback is a child, so a row has one leaf; else nodes have surrogates and fall back on
    anything.
    """
    y = rng.integers(0, max(n_classes, 2), len(X)).astype(np.float64)
    left = most_nodes

    def grow(rows: np.ndarray, depth: int) -> Node:
        nonlocal left
        counts = np.bincount(y[rows].astype(int), minlength=n_classes).astype(float)
        value = counts if n_classes > 0 else np.array([y[rows].mean() if len(rows) else 0.0])
        node = Node(value.tolist(), weight=float(len(rows)), risk=None if n_classes > 0 else 1.0)
        k = int(rng.integers(2, 5))
        if left < k or depth > 6 or len(rows) < 3 or rng.random() < 0.15:
            return node
        left -= k
        asks = [_random_ask(rng, k, X)]
        if surrogates:
            asks += [_random_ask(rng, k, X) for _ in range(rng.integers(0, 3))]
        fallback = int(rng.integers(-2 if surrogates else 0, k))
        child = np.array([_answer(asks[0], x) for x in X[rows, asks[0].feature]], dtype=int)
        child[child < 0] = max(fallback, 0)
        node.asks, node.n_surrogates, node.fallback = asks, len(asks) - 1, fallback
        node.children = [grow(rows[child == c], depth + 1) for c in range(k)]
        return node

    return make_tree(grow(np.arange(len(X)), 0), MIXED, None if n_classes == 0 else [f"k{i}" for i in range(n_classes)])


def _answer(ask: Ask, x: float) -> int:
    if x != x:
        return -1
    if ask.branches is not None:
        return int(ask.branches[int(x)])
    return ask.low_child if x <= ask.threshold else 1 - ask.low_child
