# SPDX-License-Identifier: Apache-2.0
"""What is told of a node: its class or mean, its cases, its shares; the way that leads to it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .conditions import Condition, Rule, prediction_text
from .decision_tree import SHARED, STAYS, DecisionTree
from .questions import Question, question

__all__ = ["NodeFacts", "check_categories", "check_decimals", "check_levels", "counted", "weight_text"]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_levels(max_depth: Any) -> None:
    """Refuse what is no number of levels."""
    if max_depth is not None and not (_is_whole(max_depth) and max_depth >= 0):
        raise ValueError(f"max_depth must be an integer of 0 or more, got {max_depth!r}; None shows all levels")


def check_decimals(decimals: Any) -> None:
    """Refuse what is no number of decimals."""
    if not (_is_whole(decimals) and 0 <= decimals <= 50):
        raise ValueError(f"decimals must be an integer from 0 to 50, got {decimals!r}")


def check_categories(max_categories: Any) -> None:
    """Refuse what is no number of categories to list."""
    if not (_is_whole(max_categories) and max_categories >= 1):
        raise ValueError(f"max_categories must be an integer of 1 or more, got {max_categories!r}")


def weight_text(weight: float) -> str:
    """A weight: whole where it is whole, else with two decimals."""
    return f"{weight:.0f}" if weight == round(weight) else f"{weight:.2f}".rstrip("0").rstrip(".")


def counted(n: int, noun: str) -> str:
    """The number of something: ``1 leaf``, ``3 leaves``."""
    plural = {"leaf": "leaves"}.get(noun, f"{noun}s")
    return f"{n} {noun if n == 1 else plural}"


class NodeFacts:
    """Facts of the nodes of one tree, each worked out once.

    Attributes
    ----------
    tree : DecisionTree
    """

    def __init__(self, tree: DecisionTree) -> None:
        self.tree = tree
        self._questions: dict[int, Question] = {}

    @cached_property
    def parents(self) -> list[int]:
        """Parent of every node; -1 at the root."""
        parents: list[int] = self.tree.parents().tolist()
        return parents

    @cached_property
    def depths(self) -> list[int]:
        """Depth of every node; 0 at the root."""
        depths: list[int] = self.tree.node_depths().tolist()
        return depths

    @cached_property
    def shares(self) -> npt.NDArray[np.float64]:
        """Shares of the classes, shape (n_nodes, n_classes)."""
        return self.tree.shares()

    @cached_property
    def classes(self) -> tuple[Any, ...]:
        """Labels of the classes; empty in a regression."""
        if not self.tree.classifier:
            return ()
        return tuple(range(self.tree.n_values)) if self.tree.classes is None else tuple(self.tree.classes.tolist())

    @cached_property
    def leaves_below(self) -> list[int]:
        """Leaves under every node; 1 of a leaf."""
        leaves = [0] * self.tree.n_nodes
        for node in reversed(range(self.tree.n_nodes)):
            leaves[node] = sum(leaves[child] for child in self.tree.children(node)) or 1
        return leaves

    @cached_property
    def numbers(self) -> list[int]:
        """Numbers of the nodes as in a full tree: the root is 1, the children of t are 2t and 2t + 1.

        With up to b branches a node the children of t are b (t - 1) + 2 and the following.
        """
        most = max(2, int(self.tree.n_children.max(initial=0)))
        numbers = [1] * self.tree.n_nodes
        for node in range(self.tree.n_nodes):
            for place, child in enumerate(self.tree.children(node)):
                numbers[child] = most * (numbers[node] - 1) + 2 + place
        return numbers

    def asked(self, node: int) -> Question | None:
        """The question of a node; None at a leaf."""
        if not self.tree.n_children[node]:
            return None
        if node not in self._questions:
            self._questions[node] = question(self.tree, int(self.tree.question_begin[node]))
        return self._questions[node]

    def branch(self, node: int) -> tuple[Question, int] | None:
        """The question of the parent and the answer (a child's ordinal) that leads here; None at the root."""
        parent = self.parents[node]
        if parent < 0:
            return None
        asked = self.asked(parent)
        assert asked is not None
        return asked, node - int(self.tree.first_child[parent])

    def branch_text(self, node: int, max_categories: int | None = None) -> str:
        """The condition that leads from the parent here; ``root`` at the root."""
        branch = self.branch(node)
        return "root" if branch is None else f"{branch[0].name} {branch[0].branch_text(branch[1], max_categories)}"

    def missing(self, node: int) -> int | str | None:
        """Where rows go that no question decides: a node, ``stays`` or ``shared``; None at a leaf."""
        if not self.tree.n_children[node]:
            return None
        to = int(self.tree.fallback[node])
        return {STAYS: "stays", SHARED: "shared"}.get(to, int(self.tree.first_child[node]) + to)

    def prediction(self, node: int) -> Any:
        """The class of a node, or its mean (an array for several targets)."""
        if self.tree.classifier:
            return self.classes[self.tree.label[node]]
        mean = self.tree.value[node]
        return float(mean[0]) if len(mean) == 1 else mean

    def prediction_text(self, node: int, decimals: int) -> str:
        """The class, or the mean with so many decimals."""
        return prediction_text(self.prediction(node), decimals)

    def cases_text(self, node: int) -> str:
        """The number of rows, and their weight where it is another."""
        count, weight = int(self.tree.count[node]), float(self.tree.weight[node])
        return f"n = {count}" if weight == count else f"n = {count}, weight {weight_text(weight)}"

    def errors(self, node: int) -> float:
        """Weight of the rows of other classes; the risk in a regression."""
        if not self.tree.classifier:
            return float(self.tree.risk[node])
        return float(self.tree.weight[node] - self.tree.value[node, self.tree.label[node]])

    def conditions(self, node: int) -> tuple[Condition, ...]:
        """The conditions from the root to a node, those of one feature merged, in the order they are first asked."""
        way: list[Condition] = []
        while (branch := self.branch(node)) is not None:
            parent = self.parents[node]
            missing = bool(self.tree.n_surrogates[parent] == 0 and self.tree.fallback[parent] == branch[1])
            way.append(branch[0].condition(branch[1], missing=missing))
            node = parent
        merged: dict[int, Condition] = {}
        for condition in reversed(way):
            known = merged.get(condition.feature)
            merged[condition.feature] = condition if known is None else known & condition
        return tuple(merged.values())

    def rule(self, node: int) -> Rule:
        """The rule that describes a node."""
        return Rule(
            conditions=self.conditions(node),
            prediction=self.prediction(node),
            count=int(self.tree.count[node]),
            weight=float(self.tree.weight[node]),
            errors=self.errors(node),
            classes=self.classes,
            shares=tuple(self.shares[node].tolist()) if self.tree.classifier else (),
            leaf=node,
        )

    def walk(self) -> list[int]:
        """All nodes, each before its children, branches from left to right."""
        order, stack = [], [0]
        while stack:
            order.append(stack.pop())
            stack.extend(reversed(self.tree.children(order[-1])))
        return order
