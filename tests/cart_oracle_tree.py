# SPDX-License-Identifier: Apache-2.0
"""Whole trees of the CART oracle: grown by recursion with `cart_oracle`, cut back by the cp rule afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from cart_oracle import (
    NO_DIFFERENCE,
    Problem,
    Rows,
    Split,
    best_splits,
    class_weights,
    events_and_time,
    ln,
    mean,
    medians,
    priors,
    probabilities,
    spread,
    surrogates,
)


@dataclass
class Node:
    """A node with its rows, statistics, question and children; `tied`: other splits are as good as the one taken."""

    rows: Rows
    value: list[Any]  # weight of each class, or the mean (median, rate)
    label: int
    risk: Fraction
    primary: Split | None = None
    surrogates: tuple[Split, ...] = ()
    fallback: int | None = None
    children: tuple[Node, ...] = ()
    tied: bool = False

    def nodes(self) -> list[Node]:
        return [self, *(n for child in self.children for n in child.nodes())]

    def leaves(self) -> list[Node]:
        return [node for node in self.nodes() if not node.children]


def expected_losses(p: Problem, rows: Rows) -> list[Fraction]:
    """Of calling all rows each class, times the weight of all training rows."""
    q = probabilities(p, rows, priors(p))
    loss = p.losses or [[int(i != j) for j in range(p.n_classes)] for i in range(p.n_classes)]
    return [sum((q[i] * Fraction(loss[i][j]) for i in range(p.n_classes)), Fraction(0)) for j in range(p.n_classes)]


def rate(p: Problem, rows: Rows) -> Fraction:
    """Of a node, shrunk towards that of all rows; without shrinkage for shrink = 0."""
    events, time = events_and_time(p, rows)
    if not p.shrink:
        return events / time
    overall = mean(p, p.rows)
    a = 1 / Fraction(p.shrink) ** 2
    return (events + a) / (time + a / overall) if overall else Fraction(0)


def deviance(p: Problem, rows: Rows) -> Fraction:
    lam = rate(p, rows)
    total = Fraction(0)
    for i in rows:
        d, t = Fraction(p.y[i]), Fraction(p.exposure[i]) if p.exposure else Fraction(1)
        total += 2 * p.w(i) * ((d * ln(d / (lam * t)) if d else 0) - (d - lam * t))
    return total


def make_node(p: Problem, rows: Rows) -> Node:
    if p.n_classes:
        expected = expected_losses(p, rows)
        label = min(range(p.n_classes), key=lambda k: expected[k])  # the lowest of equal ones
        return Node(rows, class_weights(p, rows), label, expected[label])
    if p.criterion == "poisson":
        return Node(rows, [rate(p, rows)], -1, deviance(p, rows))
    if p.criterion == "absolute_error":
        return Node(rows, list(medians(p, rows)), -1, spread(p, rows))
    return Node(rows, [mean(p, rows)], -1, spread(p, rows))


def fallback(p: Problem, primary: Split) -> int | None:
    """The child of rows that no question decides; None: they stay."""
    weight = [sum((p.w(i) for i in side), Fraction(0)) for side in primary.sides]
    if p.missing == "direction":
        return primary.lacking if primary.lacking is not None else int(weight[1] > weight[0])
    if p.use_surrogates < 2 or weight[0] == weight[1]:
        return None
    return 0 if weight[0] > weight[1] else 1


def child_of(p: Problem, node: Node, row: list[Any]) -> int | None:
    """Where a row goes from a node: by the primary, else the surrogates, else the fallback."""
    assert node.primary is not None
    asked = [node.primary, *(node.surrogates if p.use_surrogates else ())]
    for split in asked:
        child = split.child(row[split.feature])
        if child is not None:
            return child
    return node.fallback


def grow(p: Problem, rows: Rows | None = None, depth: int = 0) -> Node:
    """The tree before the cp rule; ties go to the lowest feature, then the lowest cut."""
    node = make_node(p, p.rows if rows is None else rows)
    if p.size(node.rows) < p.min_split or depth >= p.max_depth:
        return node
    best = best_splits(p, node.rows)
    if not best:
        return node
    node.primary, node.tied = best[0], len({split.question() for split in best}) > 1
    node.surrogates = tuple(surrogates(p, node.rows, best[0])) if p.use_surrogates else ()
    node.fallback = fallback(p, best[0])
    sent: dict[int | None, list[int]] = {0: [], 1: [], None: []}
    for i in node.rows:
        sent[child_of(p, node, [column[i] for column in p.columns])].append(i)
    node.children = tuple(grow(p, tuple(sent[c]), depth + 1) for c in (0, 1))
    return node


def cut(node: Node, alpha: Fraction) -> tuple[Any, int]:
    """Cut a tree back to its smallest sub-tree of least R + alpha x leaves; its risk and leaves."""
    if node.children:
        parts = [cut(child, alpha) for child in node.children]
        risk, leaves = sum(r for r, _ in parts), sum(n for _, n in parts)
        if node.risk > risk + alpha * (leaves - 1) + NO_DIFFERENCE:
            return risk, leaves
        node.primary, node.surrogates, node.children, node.tied = None, (), (), False
    return node.risk, 1


def cart(p: Problem, grown: Node | None = None) -> Node:
    """The tree of CART: grown, then cut where the complexity is cp times the risk of the root or less."""
    root = grow(p) if grown is None else grown
    cut(root, Fraction(p.cp) * root.risk)
    return root


def answering(p: Problem, root: Node, row: list[Any]) -> Node:
    """The node that answers for a row."""
    node = root
    while node.children:
        child = child_of(p, node, row)
        if child is None:
            break
        node = node.children[child]
    return node
