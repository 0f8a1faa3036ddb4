# SPDX-License-Identifier: Apache-2.0
"""A tree of CART or of its oracle in one form, node by node, for comparing them with each other and with rpart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cart_oracle import Problem, Split, competitors
from cart_oracle_tree import Node

from pygbt.tree import DecisionTree


@dataclass(frozen=True)
class Asked:
    """A question: the middle of a numeric cut and the child of low values, or the levels of child 0 and child 1."""

    feature: int
    cut: float | None
    low_child: int
    levels: tuple[frozenset[Any], frozenset[Any]] | None
    improvement: float
    agreement: float
    adjusted: float

    def parts(self) -> Any:
        """What questions that part the training rows alike have in common."""
        return (self.feature, self.cut if self.levels is None else frozenset(self.levels))


@dataclass(frozen=True)
class Seen:
    """A node with all below it."""

    count: int
    weight: float
    value: tuple[float, ...]
    label: int
    risk: float
    asked: Asked | None
    surrogates: tuple[Asked, ...]
    competitors: tuple[Asked, ...]
    fallback: int  # -1: the row stays
    children: tuple[Seen, ...]
    rows: tuple[int, ...]  # of the training table, rows without a weight included; () if it was not given
    id: int = -1

    def nodes(self) -> list[Seen]:
        return [self, *(n for child in self.children for n in child.nodes())]

    def leaves(self) -> list[Seen]:
        return [n for n in self.nodes() if not n.children]

    def of(self, count: int) -> Seen:
        """The first node with so many rows."""
        return next(n for n in self.nodes() if n.count == count)


def read_question(tree: DecisionTree, q: int, names: bool) -> Asked:
    feature = int(tree.question_feature[q])
    levels = None
    cut = (float(tree.question_lower[q]) + float(tree.question_upper[q])) / 2
    if tree.question_branch_begin[q] >= 0:
        begin = int(tree.question_branch_begin[q])
        branches = tree.question_branches[begin : begin + int(tree.question_n_branches[q])]
        name = tree.schema.categories[feature] if names else range(len(branches))
        sides = [frozenset(name[i] for i in np.flatnonzero(branches == c)) for c in (0, 1)]
        levels = (sides[0], sides[1])
    return Asked(
        feature,
        None if levels else cut,
        0 if levels else int(tree.question_low_child[q]),
        levels,
        float(tree.question_improvement[q]),
        float(tree.question_agreement[q]),
        float(tree.question_adjusted[q]),
    )


def read_tree(tree: DecisionTree, node: int = 0, *, names: bool = False, passed: Any = None) -> Seen:
    """A fitted tree; levels are codes, or the categories themselves with `names`; `passed`: its dense decision path."""
    begin, end = (int(v) for v in tree.question_begin[node : node + 2])
    questions = tuple(read_question(tree, q, names) for q in range(begin, end))
    after = 1 + int(tree.n_surrogates[node])
    return Seen(
        int(tree.count[node]),
        float(tree.weight[node]),
        tuple(map(float, tree.value[node])),
        int(tree.label[node]),
        float(tree.risk[node]),
        questions[0] if questions else None,
        questions[1:after],
        questions[after:],
        int(tree.fallback[node]),
        tuple(read_tree(tree, c, names=names, passed=passed) for c in tree.children(node)),
        () if passed is None else tuple(map(int, np.flatnonzero(passed[:, node]))),
        node,
    )


def read_split(split: Split, names: Sequence[Any] = ()) -> Asked:
    """A split of the oracle; `names[f]`: its levels, if they have names."""
    levels = split.levels
    if levels is not None and names:
        levels = (
            frozenset(names[split.feature][i] for i in levels[0]),
            frozenset(names[split.feature][i] for i in levels[1]),
        )
    return Asked(
        split.feature,
        None if levels else float(split.cut),
        split.low_child,
        levels,
        float(split.goodness),
        float(split.agree),
        float(split.adjusted),
    )


def read_oracle(p: Problem, node: Node, names: Sequence[Any] = ()) -> Seen:
    """A tree of the oracle."""
    others = competitors(p, node.rows, node.primary.feature) if node.primary else []
    return Seen(
        len(node.rows),
        float(sum(p.w(i) for i in node.rows)),
        tuple(float(v) for v in node.value),
        node.label,
        float(node.risk),
        read_split(node.primary, names) if node.primary else None,
        tuple(read_split(s, names) for s in node.surrogates),
        tuple(read_split(best[0], names) for best in others),
        -1 if node.fallback is None else node.fallback,
        tuple(read_oracle(p, child, names) for child in node.children),
        node.rows,
    )
