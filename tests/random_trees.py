# SPDX-License-Identifier: Apache-2.0
"""Random decision trees from arrays, with statistics that add up, and all their prunings by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from pygbt import _core
from pygbt.schema import Schema
from pygbt.tree import DecisionTree

N_NUMBERS = 3  # columns 0 .. 2 are numbers, column 3 + k - 3 holds k categories
QUESTION_ARRAYS = (
    *("feature", "threshold", "lower", "upper", "low_child", "branch_begin", "n_branches"),
    *("improvement", "agreement", "adjusted"),
)


def random_shape(rng: np.random.Generator, n_splits: int, most_branches: int) -> list[list[int]]:
    """Children of every node; they are adjacent and follow their parent."""
    children: list[list[int]] = [[]]
    for _ in range(n_splits):
        leaf = int(rng.choice([i for i, below in enumerate(children) if not below]))
        n = int(rng.integers(2, most_branches + 1))
        children[leaf] = list(range(len(children), len(children) + n))
        children += [[] for _ in range(n)]
    return children


def random_tree(
    rng: np.random.Generator,
    *,
    n_splits: int = 5,
    n_classes: int = 3,
    most_branches: int = 3,
    regression: bool = False,
    most_cases: int = 9,
    fallback: int = -1,
) -> DecisionTree:
    """Statistics of leaves are drawn, those of inner nodes are their sums. Risk: errors, or squares around the mean."""
    children = random_shape(rng, n_splits, most_branches)
    n = len(children)
    cases = np.zeros((n, n_classes))
    moments = np.zeros((n, 3))  # of a regression: cases, sum, sum of squares
    for i in reversed(range(n)):
        if children[i]:
            cases[i], moments[i] = cases[children[i]].sum(axis=0), moments[children[i]].sum(axis=0)
        else:
            cases[i] = rng.integers(0, most_cases, n_classes)
            y = rng.integers(-5, 6, int(rng.integers(1, most_cases)))
            moments[i] = len(y), y.sum(), (y * y).sum()
    mean = moments[:, 1] / moments[:, 0]
    squares = np.maximum(moments[:, 2] - moments[:, 1] * mean, 0.0)
    weight = moments[:, 0] if regression else cases.sum(axis=1)

    questions: dict[str, list[Any]] = {name: [] for name in QUESTION_ARRAYS}
    branches: list[int] = []
    for below in children:
        if below:
            nominal = len(below) > 2
            cut = np.nan if nominal else int(rng.integers(1, 10)) / 2
            feature = N_NUMBERS + len(below) - 3 if nominal else int(rng.integers(N_NUMBERS))
            begin = (len(branches), len(below)) if nominal else (-1, 0)
            row = (feature, cut, cut, cut + 0.5, 0, *begin, int(rng.integers(0, 20)) / 4, 0.0, 0.0)
            for name, x in zip(QUESTION_ARRAYS, row, strict=True):
                questions[name].append(x)
            branches += range(len(below)) if nominal else []
    asked = [bool(below) for below in children]
    arrays = {
        "classifier": not regression,
        "n_values": 1 if regression else n_classes,
        "first_child": np.array([below[0] if below else -1 for below in children]),
        "n_children": np.array([len(below) for below in children]),
        "question_begin": np.concatenate([[0], np.cumsum(asked)]),
        "n_surrogates": np.zeros(n),
        "fallback": np.where(asked, fallback, -1),
        "count": weight,
        "weight": weight,
        "value": mean if regression else cases,
        "label": np.full(n, -1) if regression else cases.argmax(axis=1),
        "risk": squares if regression else weight - cases.max(axis=1),
        "impurity": np.zeros(n),
        "class_factor": np.zeros(0) if regression else np.ones(n_classes),
        "question_branches": np.array(branches),
        **{f"question_{name}": np.array(values) for name, values in questions.items()},
    }
    codes = [tuple(range(k)) for k in range(3, most_branches + 1)]
    names = tuple(f"x{f}" for f in range(N_NUMBERS + len(codes)))
    schema = Schema(names, False, (*[None] * N_NUMBERS, *codes))
    core = _core.DecisionTree.from_arrays(arrays, len(names))
    classes = None if regression else np.array([f"c{k}" for k in range(n_classes)])
    return DecisionTree(core, schema, [True] * len(names), classes)


def random_rows(rng: np.random.Generator, tree: DecisionTree, n: int, missing: float = 0.0) -> np.ndarray:
    """A table that reaches every side of the questions of `random_tree`."""
    X = rng.integers(0, 11, (n, len(tree.feature_names))) / 2.0
    for f, categories in enumerate(tree.schema.categories):
        if categories is not None:
            X[:, f] = rng.integers(0, len(categories), n)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def all_prunings(tree: DecisionTree, node: int = 0) -> Iterator[tuple[int, ...]]:
    """The leaves of every pruning, each a tuple of nodes in ascending order."""
    yield (node,)
    below = [list(all_prunings(tree, child)) for child in tree.children(node)]
    if below:
        for parts in itertools.product(*below):
            yield tuple(sorted(itertools.chain(*parts)))


def leaves_in(tree: DecisionTree, pruned: DecisionTree) -> tuple[int, ...]:
    """The nodes of `tree` that are the leaves of its pruning `pruned`."""
    found, pairs = [], [(0, 0)]
    while pairs:
        node, own = pairs.pop()
        if len(pruned.children(own)) == 0:
            found.append(node)
        else:
            pairs += zip(tree.children(node), pruned.children(own), strict=True)
    return tuple(sorted(found))
