# SPDX-License-Identifier: Apache-2.0
"""CART against its oracle on thousands of random small problems: whole trees, and all that is said of their nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from cart_cases import CLASS_CRITERIA, NUMBER_CRITERIA, Case, random_case
from cart_oracle import Problem, Split, best_of, best_splits, competitors, splits_of
from cart_oracle_tree import Node, answering, cart, grow
from cart_reading import Asked, Seen, read_split, read_tree

from pygbt.tree import CARTClassifier, CARTRegressor

CRITERIA = [*CLASS_CRITERIA, *NUMBER_CRITERIA]
SEEDS = 100  # a block


def close(value: float, exact: Any) -> bool:
    return abs(value - float(exact)) <= 1e-9 * max(abs(float(exact)), 1e-3)


def check_question(split: Split, asked: Asked) -> None:
    expected = read_split(split)
    assert (asked.feature, asked.cut, asked.low_child, asked.levels) == (
        expected.feature,
        expected.cut,
        expected.low_child,
        expected.levels,
    )


def check_competitors(p: Problem, rows: tuple[int, ...], primary: int, found: tuple[Asked, ...]) -> None:
    expected = competitors(p, rows, primary)
    assert len(found) == len(expected)
    for asked, rank in zip(found, expected, strict=True):
        best = best_of(splits_of(p, asked.feature, rows))
        assert best[0].goodness == rank[0].goodness and close(asked.improvement, best[0].goodness)
        assert asked.parts() in {read_split(s).parts() for s in best}


def check_node(p: Problem, node: Node, seen: Seen) -> None:
    """One node of the oracle and of CART."""
    assert seen.count == len(node.rows) and seen.weight == sum(p.w(i) for i in node.rows)
    assert seen.label == node.label and close(seen.risk, node.risk)
    if p.criterion == "absolute_error":
        assert seen.value[0] == float(sum(node.value)) / 2
    else:
        assert all(map(close, seen.value, node.value))
    assert (seen.asked is None) == (node.primary is None)
    if node.primary is None or seen.asked is None:
        assert not seen.surrogates and not seen.competitors and seen.fallback == -1
        return
    check_question(node.primary, seen.asked)
    assert close(seen.asked.improvement, node.primary.goodness)
    assert len(seen.surrogates) == len(node.surrogates)
    for asked, split in zip(seen.surrogates, node.surrogates, strict=True):
        check_question(split, asked)
        assert close(asked.agreement, split.agree) and close(asked.adjusted, split.adjusted)
    assert seen.fallback == (-1 if node.fallback is None else node.fallback)
    check_competitors(p, node.rows, node.primary.feature, seen.competitors)


def both(node: Node, seen: Seen) -> Iterator[tuple[Node, Seen]]:
    """Nodes of two trees side by side."""
    yield node, seen
    assert len(node.children) == len(seen.children)
    for pair in zip(node.children, seen.children, strict=True):
        yield from both(*pair)


@pytest.mark.parametrize("block", range(3))
@pytest.mark.parametrize("criterion", CRITERIA)
def test_whole_trees(criterion: str, block: int) -> None:
    """Trees without ties: every question, surrogate, competitor, statistic; and the paths of rows with gaps."""
    rng = np.random.default_rng(block)
    compared = split = 0
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        case = random_case(seed, criterion)
        p = case.problem
        grown = grow(p)
        if any(node.tied for node in grown.nodes()):
            continue
        root = cart(p, grown)
        model = case.fitted()
        pairs = list(both(root, read_tree(model.tree_, names=True)))
        for node, seen in pairs:
            check_node(p, node, seen)
        ids = {id(node): seen.id for node, seen in pairs}
        X = case.X[rng.integers(0, len(case.X), 20)]
        X = np.where(rng.random(X.shape) < 0.3, np.nan, X)
        expected = [answering(p, root, [None if np.isnan(v) else v for v in row]) for row in X]
        assert model.apply(X).tolist() == [ids[id(node)] for node in expected], seed
        compared += 1
        split += bool(root.children)
    assert compared > SEEDS / 2 and split > SEEDS / 4


def check_root(case: Case) -> None:
    p = case.problem
    best = best_splits(p, p.rows)
    seen = read_tree(case.fitted(max_depth=1, cp=None, min_split=2).tree_, names=True)
    if not best:
        assert seen.asked is None or seen.asked.improvement < 1e-12
        return
    assert seen.asked is not None and close(seen.asked.improvement, best[0].goodness)
    assert seen.asked.parts() in {read_split(s).parts() for s in best}
    assert seen.asked.feature == best[0].feature  # of equal ones the lowest feature
    if seen.asked.levels is None:
        assert seen.asked.cut == float(best[0].cut)  # then the lowest cut


@pytest.mark.parametrize("block", range(4))
@pytest.mark.parametrize("criterion", CRITERIA)
def test_root_question(criterion: str, block: int) -> None:
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        check_root(random_case(10_000 + seed, criterion))


def equal_halves(criterion: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Rows whose first column tells nothing: one half is the other with another weight."""
    rng = np.random.default_rng(seed)
    n, times = int(rng.integers(1, 9)), int(rng.integers(1, 8))
    values = rng.random((2, n)) * 3.0 ** rng.integers(-9, 9, (2, 1))
    if criterion in CLASS_CRITERIA:
        values = rng.integers(0, 3, (2, n))
    weight = np.tile(rng.integers(1, 50, n), 2)
    X = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], n, axis=0)
    y = np.concatenate([values[0], values[1], values[1], values[0]])
    return X.astype(float), y, np.concatenate([weight, weight * times]).astype(float), times


@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_question_gains_nothing(criterion: str) -> None:
    kind = CARTClassifier if criterion in CLASS_CRITERIA else CARTRegressor
    for seed in range(100):
        X, y, weight, times = equal_halves(criterion, seed)
        tree = kind(criterion=criterion, min_split=2, min_bucket=1, cp=0).fit(X, y, sample_weight=weight).tree_
        assert tree.n_nodes == 1 or (tree.question_feature[0] == 1 and tree.question_begin[1] == 1)
        assert tree.n_nodes == 1 or times > 1  # else the second column tells nothing either
